// What must be settled before a page is first drawn, or it would flash and move.
"use strict";
(() => {
  // The theme decides between light and dark only at the end of a page.
  const root = document.documentElement;
  root.dataset.mode = localStorage.getItem("mode") ?? "auto";
  if (root.dataset.mode === "auto") {
    const dark = window.matchMedia("(prefers-color-scheme: dark)").matches;
    root.dataset.theme = dark ? "dark" : "light";
  }
  // A browser reads a font, even one within a style sheet, only when it meets its letters.
  for (const face of document.fonts) {
    if (/KaTeX_(Main|Math|AMS|Size)/.test(face.family)) face.load();
  }
})();
