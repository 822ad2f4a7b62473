// While nobody is here the tablet shows a QR that changes, and looks whether somebody opened it on their own phone.
"use strict";

(() => {
  const box = document.getElementById("greeting");
  const result = document.getElementById("result");
  const input = document.getElementById("scan");
  const EVERY_MS = 2000;
  // On bad Wi-Fi a look that hangs must not keep a scan waiting: browsers send only a few things at once.
  const GIVE_UP_MS = 5000;
  let isLooking = false;

  // While a scan or the end of a session waits in line, a reload would lose it, or show who has just left.
  const isIdle = () =>
    !document.hidden &&
    !input.form.hasAttribute("data-busy") &&
    !result.querySelector("[data-session], [data-result], [data-question]") &&
    !input.value;

  async function look() {
    if (isLooking || !isIdle()) return;
    isLooking = true;
    try {
      await ask();
    } catch {
      // The network is away: scan.js says so when it matters.
    } finally {
      isLooking = false;
    }
  }

  async function ask() {
    const signal = AbortSignal.timeout(GIVE_UP_MS);
    const answer = await fetch("/kiosk/hallo", { headers: { "HX-Request": "true" }, cache: "no-store", signal });
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
