// The tablet's page: answers come and go, nobody's name stays, and the field always has the focus.
"use strict";

(() => {
  const form = document.getElementById("scan-form");
  const input = document.getElementById("scan");
  const result = document.getElementById("result");
  const nobody = document.getElementById("nobody");
  const status = document.getElementById("scan-status");
  const keys = document.getElementById("keys");
  const SESSION_MS = 30000;
  const COUNTDOWN_MS = 20000;
  const END = "/kiosk/fertig";
  // An answer to nobody in particular stays this long.
  const ANSWER_MS = 15000;
  let timers = [];
  let lastScanAt = 0;

  const say = (state) => {
    status.textContent = state ? form.dataset[state] : "";
    form.classList.toggle("is-late", Boolean(state));
  };
  const line = window.scanning.line(say, show);
  const field = window.scanning.field(input, scanned);

  function scanned(text) {
    const now = Date.now();
    // While the network was away somebody else may have come: what they scan is not for the one before.
    if (line.length && now - lastScanAt > SESSION_MS) line.add(END, {});
    lastScanAt = now;
    line.add(form.action, { scan: text, nummer: window.scanning.number() });
  }

  function show(html, item) {
    // The screen was emptied when the end was sent; what arrived late since then is still to be read.
    if (item.url === END) return;
    result.innerHTML = html;
    result.scrollTop = 0;
    input.focus({ preventScroll: true });
    watch(item.sent);
  }

  // What happens by itself after an answer. The seconds that the server says are left count from `since`, when it was asked.
  function watch(since) {
    for (const timer of timers) clearTimeout(timer);
    timers = [];
    const session = result.querySelector("[data-session]");
    const question = result.querySelector("[data-question]");
    if (question) at(since + question.dataset.question * 1000, returnByItself);
    if (session) {
      const end = since + session.dataset.session * 1000;
      at(end - COUNTDOWN_MS, hideDetails);
      at(end, end_);
    } else if (result.querySelector("[data-result]") && !question) {
      at(Date.now() + ANSWER_MS, showNobody);
    }
  }

  function at(moment, act) {
    timers.push(setTimeout(act, Math.max(0, moment - Date.now())));
  }

  function hideDetails() {
    for (const element of result.querySelectorAll("[data-private]")) element.remove();
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
    result.replaceChildren(nobody.content.cloneNode(true));
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
    if (pressed.hasAttribute("data-ends")) end_();
    else {
      for (const button of result.querySelectorAll("button")) button.disabled = true;
      line.add(pressed.action, fields);
    }
    input.focus({ preventScroll: true });
  });

  // A touch anywhere says: I am still here.
  document.addEventListener("click", (event) => {
    const isControl = event.target.closest("a, button, input, label, summary");
    const isAsking = result.querySelector("[data-question]") || !result.querySelector("[data-still]")?.hidden;
    if (!isControl && isAsking && result.querySelector("[data-session]")) line.add("/kiosk/weiter", {});
    if (!isControl) input.focus({ preventScroll: true });
  });

  function takeFocus() {
    if (!document.activeElement || document.activeElement === document.body) input.focus({ preventScroll: true });
  }
  document.addEventListener("focusout", () => setTimeout(takeFocus, 0));
  window.addEventListener("focus", takeFocus);
  document.addEventListener("visibilitychange", takeFocus);

  // The screen's keyboard would cover the answer; whoever has no scanner calls it up.
  input.inputMode = "none";
  keys.hidden = false;
  keys.addEventListener("click", () => {
    const wanted = input.inputMode === "none";
    input.inputMode = wanted ? "text" : "none";
    keys.setAttribute("aria-pressed", String(wanted));
    input.blur();
    input.focus();
  });

  // A page that the browser kept for its back button shows somebody who left.
  window.addEventListener("pageshow", (event) => {
    if (event.persisted) location.reload();
  });

  // What was scanned in vain must not vanish with a reload.
  window.addEventListener("beforeunload", (event) => {
    if (line.length) event.preventDefault();
  });

  input.focus();
  watch(Date.now());
})();
