// Finishes what was begun before signing in. Without scripts one press on the button does it.
"use strict";

document.querySelector("form[data-submit-now]")?.requestSubmit();
