// What scrolls sideways in itself can be reached by the keyboard, and only that. Nothing
// that is scrolled to is hidden behind the header, however many rows that has.
"use strict";
(() => {
  const wide = [
    "pre",
    ".katex-display",
    ".pst-scrollable-table-container",
    ".cell_output .output",
  ];
  const follow = (entries) => {
    for (const { target } of entries) {
      if (target.scrollWidth > target.clientWidth) {
        target.tabIndex = 0;
      } else if (target.clientWidth > 0) {
        target.removeAttribute("tabindex");
      }
    }
  };
  document.addEventListener("DOMContentLoaded", () => {
    const observer = new ResizeObserver(follow);
    for (const box of document.querySelectorAll(wide.join())) observer.observe(box);
    const header = document.querySelector(".bd-header-article");
    new ResizeObserver(() => {
      const height = getComputedStyle(header).position === "sticky" ? header.offsetHeight : 0;
      document.documentElement.style.setProperty("--header", `${height}px`);
    }).observe(header);
  });
})();
