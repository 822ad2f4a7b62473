// A scan replaces what stands in the field, such as the number that was wrong before.
"use strict";

for (const input of document.querySelectorAll("input[data-select]")) {
  input.addEventListener("focus", () => input.select());
  if (document.activeElement === input) input.select();
}
