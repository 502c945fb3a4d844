// The network from top to bottom: maps to scale, a bar of channels and of memory per layer.
(() => {
  "use strict";

  const heading = 19;
  const funnel = 14;

  const element = (parent, name, attributes, text) => {
    const made = document.createElementNS("http://www.w3.org/2000/svg", name);
    for (const [key, value] of Object.entries(attributes)) made.setAttribute(key, value);
    if (text !== undefined) made.textContent = text;
    parent.append(made);
    return made;
  };

  const round = (value) => Math.round(value * 100) / 100;
  const bar = (x, y, width, height) => (
    `M${round(x)} ${round(y)}h${round(width)}v${round(height)}h${round(-width)}z`);

  // Round numbers up to a largest one, no more than there is room for.
  const ticks = (largest, room) => {
    const power = 10 ** Math.floor(Math.log10(largest));
    const step = [0.2, 0.5, 1, 2, 5].map((factor) => factor * power)
      .find((width) => largest / width <= Math.max(room, 2));
    return Array.from({ length: Math.floor(largest / step) }, (_, i) => (i + 1) * step);
  };

  // Letters may be of any font: a text that is wider than its room is squeezed.
  const squeeze = (text, room) => {
    const { width } = text.getBBox();
    if (width <= room) return;
    const x = text.getAttribute("x");
    text.setAttribute("transform", `translate(${x} 0) scale(${room / width} 1) translate(${-x} 0)`);
  };

  // From right to left, moves a number back into its panel and leaves out what would touch it.
  const thin = (numbers) => {
    let next = Infinity;
    for (const [text, right] of numbers.toReversed()) {
      const { width, x } = text.getBBox();
      const left = Math.min(x, right - width);
      if (left < x) {
        text.setAttribute("x", right);
        text.classList.add("last");
      }
      if (left + width + 4 > next) text.remove();
      else next = left;
    }
  };

  // A stage's name, and its channels in a few words or in fewer.
  const words = (row, few = false) => {
    const { read, channels } = row;
    if (row.kind === "block") {
      const layers = row.layers === 1 ? "1 layer" : `${row.layers} layers`;
      const from = few ? "" : `, ${read}`;
      return [`block ${row.name.split(" ").pop()}`, `${layers}${from} → ${channels}`];
    }
    if (row.kind === "transition") return [row.name, `${read} → ${channels}`];
    if (row.kind === "classification") return ["classifier", `${read} → ${channels}`];
    return [row.name, `${channels}`];
  };

  const draw = (frame, rows, state, width, show) => {
    const { keptByLayer } = window.explorer;
    const { arguments: given, batch } = state;
    const narrow = width < 520;
    const gap = narrow ? 8 : 16;
    const maps = narrow ? 54 : 68;
    const memory = { left: Math.round(width * (narrow ? 0.74 : 0.72)) };
    memory.width = width - memory.left - 1;
    const channels = { left: maps + gap };
    channels.width = memory.left - gap - channels.left;
    const most = Math.max(...rows.slice(0, -1).map((row) => row.channels));
    const kept = rows.map((row) => keptByLayer(row, given)
      .map((bytes) => bytes.map((value) => value * batch)));
    const heaviest = Math.max(...kept.flat().map(([plain]) => plain));
    const unit = heaviest < 2 ** 33 ? 2 ** 20 : 2 ** 30;
    const unitName = unit === 2 ** 20 ? "MiB" : "GiB";
    const count = given.block_config.reduce((a, b) => a + b, 0);
    const thick = Math.min(Math.max(360 / count, 2), 9);
    const inner = thick >= 4 ? thick - 1 : thick;
    const wide = (value) => value / most * channels.width;
    const long = (bytes) => bytes / heaviest * memory.width;
    const across = (pixels) => Math.max(pixels / rows[0].side * maps, 1.5);

    const svg = document.createElementNS("http://www.w3.org/2000/svg", "svg");
    const grid = element(svg, "g", { class: "grid" });
    const titles = element(svg, "g", { class: "titles" });
    const texts = []; // each with its room
    const heads = [
      [0, channels.left, "map size"],
      [channels.left, memory.left, "channels"],
      [memory.left, width, `kept${narrow ? "" : " by a layer"}, ${unitName}`],
    ];
    for (const [x, end, text] of heads) {
      texts.push([element(titles, "text", { x, y: 12 }, text), end - x - 4]);
    }
    let y = 36;
    // Where each layer is drawn, and its numbers in words.
    const layers = [];
    const note = (top, height, what, [plain, again]) => {
      const less = again < plain ? `, ${show(again)} with recomputation` : "";
      layers.push({ top, height, text: `${what}; keeps ${show(plain)}${less}` });
    };

    const title = (row, text, detail, side) => {
      const group = element(svg, "g", {});
      const size = narrow ? `${side}²` : `${side}×${side}`;
      const left = channels.left + 3;
      texts.push([element(group, "text", { x: 0, y: y + 13, class: "size" }, size), left - 7]);
      const line = element(group, "text", { x: left, y: y + 13 });
      element(line, "tspan", { class: "name" }, text);
      element(line, "tspan", { dx: 6 }, detail);
      if (row) {
        const amount = show(row.plain * BigInt(batch));
        const end = element(group, "text", { x: width - 1, y: y + 13, class: "amount" }, amount);
        const room = (width - left) * 0.4;
        texts.push([end, room]);
        texts.push([line, () => width - left - Math.min(end.getBBox().width, room) - 8]);
      }
      y += heading;
      return group;
    };
    const square = (group, side) => {
      const edge = across(side);
      element(group, "rect", { class: "map", x: 0.5, y: y + 0.5, width: edge, height: edge });
      return edge;
    };

    const first = rows[0];
    const images = title(null, "images", `${first.read}`, first.side);
    element(images, "path", { class: "input", d: bar(channels.left, y, Math.max(wide(first.read), 1), inner) });
    y += square(images, first.side) + 6;
    rows.forEach((row, index) => {
      const { kind } = row;
      const read = kind === "classification" ? row.read : row.channels;
      const group = title(row, ...words(row, narrow), row.size);
      const edge = square(group, row.size);
      const { left } = channels;
      let height = thick;
      if (kind === "block") {
        height = thick * row.layers;
        const growth = given.growth_rate;
        const layer = Array.from({ length: row.layers }, (_, i) => i);
        const bars = (make) => layer.map(make).join("");
        const top = (i) => y + i * thick;
        const parts = {
          input: bars((i) => bar(left, top(i), wide(row.read), inner)),
          earlier: bars((i) => bar(left + wide(row.read), top(i), wide(i * growth), inner)),
          new: bars((i) => bar(left + wide(row.read + i * growth), top(i), wide(growth), inner)),
        };
        for (const [name, d] of Object.entries(parts)) element(group, "path", { class: name, d });
        for (const i of layer) {
          const what = `block ${row.name.split(" ").pop()}, layer ${i + 1}: reads ${
            row.read + i * growth} channels of ${row.size} × ${row.size}, adds ${growth}`;
          note(top(i), thick, what, kept[index][i]);
        }
      } else if (kind === "transition") {
        height = funnel;
        const [from, to] = [wide(row.read), wide(row.channels)].map(round);
        const d = `M${left} ${y}h${from}L${left + to} ${y + funnel}H${left}z`;
        element(group, "path", { class: "funnel", d });
      } else {
        element(group, "path", { class: "input", d: bar(left, y, wide(read), inner) });
      }
      const pieces = kept[index];
      if (kind !== "block") {
        const [name, detail] = words(row);
        note(y, height, `${name}: ${detail} channels, ${row.size} × ${row.size}`, pieces[0]);
      }
      const stack = (make) => pieces.map(make).join("");
      element(group, "path", { class: "copies", d: stack(([plain, again], i) => (
        plain > again
          ? bar(memory.left + long(again), y + i * thick, long(plain - again), inner) : "")) });
      element(group, "path", { class: "again", d: stack(([, again], i) => (
        bar(memory.left, y + i * thick, long(again), inner))) });
      y += Math.max(height, edge) + 6;
    });

    const bottom = y;
    const numbers = []; // of the scales, each with the end of its panel
    const scale = (panel, largest, unit, digits) => {
      for (const value of ticks(largest / unit, panel.width / 60)) {
        const x = round(panel.left + value * unit / largest * panel.width);
        element(grid, "path", { d: `M${x} 30V${bottom}` });
        const text = value.toLocaleString("en", digits);
        numbers.push([
          element(titles, "text", { x, y: 27, class: "tick" }, text), panel.left + panel.width,
        ]);
      }
    };
    scale(channels, most, 1, {});
    scale(memory, heaviest, unit, { maximumSignificantDigits: 2 });
    for (const { left } of [channels, memory]) {
      element(grid, "path", { class: "zero", d: `M${left - 0.5} 30V${bottom}` });
    }
    svg.setAttribute("viewBox", `0 0 ${width} ${bottom}`);
    svg.setAttribute("role", "img");
    svg.setAttribute("aria-label", description(rows));
    const marker = element(svg, "rect", { class: "marker", x: channels.left - 3, width: width - channels.left + 2 });
    frame.replaceChildren(svg);
    for (const [text, room] of texts) squeeze(text, typeof room === "number" ? room : room());
    thin(numbers);
    return { layers, marker, bottom };
  };

  const description = (rows) => {
    const parts = rows.map((row) => {
      const size = `${row.size}×${row.size}`;
      return `${words(row).join(": ")} channels, ${size} pixels`;
    });
    return `The network to scale. ${parts.join("; ")}. The table below has the numbers.`;
  };

  Object.assign(window.explorer, { draw });
})();
