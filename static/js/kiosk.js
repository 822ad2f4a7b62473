// The tablet's page: answers come and go, nobody's name stays, and the field always has the focus.
"use strict";

(() => {
  const form = document.getElementById("scan-form");
  const input = document.getElementById("scan");
  const result = document.getElementById("result");
  const nobody = document.getElementById("nobody");
  const waiting = document.getElementById("waiting");
  const status = document.getElementById("scan-status");
  const keys = document.getElementById("keys");
  const pad = document.getElementById("pad");
  const SESSION_MS = 30000;
  const COUNTDOWN_MS = 20000;
  const DETAILS_MS = 10000;
  const END = "/kiosk/fertig";
  const STAY = "/kiosk/weiter";
  const CONTROLS = "a, button";
  // What a guest chose or half typed goes when nobody does anything for so long.
  const AWAY_MS = 60000;
  // An answer to nobody in particular stays this long.
  const ANSWER_MS = 15000;
  // Most answers are there sooner than this: to say before that one is coming would only flicker.
  const READING_MS = 60;
  const NOTES = { ok: [880], look: [660, 660], stop: [220, 220] };
  let timers = [];
  let lastScanAt = 0;
  let away = 0;
  let isOver = false;
  let isStale = false;
  let network = "";

  const say = (state) => {
    network = state;
    tell();
    // What was said about the book before must not pass for an answer about this one.
    if (state && isScanWaiting() && !result.querySelector("[data-waiting]")) fill(waiting);
  };
  // greeting.js reloads the page only while nothing waits in line.
  const line = window.scanning.line(say, show, () => form.toggleAttribute("data-busy", line.length > 0));
  const field = window.scanning.field(input, scanned);

  function scanned(text) {
    const now = Date.now();
    // While the network was away somebody else may have come: what they scan is not for the one before.
    if (line.length && now - lastScanAt > SESSION_MS) line.add(END, {});
    lastScanAt = now;
    line.add(form.action, { scan: text, nummer: window.scanning.number() });
    setTimeout(tell, READING_MS);
    closePad();
  }

  // What becomes of the scans that wait: the network is slow or away, or they are just being read.
  function tell() {
    const isReading = !network && isScanWaiting();
    status.textContent = isReading ? form.dataset.reading : (form.dataset[network] ?? "");
    form.classList.toggle("is-reading", isReading);
    form.classList.toggle("is-late", Boolean(network));
  }

  function isScanWaiting() {
    return line.has((item) => item.url !== END && item.url !== STAY);
  }

  function show(html, item) {
    if (item.url === END) isOver = true;
    // The screen was emptied when the end was sent; what arrived late since then is still to be read. Only when the end
    // settled a question it has something to say.
    if (item.url === END && !html.includes("data-result=")) {
      if (!result.querySelector("[data-result]")) showNobody();
      return;
    }
    const focused = item.url === STAY ? [...result.querySelectorAll(CONTROLS)].indexOf(document.activeElement) : -1;
    result.innerHTML = html;
    tell();
    if (result.querySelector("[data-reload]")) isStale = true;
    if (isStale && isFree()) {
      location.reload();
      return;
    }
    if (item.url !== STAY) window.scanning.play(NOTES[result.querySelector("[data-result]")?.dataset.result] ?? []);
    window.scrollTo(0, 0);
    // Who goes on by keyboard stays where they are.
    if (item.url !== STAY || focused >= 0) (result.querySelectorAll(CONTROLS)[focused] ?? input).focus({ preventScroll: true });
    watch(item.sent);
  }

  // What happens by itself after an answer. The seconds that the server says are left count from `since`, when it was asked.
  function watch(since) {
    for (const timer of timers) clearTimeout(timer);
    timers = [];
    const session = result.querySelector("[data-session]");
    const question = result.querySelector("[data-question]");
    const undo = result.querySelector("[data-undo]");
    const basket = result.querySelector("[data-basket]");
    if (undo) countDownUndo(undo, since + undo.dataset.undo * 1000);
    if (basket && !session) {
      const end = since + basket.dataset.basket * 1000;
      at(end, showNobody);
      countDown(end);
      return;
    }
    if (question) {
      const end = since + question.dataset.question * 1000;
      at(end, returnByItself);
      countDown(end);
    }
    if (session) {
      const end = since + session.dataset.session * 1000;
      at(Math.min(end - COUNTDOWN_MS, since + DETAILS_MS), hideDetails);
      // Who was greeted by phone has longer: the countdown is the last part of it all the same.
      at(end - COUNTDOWN_MS, askWhoIsThere);
      at(end, end_);
    } else if (result.querySelector("[data-result]") && !question) {
      at(Date.now() + ANSWER_MS, showNobody);
    }
  }

  function countDown(end) {
    const left = Math.max(0, Math.ceil((end - Date.now()) / 1000));
    for (const element of result.querySelectorAll("[data-left]")) element.textContent = left;
    if (left) at(end - (left - 1) * 1000, () => countDown(end));
  }

  function countDownUndo(form, end) {
    const left = Math.max(0, Math.ceil((end - Date.now()) / 1000));
    for (const element of form.querySelectorAll("[data-undo-left]")) element.textContent = left;
    if (left) at(end - (left - 1) * 1000, () => countDownUndo(form, end));
    else form.remove();
  }

  function at(moment, act) {
    timers.push(setTimeout(act, Math.max(0, moment - Date.now())));
  }

  function hideDetails() {
    for (const element of result.querySelectorAll("[data-private]")) element.remove();
  }

  function askWhoIsThere() {
    for (const element of result.querySelectorAll("[data-still]")) element.hidden = false;
  }

  function end_() {
    showNobody();
    line.add(END, {});
  }

  function showNobody() {
    for (const timer of timers) clearTimeout(timer);
    timers = [];
    field.forget();
    fill(isScanWaiting() && form.classList.contains("is-late") ? waiting : nobody);
    if ((isStale || (isOver && isForeign())) && isFree()) location.reload();
  }

  // A reload now loses no scan, also none that is just being typed.
  function isFree() {
    return !line.length && !input.value;
  }

  function fill(template) {
    result.replaceChildren(template.content.cloneNode(true));
  }

  // The whole page speaks a guest's language, or has large letters; when the server has forgotten that, it is asked for anew.
  function isForeign() {
    return form.hasAttribute("data-foreign");
  }

  function stillHere() {
    clearTimeout(away);
    away = setTimeout(left, AWAY_MS);
  }

  // What somebody typed and left behind, perhaps half the code of a card, is not for the next.
  function left() {
    input.value = "";
    if (isForeign()) end_();
  }

  function returnByItself() {
    const asked = result.querySelector("[data-by-itself]");
    if (asked) line.add(asked.action, { ...Object.fromEntries(new FormData(asked)), von_selbst: "1" });
  }

  // Buttons in an answer wait in the same line as scans, so that everything happens in order, and once.
  result.addEventListener("submit", (event) => {
    if (event.target.hasAttribute("data-leaves")) return;
    event.preventDefault();
    const pressed = event.target;
    const fields = Object.fromEntries(new FormData(pressed));
    fields.nummer = window.scanning.number();
    // With a question open the end is an answer to it, which is shown.
    if (pressed.hasAttribute("data-ends") && !result.querySelector("[data-question]")) end_();
    else {
      for (const button of result.querySelectorAll("button")) button.disabled = true;
      line.add(pressed.hasAttribute("data-ends") ? END : pressed.action, fields);
    }
    input.focus({ preventScroll: true });
  });

  // A touch anywhere says: I am still here. So does whoever goes from button to button with the keyboard.
  document.addEventListener("click", (event) => {
    if (event.target.closest("a, button, input, label, summary")) return;
    stay();
    input.focus({ preventScroll: true });
  });
  document.addEventListener("keydown", (event) => {
    if (event.key === "Tab" && !event.defaultPrevented && !line.has((item) => item.url === STAY)) stay();
  });

  function stay() {
    const isAsking = result.querySelector("[data-question]") || !result.querySelector("[data-still]")?.hidden;
    const isHere = isAsking && result.querySelector("[data-session]");
    if (isHere || result.querySelector("[data-basket]")) line.add(STAY, {});
  }

  function takeFocus() {
    if (!document.activeElement || document.activeElement === document.body) input.focus({ preventScroll: true });
  }
  document.addEventListener("focusout", () => setTimeout(takeFocus, 0));
  window.addEventListener("focus", takeFocus);
  document.addEventListener("visibilitychange", takeFocus);

  // The system's keyboard would cover the answer, and many tablets have none: whoever has no scanner calls up these keys.
  input.inputMode = "none";
  keys.hidden = false;

  function showPad(isOpen) {
    pad.hidden = !isOpen;
    keys.setAttribute("aria-expanded", String(isOpen));
    input.focus({ preventScroll: true });
  }

  function closePad() {
    if (!pad.hidden) showPad(false);
  }

  keys.addEventListener("click", () => showPad(pad.hidden));

  // A finger on the pad leaves the focus in the field; who comes to a key by keyboard keeps it there.
  pad.addEventListener("pointerdown", (event) => event.preventDefault());
  pad.addEventListener("click", (event) => {
    const key = event.target.closest("button[type=button]");
    if (!key) return;
    input.value = key.dataset.key ? input.value + key.dataset.key : input.value.slice(0, -1);
    input.dispatchEvent(new Event("input", { bubbles: true }));
  });
  pad.addEventListener("keydown", (event) => {
    if (event.key === "Escape") closePad();
  });

  window.scanning.soundButton(document.getElementById("sound"), () => input.focus({ preventScroll: true }));

  // A page that the browser kept for its back button shows somebody who left.
  window.addEventListener("pageshow", (event) => {
    if (event.persisted) location.reload();
  });

  // What was scanned in vain must not vanish with a reload.
  window.addEventListener("beforeunload", (event) => {
    if (line.length) event.preventDefault();
  });

  for (const sign of ["pointerdown", "keydown", "scroll", "input"]) document.addEventListener(sign, stillHere, { passive: true, capture: true });

  input.focus({ preventScroll: true });
  stillHere();
  watch(Date.now());
})();
