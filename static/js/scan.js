// The scan field: reads a keyboard wedge or a typing person, and sends one thing after the other.
// What was scanned is never lost while the page is open: it waits in line, is sent again when the network is away, and
// carries a number, so that the server does it once, and its age, so that it counts for whoever stood there.
"use strict";

(() => {
  const SAME_SCAN_MS = 3000;
  // A scanner types a key every 2 to 30 ms; nobody types a whole code like that.
  const SCANNER_KEY_MS = 100;
  const SHORTEST_CODE = 5;
  const SLOW_MS = 1500;
  const GIVE_UP_MS = 10000;
  const PAUSES_MS = [500, 1000, 2000, 4000];
  const TRY_AGAIN = new Set([408, 429, 502, 503, 504]);

  const number = () => Array.from(crypto.getRandomValues(new Uint8Array(12)), (b) => b.toString(16).padStart(2, "0")).join("");
  const pause = (ms) => new Promise((done) => setTimeout(done, ms));

  // Sends what it is given in order. `say(state)` gets "", "slow" or "lost"; `show(html, item)` each answer, with the moments
  // when its item was scanned (`at`) and sent (`sent`, in milliseconds).
  function line(say, show) {
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
        show(answer.html, waiting.shift());
      }
      running = false;
    }

    return {
      add(url, fields) {
        waiting.push({ url, fields, at: Date.now() });
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

  // Calls `scanned(text)` for everything that is typed into `input` and ended by Enter, or by Tab if a scanner typed it. The same
  // text within `sameMs` is one scan: then `again(text)` is called instead.
  function field(input, scanned, { sameMs = SAME_SCAN_MS, again = () => {} } = {}) {
    let last = { text: "", at: 0 };
    let firstKey = 0;

    function take() {
      const text = input.value.trim();
      input.value = "";
      if (!text) return;
      const now = Date.now();
      const same = text.toUpperCase() === last.text && now - last.at < sameMs;
      last = { text: text.toUpperCase(), at: now };
      (same ? again : scanned)(text);
    }

    input.form.addEventListener("submit", (event) => {
      event.preventDefault();
      take();
    });

    document.addEventListener(
      "keydown",
      (event) => {
        const isText = event.key.length === 1 && !event.ctrlKey && !event.metaKey && !event.altKey;
        if (isText) {
          if (!input.value) firstKey = event.timeStamp;
          // A scanner types wherever the focus is. The space bar still presses a button.
          if (document.activeElement !== input && (event.key !== " " || input.value) && !isEditable(document.activeElement)) {
            event.preventDefault();
            input.focus();
            input.value += event.key;
          }
        } else if (event.key === "Tab" && !event.shiftKey && input.value.length >= SHORTEST_CODE) {
          if ((event.timeStamp - firstKey) / input.value.length > SCANNER_KEY_MS) return;
          event.preventDefault();
          take();
        }
      },
      true,
    );

    return {
      // The next scan is a new one, even of the same code.
      forget() {
        last = { text: "", at: 0 };
      },
    };
  }

  function isEditable(element) {
    return Boolean(element?.matches("input:not([type=hidden]), textarea, select, [contenteditable]"));
  }

  window.scanning = { line, field, number };
})();
