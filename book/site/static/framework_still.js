// Keeps the text where it is on the screen when tabs or columns change its height.
(() => {
  "use strict";
  const CELLS = ".framework-panel > :not(.framework-name)";
  const SETS = "figure:has(> .framework-tabs)";
  const BLOCKS = `.bd-article section > :not(section, .framework-tabs, ${SETS}), ${CELLS}`;

  const seen = (element) => element.checkVisibility();

  // A cell's place is the place of the cell that is shown instead of it.
  const placeOf = (element) => {
    const panel = element.closest(".framework-panel");
    if (!panel) return () => element.getBoundingClientRect().top;
    const index = [...panel.children].indexOf(element);
    return () => {
      const shown = [...panel.parentElement.children].find(
        (other) => other.matches(".framework-panel:not([hidden])"),
      );
      const cell = shown.children[Math.min(index, shown.children.length - 1)];
      return cell.getBoundingClientRect().top;
    };
  };

  const firstVisible = () => {
    const header = document.querySelector(".bd-header-article");
    const edge = header.getBoundingClientRect().bottom + 1;
    return [...document.querySelectorAll(BLOCKS)].find(
      (block) => seen(block) && block.getBoundingClientRect().bottom > edge,
    );
  };

  // To be called before the change; what it returns, after it.
  const still = (anchor) => {
    const element = anchor ?? firstVisible();
    if (!element) return () => {};
    const place = placeOf(element);
    const before = place();
    return () => {
      const article = document.querySelector(".bd-article");
      article.style.padding = "";
      const scroll = () =>
        window.scrollBy({ top: place() - before, behavior: "instant" });
      scroll();
      // At the page's ends there may be nothing left to scroll: make room.
      const rest = place() - before;
      if (Math.abs(rest) < 0.5) return;
      const side = rest < 0 ? "paddingTop" : "paddingBottom";
      const room = parseFloat(getComputedStyle(article)[side]);
      article.style[side] = `${room + Math.abs(rest)}px`;
      scroll();
    };
  };

  document.addEventListener("DOMContentLoaded", () => {
    window.frameworks.still = still;
  });
})();
