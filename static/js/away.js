// Pages of the tablet other than its scan page: whoever leaves one open leaves nothing behind for the next person, and a
// scan that no field expects is done as on the scan page, also where a field for something else has the focus.
"use strict";

(() => {
  const form = document.getElementById("scan-elsewhere");
  const AWAY_MS = 90000;
  const keys = window.wedge(window.scanning.read);
  let timer = 0;

  function stillHere() {
    clearTimeout(timer);
    timer = setTimeout(() => location.replace(form.action), AWAY_MS);
  }

  function isEditable(element) {
    return Boolean(element?.matches("input:not([type=hidden], [type=checkbox], [type=radio]), textarea, select"));
  }

  // The check symbol tells a code from a word that somebody types fast.
  function isCode(text) {
    return ["copy", "shelf", "card", "command"].includes(window.scanning.read(text)?.kind);
  }

  // Where a book is taken in, its ISBN and the donor's card are scanned into their fields.
  function expectsScans(field) {
    return Boolean(field.closest('form[action^="/spenden"]'));
  }

  document.addEventListener(
    "keydown",
    (event) => {
      stillHere();
      const field = isEditable(document.activeElement) ? document.activeElement : null;
      if (field && expectsScans(field)) return;
      const scan = keys.key(event, Date.now(), null);
      if (!scan || (field && !isCode(scan.text))) return;
      event.preventDefault();
      if (field) field.value = "";
      form.elements.scan.value = scan.text;
      // Sent again by a reload, it is still the same scan.
      form.elements.nummer.value = crypto.getRandomValues(new Uint32Array(3)).join("-");
      form.requestSubmit();
    },
    true,
  );
  for (const sign of ["pointerdown", "scroll", "input"]) document.addEventListener(sign, stillHere, { passive: true, capture: true });
  // The browser's back button shows a page whose time stood still.
  window.addEventListener("pageshow", stillHere);
  stillHere();
})();
