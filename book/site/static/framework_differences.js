// Marks the lines in which two frameworks' versions of a cell differ.
(() => {
  "use strict";

  // For each list, which of its lines are not in the longest common subsequence.
  const differing = (left, right) => {
    const longest = Array.from({ length: left.length + 1 }, () =>
      new Array(right.length + 1).fill(0),
    );
    for (let i = left.length - 1; i >= 0; i--) {
      for (let j = right.length - 1; j >= 0; j--) {
        longest[i][j] =
          left[i] === right[j]
            ? longest[i + 1][j + 1] + 1
            : Math.max(longest[i + 1][j], longest[i][j + 1]);
      }
    }
    const marks = [left.map(() => true), right.map(() => true)];
    for (let i = 0, j = 0; i < left.length && j < right.length; ) {
      if (left[i] === right[j]) marks[0][i++] = marks[1][j++] = false;
      else if (longest[i + 1][j] >= longest[i][j + 1]) i++;
      else j++;
    }
    return marks;
  };

  const lines = (pre) => pre.textContent.split("\n").map((line) => line.trimEnd());

  // The nodes of each line; Pygments lets no element go over the end of a line.
  const nodesByLine = (pre) => {
    const rows = [[]];
    for (let node of [...pre.childNodes]) {
      while (node.nodeType === Node.TEXT_NODE && node.data.includes("\n")) {
        const newline = node.splitText(node.data.indexOf("\n"));
        rows.at(-1).push(node);
        rows.push([]);
        node = newline.splitText(1);
      }
      rows.at(-1).push(node);
    }
    return rows;
  };

  const mark = (pre, flags) => {
    const texts = lines(pre);
    nodesByLine(pre).forEach((row, index) => {
      if (!flags[index] || !texts[index]) return;
      const element = document.createElement("mark");
      element.className = "differs";
      row[0].before(element);
      element.append(...row);
    });
  };

  const unmark = () => {
    for (const element of document.querySelectorAll("mark.differs")) {
      const pre = element.parentElement;
      element.replaceWith(...element.childNodes);
      pre.normalize();
    }
  };

  // A panel's code by the place of its cell, so that notes do not shift the rest.
  const code = (tabs, framework) => {
    const panel = tabs.querySelector(`:scope > [role][data-framework=${framework}]`);
    return [...panel.children].map((cell) =>
      [...cell.querySelectorAll("div.highlight > pre")].find(
        (pre) => !pre.closest(".cell_output"),
      ),
    );
  };

  const compare = ([one, other]) => {
    for (const tabs of document.querySelectorAll(".framework-tabs")) {
      const right = code(tabs, other);
      code(tabs, one).forEach((left, index) => {
        if (!left || !right[index]) return;
        const flags = differing(lines(left), lines(right[index]));
        mark(left, flags[0]);
        mark(right[index], flags[1]);
      });
    }
  };

  document.addEventListener("DOMContentLoaded", () => {
    const book = window.frameworks;
    let marked = "";
    book.follow(() => {
      const on = book.state.differences && book.columns.length > 0;
      const pair = on ? book.state.pair : [];
      if (String(pair) === marked) return;
      marked = String(pair);
      unmark();
      if (on) compare(pair);
    });
  });
})();
