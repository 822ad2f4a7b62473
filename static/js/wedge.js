// A keyboard wedge is a scanner that types: this says from the keys that went down which scans came. It knows no page and no clock:
// keys come with their time, and the same keys always give the same scans.
"use strict";

(() => {
  const SAME_SCAN_MS = 3000;
  // A scanner types a key every 2 to 30 ms. Whoever waits longer than this between two keys is a person, or a scanner with a hitch;
  // and no hitch is as long as the second.
  const PAUSE_MS = 50;
  const LONGEST_HITCH_MS = 250;
  // So quickly nobody types a whole code with a right check symbol.
  const SCANNER_KEY_MS = 100;
  const SHORTEST_CODE = 5;
  const MOST_KEYS = 400;
  // Keys that somebody pressed just before the scanner began; what follows must be long, for the last five signs of a misread
  // longer code may by chance be a right shorter one.
  const MOST_STRAY = 3;
  const LONG_CODE = 7;
  const MODIFIERS = new Set(["Shift", "Control", "Alt", "AltGraph", "Meta", "CapsLock", "NumLock", "Fn"]);
  // Keys that type something, but do not say what: screen keyboards, input methods, accents.
  const UNTOLD = new Set(["Unidentified", "Process", "Dead"]);

  // AltGr is Ctrl and Alt together on some systems; one of the two alone is no text.
  function isText({ key, ctrlKey, altKey, metaKey }) {
    return key.length === 1 && !metaKey && Boolean(ctrlKey) === Boolean(altKey);
  }

  // `read(text)` gives the { value } of a right code, else null. The same value or text within `sameMs` is one scan.
  // A scan is { text, isAgain }, `isAgain` if it was read before so recently that it is the same one.
  function wedge(read, { sameMs = SAME_SCAN_MS } = {}) {
    let keys = [];
    let isUntold = false;
    let last = { text: "", at: 0 };

    // What a scanner typed until `end`, whatever a person typed before: the longest right code that came as quickly as that, or else
    // all that came so quickly. null when no scanner typed.
    function scanned(end) {
      if (isUntold) return null;
      const text = (start) => keys.slice(start).reduce((all, { key }) => all + key, "");
      const isQuick = (start, ms) => keys.length - start >= SHORTEST_CODE && end - keys[start].at <= ms * (keys.length - start);
      const after = (ms) => [...keys.keys()].filter((n) => n === 0 || keys[n].at - keys[n - 1].at > ms);
      const starts = after(PAUSE_MS);
      const isStart = (n) => starts.includes(n) || keys.length - n >= LONG_CODE;
      const strays = starts.flatMap((start) => Array.from({ length: MOST_STRAY + 1 }, (_, n) => start + n)).filter(isStart);
      const right = strays.find((n) => isQuick(n, SCANNER_KEY_MS) && read(text(n)));
      const start = right ?? starts.find((n) => n >= after(LONGEST_HITCH_MS).at(-1) && isQuick(n, PAUSE_MS));
      return start === undefined ? null : text(start);
    }

    function entered(value, now) {
      keys = [];
      isUntold = false;
      const text = value.trim();
      if (!text) return null;
      const same = read(text)?.value ?? text.toUpperCase();
      const isAgain = same === last.text && now - last.at < sameMs;
      last = { text: same, at: now };
      return { text, isAgain };
    }

    return {
      // A key went down while the field held `value`, null if the field does not have the focus. Returns the scan that it ends, else null.
      // Enter ends what anybody typed into the field; elsewhere it ends only what a scanner typed, as Tab does everywhere.
      key(event, now, value) {
        if (isText(event)) keys = [...keys.slice(1 - MOST_KEYS), { key: event.key, at: event.timeStamp }];
        else if (event.key === "Enter" || (event.key === "Tab" && !event.shiftKey)) {
          const text = scanned(event.timeStamp) ?? (event.key === "Enter" ? value : null);
          if (text !== null) return entered(text, now);
        } else if (UNTOLD.has(event.key)) isUntold = true;
        else if (!MODIFIERS.has(event.key)) keys = [];
        return null;
      },
      // A text that was not typed, as from the camera, or not ended by a key.
      entered,
      // Whether a scanner is just typing.
      isBusy: (at) => keys.length > 0 && at - keys.at(-1).at <= PAUSE_MS,
      // The next scan is a new one, even of the same code.
      forget() {
        last = { text: "", at: 0 };
      },
    };
  }

  window.wedge = wedge;
  window.wedge.isText = isText;
})();
