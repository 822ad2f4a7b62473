// The pile: every scan is a row at once, and fills itself in while the next book is scanned.
// A scan that the server has not got yet is kept in the browser, over a reload too; it carries its number, so that it is one book.
"use strict";

(() => {
  const form = document.getElementById("pile-scan");
  const input = document.getElementById("pile-isbn");
  const list = document.getElementById("pile-rows");
  const fresh = document.getElementById("pile-new");
  const status = document.getElementById("pile-status");
  const book = document.getElementById("pile-form-here");
  const sound = document.getElementById("pile-sound");
  const all = document.getElementById("pile-all");
  const more = document.getElementById("pile-more");
  const KEPT = `stapel-${form.dataset.owner}`;
  const FIRST_LOOK_MS = 400;
  const LAST_LOOK_MS = 5000;
  const LATE_LOOK_MS = 20000;
  // Nobody lays a second copy under the scanner as quickly as that; a scanner that reads twice does.
  const SAME_SCAN_MS = 1000;
  const QUESTION_MS = 15000;
  // A scanner types a key every 2 to 30 ms; nobody types thirteen digits like that.
  const SCANNER_KEY_MS = 100;

  // ---- Scans ----

  const line = window.scanning.line(say, arrived);
  window.scanning.field(input, scanned, { sameMs: SAME_SCAN_MS, again });
  let unsent = kept();

  function say(state) {
    status.textContent = state ? form.dataset[state] : "";
    form.classList.toggle("is-late", Boolean(state));
  }

  function kept() {
    try {
      return JSON.parse(localStorage.getItem(KEPT)) ?? [];
    } catch {
      return [];
    }
  }

  function keep() {
    try {
      localStorage.setItem(KEPT, JSON.stringify(unsent));
    } catch {
      // Without a place to keep them they still wait in line while the page is open.
    }
  }

  // The code of a member card is a secret: only what looks like an ISBN is shown and kept before the server has read it.
  function isNumber(text) {
    const bare = text.replace(/isbn|[\]+]e0/gi, "").replace(/x$/i, "0");
    return (bare.match(/\d/g)?.length ?? 0) >= 8 && !/[a-z]/i.test(bare);
  }

  function scanned(text) {
    const scan = { isbn: text, nummer: window.scanning.number() };
    if (isNumber(text)) {
      unsent.push(scan);
      keep();
      show(scan);
    }
    line.add(form.action, scan);
  }

  // What was read again at once counts as one book, and nothing counts silently: were there more, a press adds them.
  const twice = { text: "", count: 0, timer: 0 };

  function again(text) {
    if (!isNumber(text)) return;
    twice.count = twice.text === text ? twice.count + 1 : 1;
    twice.text = text;
    more.querySelector("button").textContent = twice.count === 1 ? more.dataset.one : more.dataset.many.replace("{n}", twice.count);
    more.hidden = false;
    clearTimeout(twice.timer);
    twice.timer = setTimeout(noMore, QUESTION_MS);
  }

  function noMore() {
    Object.assign(twice, { text: "", count: 0 });
    more.hidden = true;
  }

  more.querySelector("button").addEventListener("click", () => {
    for (let n = 0; n < twice.count; n += 1) scanned(twice.text);
    noMore();
    input.focus({ preventScroll: true });
  });

  function show(scan) {
    const row = fresh.content.cloneNode(true).querySelector("li");
    row.dataset.number = scan.nummer;
    row.dataset.isbn = scan.isbn.replace(/[^\dX]/gi, "");
    row.querySelector(".pile__title").textContent = scan.isbn;
    row.querySelector(".pile__place").textContent = list.querySelectorAll("[data-state]").length + 1;
    list.prepend(row);
  }

  function arrived(html, item) {
    const number = item.fields.nummer;
    const came = land(html);
    if (!came.some((row) => row.dataset.number === number)) {
      say("failed");
      return;
    }
    unsent = unsent.filter((scan) => scan.nummer !== number);
    keep();
    lookSoon();
  }

  // ---- Rows ----

  // Puts the rows of an answer where they belong, and says how far the pile is. `place` is told to by whom they were asked for.
  function land(html, place = putRow) {
    const answer = document.createElement("template");
    answer.innerHTML = html;
    const came = [...answer.content.querySelectorAll("li[data-number]")];
    for (const row of came) place(row);
    const summary = answer.content.getElementById("pile-summary");
    if (summary) document.getElementById("pile-summary").replaceWith(summary);
    if (summary && !summary.hidden) all.hidden = false;
    return came;
  }

  const rowLike = (row) => list.querySelector(`[data-number="${CSS.escape(row.dataset.number)}"]`);

  function putRow(row) {
    const before = rowLike(row);
    if (before?.outerHTML === row.outerHTML) return;
    if (before?.dataset.state !== row.dataset.state) signal(row);
    if (before) before.replaceWith(row);
    else list.prepend(row);
  }

  // Where only the picture is new the rest stays as it is: somebody may just be choosing a shelf there.
  function putNews(row) {
    const before = rowLike(row);
    if (before?.dataset.state !== row.dataset.state || row.dataset.state === "looking") return putRow(row);
    before.querySelector(".pile__cover")?.replaceWith(row.querySelector(".pile__cover") ?? "");
    before.toggleAttribute("data-awaits", "awaits" in row.dataset);
  }

  // ---- What is still being looked up, and pictures that are still to come ----

  const UNDER_WAY = '[data-row]:is([data-state="looking"], [data-awaits]):not([data-off])';

  let timer = 0;
  let wait = FIRST_LOOK_MS;

  function lookSoon() {
    wait = FIRST_LOOK_MS;
    look();
  }

  function look() {
    clearTimeout(timer);
    const rows = [...list.querySelectorAll(UNDER_WAY)];
    if (!rows.length) return;
    const pause = rows.every((row) => "late" in row.dataset) ? LATE_LOOK_MS : wait;
    timer = setTimeout(() => ask(rows.map((row) => row.dataset.row)), pause);
  }

  async function ask(ids) {
    wait = Math.min(wait * 1.4, LAST_LOOK_MS);
    try {
      const response = await fetch(`/spenden/zeilen?zeilen=${ids.join()}`, { headers: { "HX-Request": "true" } });
      const waiting = list.querySelectorAll(UNDER_WAY).length;
      if (response.ok && !response.redirected) land(await response.text(), putNews);
      if (list.querySelectorAll(UNDER_WAY).length !== waiting) wait = FIRST_LOOK_MS;
    } catch {
      // The next try comes by itself.
    }
    look();
  }

  // ---- Buttons ----

  async function send(pressed, button) {
    const fields = new FormData(pressed, button);
    // A photo goes as a file; everything else as small as can be.
    const body = pressed.enctype === "multipart/form-data" ? fields : new URLSearchParams(fields);
    try {
      const response = await fetch(pressed.action, { method: "POST", headers: { "HX-Request": "true" }, body });
      const elsewhere = response.headers.get("HX-Redirect");
      if (elsewhere) location.assign(elsewhere);
      else return { ok: response.ok, html: await response.text() };
    } catch {
      say("lost");
    }
    return null;
  }

  list.addEventListener("submit", async (event) => {
    event.preventDefault();
    const answer = await send(event.target, event.submitter);
    if (answer?.ok) land(answer.html);
    else if (answer) location.reload();
    lookSoon();
    input.focus({ preventScroll: true });
  });

  list.addEventListener("change", (event) => event.target.closest("[data-by-itself]")?.requestSubmit());

  list.addEventListener("click", (event) => {
    if (!event.target.closest("[data-dismiss]")) return;
    event.target.closest("li").remove();
    input.focus({ preventScroll: true });
  });

  // Taking in waits for the scans that are still on their way.
  document.addEventListener("submit", (event) => {
    if (!event.target.hasAttribute("data-take-in")) return;
    event.preventDefault();
    const { target, submitter } = event;
    submitter.disabled = true;
    const go = () => {
      if (line.length) setTimeout(go, 100);
      else send(target, null).then((answer) => answer && location.reload());
    };
    if (submitter.name) target.append(hidden(submitter));
    go();
  });

  function hidden(button) {
    const field = document.createElement("input");
    Object.assign(field, { type: "hidden", name: button.name, value: button.value });
    return field;
  }

  // ---- The form of one book, inside the page ----

  document.addEventListener("click", async (event) => {
    const link = event.target.closest("a[data-form]");
    if (link && !event.ctrlKey && !event.metaKey) {
      event.preventDefault();
      const response = await fetch(link.href, { headers: { "HX-Request": "true" } }).catch(() => null);
      if (response?.ok) openForm(await response.text());
      else location.assign(link.href);
    } else if (event.target.closest("[data-close]")) {
      event.preventDefault();
      closeForm();
    }
  });

  function openForm(html) {
    book.innerHTML = html;
    window.htmx?.process(book);
    book.scrollIntoView({ block: "start" });
    (book.querySelector(".error-summary") ?? book.querySelector("#f-title"))?.focus();
  }

  function closeForm() {
    book.replaceChildren();
    input.focus({ preventScroll: true });
  }

  book.addEventListener("submit", async (event) => {
    event.preventDefault();
    const answer = await send(event.target, event.submitter);
    if (!answer) return;
    if (answer.ok) {
      land(answer.html);
      closeForm();
    } else if (answer.html.includes('id="pile-form"')) openForm(answer.html);
    else {
      // Not even read, as a file that is far too large: what was typed stays.
      const said = document.createElement("template");
      said.innerHTML = answer.html;
      book.querySelector(".pile__refused")?.remove();
      const refused = Object.assign(document.createElement("div"), { className: "pile__refused" });
      refused.append(said.content);
      event.target.append(refused);
      refused.scrollIntoView({ block: "nearest" });
    }
  });

  // A scan into the form of a book is the next book, not a part of its title.
  let typed = "";
  let lastKey = 0;
  let wasThere = "";
  book.addEventListener(
    "keydown",
    (event) => {
      const field = event.target;
      if (!field.matches("input, textarea") || field.name === "isbn") return;
      if (event.timeStamp - lastKey > SCANNER_KEY_MS) [typed, wasThere] = ["", field.value];
      lastKey = event.timeStamp;
      if (event.key.length === 1) typed += event.key;
      else if (event.key === "Enter" && isNumber(typed)) {
        event.preventDefault();
        field.value = wasThere;
        scanned(typed);
        typed = "";
      }
    },
    true,
  );

  // ---- Sound ----

  const NOTES = { found: [880], choose: [660, 660], missing: [330, 220], wrong: [220, 220] };
  function signal(row) {
    const kind = row.dataset.state ?? "wrong";
    row.classList.add("is-new");
    window.scanning.play(NOTES[kind] ?? []);
  }

  window.scanning.soundButton(sound, () => input.focus({ preventScroll: true }));

  // ---- The field always has the focus ----

  function takeFocus() {
    const isBusy = document.activeElement && document.activeElement !== document.body;
    if (!isBusy) input.focus({ preventScroll: true });
  }
  document.addEventListener("focusout", () => setTimeout(takeFocus, 0));
  window.addEventListener("focus", takeFocus);
  document.addEventListener("click", (event) => {
    if (!event.target.closest("a, button, input, select, textarea, label, summary")) takeFocus();
  });
  window.addEventListener("pageshow", (event) => {
    if (event.persisted) location.reload();
  });

  // What did not arrive before the reload is sent now.
  for (const scan of unsent) {
    if (!list.querySelector(`[data-number="${CSS.escape(scan.nummer)}"]`)) show(scan);
    line.add(form.action, scan);
  }
  input.value = "";
  takeFocus();
  look();
})();
