// What is computed, in words: totals, the table, and numbers as a reader writes them.
(() => {
  "use strict";

  const { explorer } = window;
  const columns = {
    parameters: "parameters",
    multiplyAdds: "multiply-adds",
    plain: "kept",
    recomputed: "kept, recomputing",
  };

  const find = (id) => document.getElementById(`ex-${id}`);

  const make = (name, attributes = {}, ...children) => {
    const made = document.createElement(name);
    for (const [key, value] of Object.entries(attributes)) made.setAttribute(key, value);
    made.append(...children);
    return made;
  };

  const counted = (value) => value.toLocaleString("en");

  const memory = (bytes) => {
    let value = Number(bytes) / 2 ** 10;
    let name = "KiB";
    for (const [larger, from] of [["MiB", 1024], ["GiB", 10240], ["TiB", 10240]]) {
      if (value < from) break;
      value /= 1024;
      name = larger;
    }
    const digits = value >= 100 ? { maximumFractionDigits: 0 } : { maximumSignificantDigits: 3 };
    return `${value.toLocaleString("en", digits)} ${name}`;
  };

  const isMemory = (key) => key === "plain" || key === "recomputed";

  const images = (batch) => (batch === 1 ? "1 image" : `${counted(batch)} images`);

  const compare = (value, base, name) => {
    if (base === 0n) return "";
    const ratio = Number(value) / Number(base);
    return `${ratio.toLocaleString("en", { maximumSignificantDigits: 3 })} × ${name}`;
  };

  const showTotals = (rows, state, networks) => {
    const totals = rows && explorer.totals(rows);
    const { arguments: given } = networks[state.network];
    const changed = explorer.changes(state, networks).length > 0;
    const known = rows && changed && !explorer.reason(given, state.size)
      ? explorer.totals(explorer.stages(given, state.size)) : null;
    for (const key of Object.keys(columns)) {
      const place = find(key);
      if (!totals) {
        place.replaceChildren("–");
        continue;
      }
      const whole = isMemory(key) ? totals[key] * BigInt(state.batch) : totals[key];
      const text = isMemory(key) ? memory(whole) : counted(whole);
      const data = make("data", { value: whole }, text);
      const note = known ? compare(totals[key], known[key], state.network) : "";
      const of = make("small", { class: "of" }, isMemory(key) ? images(state.batch) : "");
      place.replaceChildren(data, of, make("small", {}, note));
    }
  };

  const showTable = (rows, state) => {
    const place = find("table");
    if (!rows) {
      place.replaceChildren();
      return;
    }
    const scale = (key, value) => (isMemory(key) ? value * BigInt(state.batch) : value);
    const totals = explorer.totals(rows);
    const largest = (key) => rows.reduce((a, row) => (row[key] > a ? row[key] : a), 1n);
    const cell = (key, value, share) => {
      const whole = scale(key, value);
      const text = isMemory(key) ? memory(whole) : counted(whole);
      const made = make("td", {}, make("data", { value: whole }, text));
      if (share !== undefined) made.style.setProperty("--share", share);
      return made;
    };
    const keys = Object.keys(columns);
    const caption = make("caption", {}, `Stage by stage; what is kept, for ${images(state.batch)}`);
    const head = ["stage", "puts out", ...Object.values(columns)];
    const body = rows.map((row) => make("tr", {},
      make("th", { scope: "row" }, row.name),
      make("td", {}, `${counted(row.channels)} × ${row.size} × ${row.size}`),
      ...keys.map((key) => cell(key, row[key],
        Number(row[key] * 1000n / largest(key)) / 1000))));
    place.replaceChildren(make("table", {}, caption,
      make("thead", {}, make("tr", {}, ...head.map((text) => make("th", { scope: "col" }, text)))),
      make("tbody", {}, ...body),
      make("tfoot", {}, make("tr", {}, make("th", { scope: "row" }, "in all"), make("td"),
        ...keys.map((key) => cell(key, totals[key]))))));
  };

  Object.assign(explorer, { find, make, memory, showTable, showTotals });
})();
