// What scrolls sideways in itself can be reached by the keyboard, and only that.
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
  });
})();
