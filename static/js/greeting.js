// While nobody is here the tablet shows a QR that changes, and looks whether somebody opened it on their own phone.
"use strict";

(() => {
  const box = document.getElementById("greeting");
  const result = document.getElementById("result");
  const input = document.getElementById("scan");
  const EVERY_MS = 2000;

  const isIdle = () => !document.hidden && !result.querySelector("[data-session], [data-result], [data-question]") && !input.value;

  async function look() {
    if (!isIdle()) return;
    let answer;
    try {
      answer = await fetch("/kiosk/hallo", { headers: { "HX-Request": "true" }, cache: "no-store" });
    } catch {
      return; // The network is away: scan.js says so when it matters.
    }
    if (!answer.ok || answer.redirected) return;
    const html = await answer.text();
    const shown = box.querySelector("[data-greeting]");
    const fresh = document.createRange().createContextualFragment(html).querySelector("[data-greeting]");
    if (!fresh || !isIdle()) return;
    if ("somebody" in fresh.dataset) location.reload();
    else if (!shown || shown.dataset.greeting !== fresh.dataset.greeting) box.replaceChildren(fresh);
  }

  setInterval(look, EVERY_MS);
})();
