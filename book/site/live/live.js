// The page: a picture, the network's answer, its maps, and what the reader cuts.
(() => {
  "use strict";

  const find = (id) => document.getElementById(`lv-${id}`);
  const make = (name, attributes = {}, ...content) => {
    const made = document.createElement(name);
    for (const [key, value] of Object.entries(attributes)) made.setAttribute(key, value);
    made.append(...content);
    return made;
  };
  const bytes = (text) => Uint8Array.from(atob(text), (letter) => letter.charCodeAt(0));
  const percent = (share) => `${(100 * share).toFixed(1)} %`;
  const shown = { strip: 96, large: 48 }; // maps of a layer that are drawn

  const state = { picture: 0, own: null, cuts: [], layer: null, heat: null };
  let worker;
  let net = null; // {metadata, description, tensors, name}
  let result = null;
  let newest = 0;
  let waiting = new Map();
  let pictures;

  // The worker's answer to a message. One that was overtaken answers null.
  const ask = (message, transfer = []) => new Promise((resolve, reject) => {
    newest += 1;
    waiting.set(newest, { resolve, reject });
    worker.postMessage({ ...message, id: newest }, transfer);
  });

  const listen = ({ data }) => {
    const progress = find("progress");
    if (data.type === "progress") {
      progress.hidden = false;
      progress.value = data.done / data.total;
      return;
    }
    progress.hidden = true;
    const asked = waiting.get(data.id);
    waiting.delete(data.id);
    if (data.type === "error") asked.reject(new Error(data.message));
    else asked?.resolve(data.type === "cancelled" ? null : data);
  };

  const complain = (error) => { find("problem").textContent = error.message; };
  const say = (text) => { find("status").textContent = text; };

  // Layers and classes by the names that a reader knows.
  const layers = () => net.description.layers.filter(({ kind }) => kind !== "classifier");
  const layerOf = (name) => net.description.layers.find((layer) => layer.name === name);
  const title = (name) => {
    if (name === "image") return "the picture";
    const { kind, block, number } = layerOf(name);
    if (kind === "layer") return `block ${block}, layer ${number}`;
    if (kind === "transition") return `transition ${block}`;
    return { stem: "stem", norm: "last norm", classifier: "classifier" }[kind];
  };
  const className = (label) => {
    const { in_channels: channels, num_classes: count } = net.description.arguments;
    const known = net.metadata.classes ?? (channels === 1 && count === 10 ? window.live.classes : []);
    return known[label] ?? `class ${label}`;
  };

  // The mean |w| of a reader's first weights over the maps of each of its inputs, as the
  // chapter on feature reuse defines it.
  const strengths = ({ kind, convolutions, inputs }) => {
    const name = kind === "norm" ? "classifier" : convolutions[0].conv;
    const { shape, data } = net.tensors[`${name}.weight`];
    const [rows, read, ...kernel] = shape;
    const pixels = kernel.reduce((a, b) => a * b, 1);
    let from = 0;
    return inputs.map((input) => {
      const made = input === "image" ? read : layerOf(input).made;
      let sum = 0;
      for (let row = 0; row < rows; row += 1) {
        const start = (row * read + from) * pixels;
        for (let i = start; i < start + made * pixels; i += 1) sum += Math.abs(data[i]);
      }
      from += made;
      return sum / (rows * made * pixels);
    });
  };

  // The first maps side by side, each from its smallest value, black, to its largest.
  const drawMaps = (canvas, { channels, height, width, data }, most, tile, across) => {
    const count = Math.min(channels, most);
    const step = tile + 1;
    canvas.width = Math.min(across, count) * step - 1;
    canvas.height = Math.ceil(count / across) * step - 1;
    const context = canvas.getContext("2d");
    context.imageSmoothingEnabled = false;
    const small = new OffscreenCanvas(width, height);
    const brush = small.getContext("2d");
    for (let channel = 0; channel < count; channel += 1) {
      const values = data.subarray(channel * height * width, (channel + 1) * height * width);
      const low = values.reduce((a, b) => Math.min(a, b), Infinity);
      const range = values.reduce((a, b) => Math.max(a, b), -Infinity) - low;
      const image = brush.createImageData(width, height);
      values.forEach((value, i) => {
        const grey = range ? 255 * (value - low) / range : 0;
        image.data.set([grey, grey, grey, 255], 4 * i);
      });
      brush.putImageData(image, 0, 0);
      context.drawImage(small, (channel % across) * step, Math.floor(channel / across) * step, tile, tile);
    }
  };

  const grey = (values, side = 28) => {
    const image = new ImageData(side, side);
    values.forEach((value, i) => image.data.set([value, value, value, 255], 4 * i));
    return image;
  };
  const pictureNow = () => state.own ?? grey(pictures[state.picture]);

  const showPicture = () => {
    const canvas = find("picture");
    const image = pictureNow();
    canvas.width = image.width;
    canvas.height = image.height;
    canvas.getContext("2d").putImageData(image, 0, 0);
    const { labels, classes } = window.live;
    const text = state.own ? "your own picture" : `garment ${state.picture + 1}: ${classes[labels[state.picture]]}`;
    canvas.setAttribute("aria-label", `The picture: ${text}`);
    [...find("garments").children].forEach((button, i) =>
      button.setAttribute("aria-pressed", String(!state.own && i === state.picture)));
  };

  const isCut = (name) => state.cuts.some(({ layer }) => layer === name);
  const connectionCut = (from, to) => state.cuts.some((cut) => cut.from === from && cut.to === to);
  const toggle = (cut) => {
    const text = JSON.stringify(cut);
    const kept = state.cuts.filter((other) => JSON.stringify(other) !== text);
    state.cuts = kept.length < state.cuts.length ? kept : [...kept, cut];
    return update();
  };

  const showCuts = () => {
    const words = state.cuts.map(({ layer, from, to }) =>
      (layer ? `the output of ${title(layer)}` : `${title(from)} → ${title(to)}`));
    find("cuts").textContent = words.length ? `Cut: ${words.join("; ")}.` : "Nothing is cut.";
    find("reset").disabled = words.length === 0;
  };

  const showBars = () => {
    const { probabilities } = result;
    const order = [...probabilities.keys()];
    // Of many classes, the ten that are most probable.
    if (order.length > 10) order.sort((a, b) => probabilities[b] - probabilities[a]).length = 10;
    const best = probabilities.indexOf(Math.max(...probabilities));
    find("answer").textContent = `${className(best)}, ${percent(probabilities[best])}`;
    const place = find("bars");
    const focused = [...place.children].indexOf(document.activeElement);
    place.replaceChildren(...order.map((label) => {
      const bar = make("i", { style: `width: ${100 * probabilities[label]}%` });
      const button = make("button", {
        type: "button", "data-label": label, "aria-pressed": String(state.heat === label),
        title: `Show where it sees ${className(label)}`,
      }, make("span", {}, className(label)), make("span", { class: "bar" }, bar),
      make("span", { class: "amount" }, percent(probabilities[label])));
      button.addEventListener("click", () => {
        state.heat = state.heat === label ? null : label;
        update();
      });
      return button;
    }));
    if (focused >= 0) place.children[focused].focus();
    find("show-heat").checked = state.heat !== null;
    return best;
  };

  const showHeat = () => {
    const canvas = find("heat");
    canvas.hidden = !result.heat;
    if (!result.heat) return;
    const { width, height, data } = result.heat;
    canvas.width = width;
    canvas.height = height;
    // The network sees two pixels more on each side of 28, or of ImageNet's picture less.
    const { num_classes: count, in_channels: channels } = net.description.arguments;
    const cropped = channels === 3 && count === 1000 ? -6.25 : 0;
    const margin = pictureNow().width === 28 && channels === 1 ? 200 / 28 : cropped;
    const [start, side] = [`${-margin}%`, `${100 + 2 * margin}%`];
    Object.assign(canvas.style, { left: start, top: start, width: side, height: side });
    const image = new ImageData(width, height);
    data.forEach((value, i) => image.data.set([255, 120 + 110 * value, 0, 255 * value], 4 * i));
    canvas.getContext("2d").putImageData(image, 0, 0);
  };

  // One button per layer, made once per network; a run redraws the pictures within.
  const layNetwork = () => {
    const most = Math.max(...layers().map(({ read, made }) => read + made));
    let block = null;
    const parts = [];
    for (const { name, kind, read, made, block: own } of layers()) {
      if (kind === "layer" && own !== block) {
        block = own;
        parts.push(make("h3", {}, `Block ${block}`));
      }
      const bars = make("span", { class: "reads" },
        make("i", { class: "input", style: `width: ${100 * read / most}%` }),
        make("i", { class: "new", style: `width: ${100 * made / most}%` }));
      const short = kind === "layer" ? title(name).split(", ")[1] : title(name);
      const button = make("button", { type: "button", "data-layer": name },
        make("span", {}, short), bars, make("canvas", { class: "maps", "aria-hidden": "true" }));
      button.addEventListener("click", () => { state.layer = name; showLayer(); });
      parts.push(button);
    }
    find("network").replaceChildren(...parts);
    find("layer").replaceChildren(...layers().map(({ name }) => make("option", { value: name }, title(name))));
  };

  const showNetwork = () => {
    for (const button of find("network").querySelectorAll("button")) {
      const { layer: name } = button.dataset;
      button.classList.toggle("cut", isCut(name));
      const few = result.maps[name].channels <= 12;
      drawMaps(button.querySelector("canvas"), result.maps[name], shown.strip, few ? 27 : 13, few ? 12 : 24);
    }
  };

  const formula = ({ kind, number, read, made, convolutions: parts }) => {
    const steps = parts.map(({ read: from, made: to, kernel, norm }) =>
      `${norm ? "norm, ReLU, " : ""}${kernel}×${kernel} convolution from ${from} to ${to} maps`).join("; ");
    if (kind === "layer") {
      const inputs = Array.from({ length: number }, (_, i) => `x${i}`).join(", ");
      return `x${number} = H([${inputs}]): it reads ${read} maps and adds ${made}. H is ${steps}.`;
    }
    if (kind === "transition") return `${steps}; then the mean of each 2×2 pixels.`;
    if (kind === "norm") return `Norm and ReLU of all ${read} maps. Their means go to the classifier.`;
    return `${steps}.`;
  };

  const showLayer = () => {
    const layer = layerOf(state.layer);
    const { name, inputs } = layer;
    const all = layers();
    const at = all.findIndex((other) => other.name === name);
    find("layer").value = name;
    find("before").disabled = at === 0;
    find("after").disabled = at === all.length - 1;
    for (const button of find("network").querySelectorAll("button")) {
      button.setAttribute("aria-pressed", String(button.dataset.layer === name));
    }
    find("cut").setAttribute("aria-pressed", String(isCut(name)));
    find("cut").textContent = isCut(name) ? "Restore its output" : "Cut its output";
    const maps = result.maps[name];
    find("formula").textContent = `${formula(layer)} Each map is ${maps.height}×${maps.width}.`;
    const canvas = make("canvas", { class: "maps", role: "img", "aria-label": `maps of ${title(name)}${isCut(name) ? ", all zero" : ""}` });
    drawMaps(canvas, maps, shown.large, 83, 4);
    const left = maps.channels - shown.large;
    find("maps").replaceChildren(canvas, ...(left > 0 ? [make("p", { class: "note" }, `and ${left} more`)] : []));
    const strong = strengths(layer);
    const most = Math.max(...strong);
    const focused = document.activeElement?.dataset?.from;
    find("reads").replaceChildren(...inputs.map((from, i) => {
      const cut = connectionCut(from, name);
      const button = make("button", {
        type: "button", "data-from": from, "aria-pressed": String(cut),
        "aria-label": `${cut ? "restore" : "cut"} ${title(from)} → ${title(name)}`,
      }, cut ? "Restore" : "Cut");
      button.addEventListener("click", () => toggle({ from, to: name }));
      return make("tr", { class: cut ? "cut" : "" }, make("td", {}, title(from)),
        make("td", {}, make("span", { class: "amount" }, strong[i].toFixed(4)),
          make("span", { class: "bar" }, make("i", { style: `width: ${100 * strong[i] / most}%` }))),
        make("td", {}, button));
    }));
    if (focused) find("reads").querySelector(`[data-from="${focused}"]`)?.focus();
    writeAddress();
  };

  // The address keeps what is shown: garment or grey picture, layer, cuts, class of the heat.
  const writeAddress = () => {
    const values = new URLSearchParams();
    if (!state.own) values.set("picture", state.picture + 1);
    else if (state.own.width === 28) {
      values.set("pixels", btoa(String.fromCharCode(...state.own.data.filter((_, i) => i % 4 === 0))));
    }
    values.set("layer", state.layer);
    for (const { layer, from, to } of state.cuts) values.append("cut", layer ?? `${from}>${to}`);
    if (state.heat !== null) values.set("heat", state.heat);
    history.replaceState(null, "", `#${values}`);
  };

  const readAddress = () => {
    const values = new URLSearchParams(location.hash.slice(1));
    const names = new Map(layers().map((layer) => [layer.name, layer]));
    const number = Number(values.get("picture")) - 1;
    state.picture = pictures[number] ? number : 0;
    state.own = null;
    if (values.has("pixels")) {
      const pixels = bytes(values.get("pixels"));
      if (pixels.length === 784) state.own = grey(pixels);
    }
    // The layer at the heart of the network, where its maps can still be recognised.
    state.layer = names.has(values.get("layer")) ? values.get("layer") : layers()[Math.min(3, names.size - 1)].name;
    state.cuts = values.getAll("cut").map((text) => {
      const [from, to] = text.split(">");
      return to ? { from, to } : { layer: from };
    }).filter(({ layer, from, to }) => (layer ? names.has(layer) : names.get(to)?.inputs.includes(from)));
    const heat = Number(values.get("heat") ?? NaN);
    state.heat = heat >= 0 && heat < net.description.arguments.num_classes ? heat : null;
  };

  const update = async () => {
    showPicture();
    showCuts();
    const metadata = { ...net.metadata, arguments: net.metadata.arguments ?? net.description.arguments };
    const message = { type: "run", input: window.engine.prepare(pictureNow(), metadata), cuts: state.cuts, keep: "all" };
    if (state.heat !== null) message.label = state.heat;
    const answer = await ask(message).catch(complain);
    if (!answer) return;
    result = answer;
    const best = showBars();
    showHeat();
    showNetwork();
    showLayer();
    find("app").dataset.done = newest;
    const cut = state.cuts.length ? ` ${find("cuts").textContent}` : "";
    const heat = state.heat === null ? "" : ` The heat map shows where it sees ${className(state.heat)}.`;
    say(`The network says ${className(best)}, ${percent(result.probabilities[best])}.${cut}${heat}`);
  };

  const load = async (file, name) => {
    // Read here for the weights' strengths, and first: a bad file leaves all as it was.
    const { metadata, tensors } = window.engine.parse(file);
    const description = window.engine.describe(metadata, tensors);
    await ask({ type: "load", file }, [file]);
    net = { metadata, description, tensors, name };
    layNetwork();
  };

  const loadOwn = async (file) => {
    find("problem").textContent = "";
    try {
      await load(await file.arrayBuffer(), file.name);
    } catch (error) {
      complain(new Error(`${file.name}: ${error.message}`));
      return;
    }
    Object.assign(state, { cuts: [], heat: null, layer: layers()[0].name });
    find("ours").hidden = false;
    await update();
  };

  // A photograph's middle square; for one grey channel 28×28, bright garments on black.
  const loadPhoto = async (file) => {
    const bitmap = await createImageBitmap(file);
    const side = net.description.arguments.in_channels === 1 ? 28 : 256;
    const least = Math.min(bitmap.width, bitmap.height);
    const canvas = new OffscreenCanvas(side, side);
    const context = canvas.getContext("2d");
    context.imageSmoothingQuality = "high";
    context.drawImage(bitmap, (bitmap.width - least) / 2, (bitmap.height - least) / 2, least, least, 0, 0, side, side);
    const image = context.getImageData(0, 0, side, side);
    if (side === 28) {
      const values = Array.from({ length: 784 }, (_, i) => {
        const [r, g, b] = image.data.subarray(4 * i);
        return 0.299 * r + 0.587 * g + 0.114 * b;
      });
      const edge = values.filter((_, i) => i < 28 || i >= 756 || i % 28 === 0 || i % 28 === 27);
      const bright = edge.reduce((a, b) => a + b, 0) / edge.length > 127;
      state.own = grey(bright ? values.map((value) => 255 - value) : values);
      find("help").textContent = bright
        ? "Bright ground: the picture is inverted, as the network knows garments on black." : "";
    } else state.own = image;
    await update();
  };

  const setUpDrawing = () => {
    const canvas = find("picture");
    const button = find("draw");
    const pen = { x: 14, y: 14, down: false };
    const dot = (x, y) => {
      const values = pictureNow().data.filter((_, i) => i % 4 === 0);
      values.forEach((value, i) => {
        const distance = Math.hypot((i % 28) - x, Math.floor(i / 28) - y);
        values[i] = Math.max(value, 255 * Math.min(1, Math.max(0, 2.2 - distance)));
      });
      state.own = grey(values);
      showPicture();
    };
    const place = ({ clientX, clientY }) => {
      const box = canvas.getBoundingClientRect();
      return [28 * (clientX - box.left) / box.width - 0.5, 28 * (clientY - box.top) / box.height - 0.5];
    };
    const drawing = () => button.getAttribute("aria-pressed") === "true";
    button.addEventListener("click", () => {
      const on = !drawing();
      button.setAttribute("aria-pressed", String(on));
      button.textContent = on ? "Stop drawing" : "Draw";
      canvas.classList.toggle("drawing", on);
      find("help").textContent = on ? "Draw a garment with the mouse, a finger, or the arrow keys (space lifts and sets the pen)." : "";
      if (!on) { canvas.removeAttribute("tabindex"); return; }
      canvas.setAttribute("tabindex", "0");
      state.own = grey(new Uint8Array(784));
      Object.assign(pen, { x: 14, y: 14, down: false });
      update();
      canvas.focus();
    });
    canvas.addEventListener("pointerdown", (event) => {
      if (!drawing()) return;
      canvas.setPointerCapture(event.pointerId);
      dot(...place(event));
    });
    canvas.addEventListener("pointermove", (event) => {
      if (drawing() && canvas.hasPointerCapture(event.pointerId)) dot(...place(event));
    });
    canvas.addEventListener("pointerup", () => { if (drawing()) update(); });
    canvas.addEventListener("keydown", (event) => {
      const [x, y] = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] }[event.key] ?? [];
      if (!drawing() || (x === undefined && event.key !== " ")) return;
      event.preventDefault();
      if (x === undefined) pen.down = !pen.down;
      else Object.assign(pen, { x: Math.min(27, Math.max(0, pen.x + x)), y: Math.min(27, Math.max(0, pen.y + y)) });
      find("help").textContent = `Pen ${pen.down ? "down" : "up"} at column ${pen.x + 1}, row ${pen.y + 1}.`;
      if (!pen.down) return;
      dot(pen.x, pen.y);
      update();
    });
  };

  const setUp = () => {
    find("garments").append(...pictures.map((pixels, i) => {
      const canvas = make("canvas", { width: 28, height: 28, "aria-hidden": "true" });
      canvas.getContext("2d").putImageData(grey(pixels), 0, 0);
      const { classes, labels } = window.live;
      const button = make("button", { type: "button", "aria-label": `${classes[labels[i]]}, ${i % 2 + 1} of 2` }, canvas);
      button.addEventListener("click", () => {
        if (find("draw").getAttribute("aria-pressed") === "true") find("draw").click();
        find("help").textContent = "";
        Object.assign(state, { picture: i, own: null });
        update();
      });
      return button;
    }));
    setUpDrawing();
    const choose = (name) => { state.layer = name; showLayer(); };
    const step = (by) => () => {
      const all = layers();
      choose(all[all.findIndex(({ name }) => name === state.layer) + by].name);
    };
    find("layer").addEventListener("change", ({ target }) => choose(target.value));
    find("before").addEventListener("click", step(-1));
    find("after").addEventListener("click", step(1));
    find("cut").addEventListener("click", () => toggle({ layer: state.layer }));
    find("reset").addEventListener("click", () => { state.cuts = []; update(); });
    find("show-heat").addEventListener("change", ({ target }) => {
      const { probabilities } = result;
      state.heat = target.checked ? probabilities.indexOf(Math.max(...probabilities)) : null;
      update();
    });
    find("link").addEventListener("click", async () => {
      await navigator.clipboard.writeText(location.href);
      const missing = [...(net.name ? ["the network"] : []), ...(state.own && state.own.width !== 28 ? ["the picture"] : [])];
      find("copied").textContent = missing.length ? `Copied, without ${missing.join(" and ")} of your own.` : "Copied.";
    });
    const chosen = (use) => ({ target }) => { if (target.files[0]) use(target.files[0]).catch(complain); target.value = ""; };
    find("photo").addEventListener("change", chosen(loadPhoto));
    find("file").addEventListener("change", chosen(loadOwn));
    find("ours").addEventListener("click", () => { find("ours").hidden = true; loadOurs().catch(complain); });
    const app = find("app");
    for (const kind of ["dragover", "dragleave", "drop"]) {
      app.addEventListener(kind, (event) => {
        event.preventDefault();
        find("own").classList.toggle("over", kind === "dragover");
        const file = kind === "drop" && event.dataTransfer.files[0];
        if (file) (file.type.startsWith("image/") ? loadPhoto : loadOwn)(file).catch(complain);
      });
    }
    window.addEventListener("hashchange", () => { readAddress(); update(); });
  };

  const loadOurs = async () => {
    find("problem").textContent = "";
    await load(bytes(window.live.network).buffer, null);
    readAddress();
    await update();
  };

  document.addEventListener("DOMContentLoaded", () => {
    const all = bytes(window.live.pictures);
    pictures = Array.from({ length: all.length / 784 }, (_, i) => all.subarray(784 * i, 784 * i + 784));
    worker = window.engine.worker();
    worker.addEventListener("message", listen);
    find("app").hidden = false;
    setUp();
    loadOurs().catch(complain);
  });
})();
