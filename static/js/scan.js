// Scanning: a keyboard wedge, a typing person, the camera and a photo all end here, in a field and its form.
// The scan field sends one thing after the other. What was scanned is never lost while the page is open: it waits in line, is
// sent again when the network is away, and carries a number, so that the server does it once, and its age, so that it counts
// for whoever stood there.
"use strict";

(() => {
  const SLOW_MS = 1500;
  const GIVE_UP_MS = 10000;
  const PAUSES_MS = [500, 1000, 2000, 4000];
  const TRY_AGAIN = new Set([408, 429, 502, 503, 504]);

  // ---- What a code is ----

  const ALPHABET = "0123456789ABCDEFGHJKMNPRSTVWX";
  const KINDS = { B: ["copy", 7], R: ["shelf", 5], M: ["card", 29], K: ["command", 5] };
  // The address on a label, of whatever host: the last `c` counts. A keyboard of another layout types other signs for : and /.
  const IN_ADDRESS = /^.*[^0-9A-Z]C[^0-9A-Z]+([0-9A-Z]+)(?:[^0-9A-Z].*)?$/s;
  const LONGEST = 400;

  // { kind, value } of a code with a right check symbol (codes.py) or digit: "copy", "shelf", "card", "command" or "isbn"; else null.
  function read(text) {
    if (isIsbn(text)) return { kind: "isbn", value: text };
    const clean = text.slice(-LONGEST).trim().toUpperCase();
    const code = IN_ADDRESS.exec(clean)?.[1] ?? clean;
    const [kind, length] = KINDS[code[0]] ?? [];
    return code.length === length && isRight(code.slice(1)) ? { kind, value: code } : null;
  }

  function isRight(symbols) {
    const values = Array.from(symbols, (symbol) => ALPHABET.indexOf(symbol));
    return !values.includes(-1) && values.reduce((sum, value, n) => sum + (n + 1) * value, 0) % ALPHABET.length === 0;
  }

  function isIsbn(text) {
    return /^97[89]\d{10}$/.test(text) && Array.from(text).reduce((sum, digit, n) => sum + digit * (n % 2 ? 3 : 1), 0) % 10 === 0;
  }

  // ---- The line ----

  const number = () => Array.from(crypto.getRandomValues(new Uint8Array(12)), (b) => b.toString(16).padStart(2, "0")).join("");
  const pause = (ms) => new Promise((done) => setTimeout(done, ms));

  // Sends what it is given in order. `say(state)` gets "", "slow" or "lost"; `show(html, item)` each answer, with the moments
  // when its item was scanned (`at`) and sent (`sent`, in milliseconds). `changed` is called when something joins or leaves the line.
  function line(say, show, changed = () => {}) {
    const waiting = [];
    let running = false;

    async function attempt(item) {
      const slow = setTimeout(() => say("slow"), SLOW_MS);
      item.sent = Date.now();
      try {
        const response = await fetch(item.url, {
          method: "POST",
          headers: { "HX-Request": "true" },
          body: new URLSearchParams({ ...item.fields, alter: Math.max(0, item.sent - item.at) }),
          credentials: "same-origin",
          signal: AbortSignal.timeout(GIVE_UP_MS),
        });
        if (TRY_AGAIN.has(response.status)) return null;
        return { html: await response.text(), elsewhere: response.headers.get("HX-Redirect") };
      } catch {
        return null;
      } finally {
        clearTimeout(slow);
      }
    }

    async function send(item) {
      for (let tries = 0; ; tries += 1) {
        const answer = await attempt(item);
        if (answer) return answer;
        say("lost");
        await pause(PAUSES_MS[Math.min(tries, PAUSES_MS.length - 1)]);
      }
    }

    async function run() {
      running = true;
      while (waiting.length) {
        const answer = await send(waiting[0]);
        say("");
        if (answer.elsewhere) {
          // Not a tablet any more: the page itself says what to do.
          location.assign(location.pathname);
          return;
        }
        const item = waiting.shift();
        changed();
        show(answer.html, item);
      }
      running = false;
    }

    return {
      add(url, fields) {
        waiting.push({ url, fields, at: Date.now() });
        changed();
        if (!running) run();
      },
      get length() {
        return waiting.length;
      },
      // Whether one of what waits is such a thing.
      has(test) {
        return waiting.some(test);
      },
    };
  }

  // ---- The field ----

  // Calls `scanned(text)` for everything that is typed into `input` and ended by Enter, or by Tab if a scanner typed it. The same
  // text within `sameMs` is one scan: then `again(text)` is called instead.
  function field(input, scanned, { sameMs, again = () => {} } = {}) {
    const wedge = window.wedge(read, { sameMs });

    function take(scan) {
      input.value = "";
      if (scan) (scan.isAgain ? again : scanned)(scan.text);
    }

    input.form.addEventListener("submit", (event) => {
      event.preventDefault();
      take(wedge.entered(input.value, Date.now()));
    });

    document.addEventListener(
      "keydown",
      (event) => {
        const isHere = document.activeElement === input;
        if (event.isComposing || (!isHere && isEditable(document.activeElement))) return;
        // A scanner types wherever the focus is. The space bar still presses a button.
        if (!isHere && event.key === " " && !wedge.isBusy(event.timeStamp)) return;
        const scan = wedge.key(event, Date.now(), isHere ? input.value : null);
        if (scan) {
          event.preventDefault();
          take(scan);
        } else if (!isHere && window.wedge.isText(event)) {
          event.preventDefault();
          input.focus();
          input.value += event.key;
        }
      },
      true,
    );

    return wedge;
  }

  function isEditable(element) {
    return Boolean(element?.matches("input:not([type=hidden]), textarea, select, [contenteditable]"));
  }

  // Does with a code what a scanner does: types it and presses Enter. A form that still lacks something gets the cursor there,
  // and one that is to be looked over first (`isSent` false) keeps it.
  function enter(input, text, isSent) {
    input.value = text;
    input.dispatchEvent(new Event("input", { bubbles: true }));
    const missing = isSent ? input.form.querySelector(":is(input, select, textarea):invalid") : input;
    if (missing) missing.focus();
    else input.form.requestSubmit();
  }

  // ---- Sound ----

  let audio = null;

  function isLoud() {
    return localStorage.getItem("stapel-ton") !== "aus";
  }

  // A tone of `pitch` hertz, `after` so many seconds.
  function beep(pitch, after = 0) {
    if (!isLoud()) return;
    try {
      audio ??= new AudioContext();
      const [tone, volume, start] = [audio.createOscillator(), audio.createGain(), audio.currentTime + after];
      tone.frequency.value = pitch;
      volume.gain.setValueAtTime(0.12, start);
      volume.gain.exponentialRampToValueAtTime(0.001, start + 0.12);
      tone.connect(volume).connect(audio.destination);
      tone.start(start);
      tone.stop(start + 0.13);
    } catch {
      // Colour, sign and word say the same.
    }
  }

  // Notes one after the other, in hertz.
  function play(notes) {
    notes.forEach((pitch, n) => beep(pitch, n * 0.14));
  }

  // A button that says whether there is sound (`data-on`, `data-off`) and turns it on and off; then it calls `pressed`.
  function soundButton(button, pressed) {
    function show() {
      button.textContent = isLoud() ? button.dataset.on : button.dataset.off;
      button.setAttribute("aria-pressed", String(isLoud()));
    }
    button.hidden = false;
    button.addEventListener("click", () => {
      localStorage.setItem("stapel-ton", isLoud() ? "aus" : "an");
      show();
      beep(880);
      pressed();
    });
    show();
  }

  // ---- Camera buttons ----

  // Browsers lend the camera only to pages that came by HTTPS or from this machine; a photo can always be taken.
  const hasCamera = Boolean(navigator.mediaDevices?.getUserMedia);
  const view = document.getElementById("camera");
  const photo = document.getElementById("camera-photo");
  let asking = null;

  // The camera and what reads its pictures are fetched when somebody wants them.
  async function withCamera(act) {
    const camera = await import(view.dataset.script).catch(() => null);
    if (camera) act(camera);
    else {
      document.getElementById("camera-said").textContent = view.dataset.unloaded;
      if (!view.open) view.showModal();
    }
  }

  function press(button) {
    asking = button;
    if (hasCamera) withCamera((camera) => camera.start(button));
    else takePhoto();
  }

  function takePhoto() {
    photo.value = "";
    photo.click();
  }

  if (view) {
    document.documentElement.classList.add("can-scan", hasCamera ? "has-camera" : "has-no-camera");
    document.addEventListener("click", (event) => {
      const button = event.target.closest("[data-camera]");
      if (button) press(button);
      else if (event.target.closest("[data-camera-photo]")) takePhoto();
    });
    photo.addEventListener("change", () => {
      if (photo.files.length) withCamera((camera) => camera.readPhoto(asking, photo.files[0]));
    });
    // On the tablet the camera stays what it was.
    const lasting = document.querySelector("[data-camera][data-stays=always]");
    if (lasting && hasCamera && localStorage.getItem("kamera") === "an") press(lasting);
  }

  window.scanning = { line, field, number, read, enter, play, soundButton };
})();
