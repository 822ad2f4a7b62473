// The camera of a phone or a tablet as a scanner, and a photo where there is no live picture. Fetched when somebody presses a
// camera button; what is read goes into the button's field the way that a scanner's keys go (scan.js: enter).
//
// The button says data-field (an id), data-camera (the kinds of codes that belong there, in groups: where codes of two groups
// are in sight, those of the first are meant), data-aim (what to hold where), data-sends="no" where the form is not to be sent
// by itself, and data-stays where the camera goes on after a code.

const view = document.getElementById("camera");
const picture = document.getElementById("camera-picture");
const video = picture.querySelector("video");
const said = document.getElementById("camera-said");
const choices = document.getElementById("camera-choices");
const torch = document.getElementById("camera-torch");
const other = document.getElementById("camera-other");

const FORMATS = ["ean_13", "qr_code"];
// How a picture is looked at: what share of its sides, how long at most, every how manieth line. Small pictures are read six
// times as fast. The first look is best for both kinds where somebody aims, the second for QR codes anywhere, the third for small
// bar codes anywhere; of three in a row two find what there is (the figures are in docs/decisions/0009-camera.md).
const LIVE = [
  { share: 0.5, longest: 960 },
  { share: 1, longest: 640 },
  { share: 1, longest: 1280, step: 2 },
];
// A photo is looked at in several sizes, and turned; two of them have to agree, as two frames do.
const STILL = [
  { share: 1, longest: 1280 },
  { share: 1, longest: 800 },
  { share: 1, longest: 2000 },
  { share: 0.5, longest: 1280 },
  { share: 1, longest: 1280, turn: Math.PI / 4 },
  { share: 1, longest: 2000, turn: Math.PI / 4 },
  { share: 0.5, longest: 960, turn: Math.PI / 4 },
];
const MOST_LOOKED_AT = 3;
const LARGEST_FILE = 25_000_000;
// So much time at least lies between two looks, to spare the battery.
const LOOK_MS = 70;
// Frames that agree follow each other so soon.
const AGREE_MS = 1500;
// Where a label and an ISBN are in sight, the likelier one gets so long to be read first.
const PATIENCE_MS = 400;
// A code counts again when it was out of sight for so long.
const GONE_MS = 3000;
const SAID_MS = 3000;
const READ_MS = 600;
const HELP_MS = 8000;
const IDLE_MS = 180_000;
const TROUBLES = {
  NotAllowedError: "denied",
  SecurityError: "denied",
  NotFoundError: "none",
  OverconstrainedError: "none",
  NotReadableError: "busy",
  AbortError: "busy",
};

let button = null;
let stream = null;
// Grows with every start and stop: what began before belongs to nobody any more.
let turn = 0;
// The view stands in the page and not above it; the field's keyboard is away so long.
let isDocked = false;
let inputMode = "";
let lastReadAt = 0;
let isHelped = false;

// ---- Reading pictures ----

let reader = null;

function reading() {
  reader ??= nativeReader().then((native) => native ?? zbarReader());
  reader.catch(() => (reader = null));
  return reader;
}

// The browser's own reader, where it knows both kinds of codes; null where it does not.
async function nativeReader() {
  if (!("BarcodeDetector" in window)) return null;
  const known = await BarcodeDetector.getSupportedFormats();
  if (!FORMATS.every((format) => known.includes(format))) return null;
  const detector = new BarcodeDetector({ formats: FORMATS });
  let zbar = null;
  return async (canvas, step) => {
    try {
      if (!zbar) return (await detector.detect(canvas)).map(placed);
    } catch {
      // Some devices promise a reader that turns out not to be installed.
      zbar = await zbarReader();
    }
    return zbar(canvas, step);
  };
}

function placed({ format, rawValue, boundingBox: box }) {
  return { format, text: rawValue, x: box.x + box.width / 2, y: box.y + box.height / 2 };
}

async function zbarReader() {
  const worker = new Worker(view.dataset.worker);
  const ask = (message, handedOver = []) =>
    new Promise((resolve, reject) => {
      const { port1, port2 } = new MessageChannel();
      port1.onmessage = ({ data }) => (data.codes ? resolve(data.codes) : reject(new Error(data.failed)));
      worker.onerror = () => reject(new Error("the reader could not be loaded"));
      worker.postMessage(message, [port2, ...handedOver]);
    });
  await ask({ zbar: view.dataset.zbar, wasm: view.dataset.wasm });
  return (canvas, step) => {
    const { data, width, height } = canvas.getContext("2d").getImageData(0, 0, canvas.width, canvas.height);
    return ask({ pixels: data.buffer, width, height, step }, [data.buffer]);
  };
}

const canvas = document.createElement("canvas");
const context = canvas.getContext("2d", { willReadFrequently: true });

// Draws the middle of a picture, `share` of its sides, with no side longer than `longest`, turned by `turn` radians.
function draw(source, width, height, { share, longest, turn: angle = 0 }) {
  const scale = Math.min(1, longest / (Math.max(width, height) * share));
  const [w, h] = [width * scale, height * scale];
  canvas.width = Math.round(angle ? Math.hypot(w, h) * share : w * share);
  canvas.height = Math.round(angle ? Math.hypot(w, h) * share : h * share);
  context.translate(canvas.width / 2, canvas.height / 2);
  context.rotate(angle);
  context.drawImage(source, -w / 2, -h / 2, w, h);
  return canvas;
}

// What a code is, the `rank` of its group in the field (0 is the first), and how far `off` the middle of the picture it is.
function known(code) {
  const { kind, value } = window.scanning.read(code.text) ?? { kind: "", value: code.text };
  const rank = button.dataset.camera.split(" ").findIndex((group) => group.split(",").includes(kind));
  const off = Math.hypot(code.x - canvas.width / 2, code.y - canvas.height / 2);
  return { format: code.format, kind, value, off, rank: rank < 0 ? Infinity : rank };
}

// ---- Live ----

export async function start(pressed) {
  stop();
  if (view.open && pressed !== button) close();
  button = pressed;
  const mine = turn;
  show();
  set("starting", view.dataset.starting);
  try {
    const reader = reading().catch(() => null);
    const came = await navigator.mediaDevices.getUserMedia(wanted());
    if (mine !== turn) return end(came);
    stream = came;
    await play();
    const read = await reader;
    if (mine === turn) await watch(read, mine);
  } catch (error) {
    if (!(error.name in TROUBLES)) throw error;
    if (mine === turn) trouble(TROUBLES[error.name]);
  }
}

// A tablet looks at whoever stands before it, a phone away from whoever holds it.
function wanted() {
  const chosen = localStorage.getItem("kamera-wahl");
  const facingMode = document.body.classList.contains("tablet") ? "user" : "environment";
  const size = { width: { ideal: 1920 }, height: { ideal: 1080 } };
  return { video: { ...size, ...(chosen ? { deviceId: { ideal: chosen } } : { facingMode }) } };
}

async function play() {
  const [track] = stream.getVideoTracks();
  track.addEventListener("ended", () => trouble("lost"));
  video.srcObject = stream;
  await video.play();
  video.classList.toggle("is-mirrored", track.getSettings().facingMode === "user");
  set("live", button.dataset.aim);
  offerMore(track);
}

async function offerMore(track) {
  torch.setAttribute("aria-pressed", "false");
  torch.hidden = !track.getCapabilities?.().torch;
  other.hidden = (await cameras()).length < 2;
}

async function cameras() {
  const devices = await navigator.mediaDevices.enumerateDevices();
  return devices.filter((device) => device.kind === "videoinput").map((device) => device.deviceId);
}

async function watch(read, mine) {
  lastReadAt = performance.now();
  isHelped = false;
  seen.clear();
  for (let n = 0; mine === turn; n += 1) {
    const look = LIVE[n % LIVE.length];
    draw(video, video.videoWidth, video.videoHeight, look);
    const next = nextFrame();
    const codes = await read?.(canvas, look.step).catch(() => null);
    if (mine !== turn) return;
    if (!codes) {
      reader = null;
      return trouble("unread");
    }
    judge(codes.map(known), performance.now());
    watchTime(performance.now() - lastReadAt);
    await next;
  }
}

function watchTime(quiet) {
  if (quiet > IDLE_MS && button.dataset.stays !== "always") trouble("idle");
  else if (quiet > HELP_MS && !isHelped && !seen.size) {
    isHelped = true;
    remark(view.dataset.closer);
  }
}

// Resolves when the camera has another picture than the one of now.
function nextFrame() {
  const paused = new Promise((done) => setTimeout(done, LOOK_MS));
  const drawn = new Promise((done) => (video.requestVideoFrameCallback ? video.requestVideoFrameCallback(done) : done()));
  return Promise.all([paused, drawn]);
}

// Of each format the code that is seen now: in how many frames, since when, and when last.
const seen = new Map();
// Codes that were handed over, and when they were last in sight.
const taken = new Map();

// A code counts when two frames in a row agree about it: a reader once gave a wrong one with a right check digit.
function judge(codes, now) {
  for (const format of FORMATS) {
    const [code] = codes.filter((one) => one.format === format).sort(fresherFirst(now));
    if (code) note(format, code, now);
  }
  const [found] = [...seen.values()].filter((code) => isSure(code, now)).sort((one, two) => one.rank - two.rank);
  if (!found) return;
  if (isTaken(found, now)) stillThere(found, now);
  else take(found, now);
}

function fresherFirst(now) {
  return (one, two) => isTaken(one, now) - isTaken(two, now) || (one.rank === two.rank ? one.off - two.off : one.rank - two.rank);
}

function note(format, code, now) {
  const before = seen.get(format);
  const agrees = before?.value === code.value && now - before.last < AGREE_MS;
  seen.set(format, { ...code, frames: agrees ? before.frames + 1 : 1, first: agrees ? before.first : now, last: now });
}

function isSure(code, now) {
  if (code.last !== now || code.frames < 2) return false;
  return code.rank === 0 || isTaken(code, now) || (now - code.first >= PATIENCE_MS && !isBetterThere(code, now));
}

// On the back of a book that was just scanned by its label there are also an ISBN and a price.
function isBetterThere(code, now) {
  return [...taken.values()].some((other) => other.rank < code.rank && now - other.last < GONE_MS);
}

function isTaken(code, now) {
  return taken.has(code.value) && now - taken.get(code.value).last < GONE_MS;
}

function stillThere(code, now) {
  const before = taken.get(code.value);
  before.last = now;
  if (!before.isSaid && now - before.first > GONE_MS && code.rank !== Infinity) {
    before.isSaid = true;
    remark(view.dataset.still);
  }
}

function take(code, now) {
  taken.set(code.value, { first: now, last: now, rank: code.rank });
  lastReadAt = now;
  if (code.rank === Infinity) remark(unsuitable(code));
  else hand(code);
}

function unsuitable(code) {
  if (code.kind) return `${view.dataset.misplaced} ${button.dataset.aim}`;
  return code.format === "ean_13" ? view.dataset.noisbn : view.dataset.foreign;
}

// ---- Handing over ----

function hand(code) {
  const field = document.getElementById(button.dataset.field);
  const sends = button.dataset.sends !== "no";
  window.scanning.play([1320]);
  if (navigator.userActivation?.hasBeenActive) navigator.vibrate?.(40);
  if (button.dataset.stays && stream) {
    picture.classList.add("is-read");
    setTimeout(() => picture.classList.remove("is-read"), READ_MS);
    remark(shown(code));
  } else close();
  window.scanning.enter(field, code.value, sends);
}

// The code of a card is a secret.
function shown(code) {
  return code.kind === "card" ? view.dataset.card : view.dataset.read.replace("{code}", code.value);
}

// ---- A photo ----

export async function readPhoto(pressed, file) {
  if (view.open) close();
  button = pressed;
  const mine = turn;
  view.showModal();
  set("photo", view.dataset.reading);
  const found = await lookAt(file);
  if (mine !== turn) return;
  if (typeof found === "string") set("trouble", found);
  else if (found.length === 1) hand(found[0]);
  else choose(found);
}

// The codes of a photo that belong into the field, or a sentence that says why there are none.
async function lookAt(file) {
  if (file.size > LARGEST_FILE) return view.dataset.toolarge;
  const photo = await createImageBitmap(file).catch(() => null);
  if (!photo) return view.dataset.nophoto;
  const read = await reading().catch(() => null);
  if (!read) return view.dataset.unread;
  const found = await agreed(photo, read);
  photo.close();
  const best = Math.min(...found.map((code) => code.rank));
  if (!found.length) return view.dataset.nothing;
  return best === Infinity ? unsuitable(found[0]) : found.filter((code) => code.rank === best);
}

async function agreed(photo, read) {
  const found = new Map();
  const sure = () => [...found.values()].filter((code) => code.times > 1);
  for (const [n, look] of STILL.entries()) {
    const codes = (await read(draw(photo, photo.width, photo.height, look))).map(known);
    for (const code of new Map(codes.map((one) => [one.value, one])).values()) {
      found.set(code.value, { ...code, times: (found.get(code.value)?.times ?? 0) + 1 });
    }
    if (n + 1 >= MOST_LOOKED_AT && sure().some((code) => code.rank !== Infinity)) break;
  }
  return sure();
}

function choose(found) {
  set("choose", view.dataset.several);
  choices.replaceChildren(
    ...found.map((code) => {
      const choice = document.createElement("button");
      Object.assign(choice, { type: "button", className: "button button--quiet", textContent: code.kind === "card" ? view.dataset.acard : code.value });
      choice.addEventListener("click", () => hand(code));
      const item = document.createElement("li");
      item.append(choice);
      return item;
    }),
  );
  choices.querySelector("button").focus();
}

// ---- The view ----

function show() {
  if (view.open) return;
  if (!button.dataset.stays) return view.showModal();
  view.show();
  // A scanner still types into the field, and no keyboard covers half of the screen.
  const field = document.getElementById(button.dataset.field);
  isDocked = true;
  inputMode = field.inputMode;
  field.inputMode = "none";
  field.focus({ preventScroll: true });
  view.parentElement.scrollIntoView();
  if (button.dataset.stays === "always") localStorage.setItem("kamera", "an");
}

function close() {
  view.close();
  leave();
}

function leave() {
  stop();
  clearTimeout(silence);
  if (!isDocked) return;
  isDocked = false;
  const field = document.getElementById(button.dataset.field);
  field.inputMode = inputMode;
  field.focus({ preventScroll: true });
  if (button.dataset.stays === "always") localStorage.setItem("kamera", "aus");
}

// What is seen of the view: "starting", "live", "away", "trouble", "photo" or "choose"; its parts say when they are for.
function set(state, sentence) {
  view.dataset.state = state;
  for (const part of view.querySelectorAll("[data-when]")) part.hidden = !part.dataset.when.split(" ").includes(state);
  for (const part of [torch, other]) part.hidden = true;
  say(sentence);
}

let silence = 0;

function say(sentence) {
  clearTimeout(silence);
  said.textContent = sentence;
}

// Said for a while, then again what to do.
function remark(sentence) {
  say(sentence);
  silence = setTimeout(() => say(button.dataset.aim), SAID_MS);
}

function trouble(name) {
  stop();
  set("trouble", view.dataset[name]);
}

// The camera goes off, and its light with it.
function stop() {
  turn += 1;
  if (stream) end(stream);
  stream = null;
  video.srcObject = null;
}

function end(one) {
  for (const track of one.getTracks()) track.stop();
}

view.addEventListener("close", () => {
  // It may be open again by now, for a photo.
  if (!view.open) leave();
});

document.addEventListener("keydown", (event) => {
  if (event.key === "Escape" && view.open) close();
});

document.addEventListener("visibilitychange", () => {
  if (document.hidden && stream) {
    stop();
    set("away", view.dataset.away);
  } else if (!document.hidden && view.open && view.dataset.state === "away") start(button);
});

document.getElementById("camera-again").addEventListener("click", () => start(button));

torch.addEventListener("click", async () => {
  const on = torch.getAttribute("aria-pressed") !== "true";
  await stream.getVideoTracks()[0].applyConstraints({ advanced: [{ torch: on }] });
  torch.setAttribute("aria-pressed", String(on));
});

other.addEventListener("click", async () => {
  const all = await cameras();
  const here = all.indexOf(stream.getVideoTracks()[0].getSettings().deviceId);
  localStorage.setItem("kamera-wahl", all[(here + 1) % all.length]);
  start(button);
});
