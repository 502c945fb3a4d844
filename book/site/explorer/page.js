// The page: reads the form, computes, and shows totals, drawing, table, code and address.
(() => {
  "use strict";

  const { explorer } = window;
  const { find, make } = explorer;
  const start = "densenet";

  let networks;
  let rules;
  let state;
  let rows = null;
  let drawn;

  // Limits are the form's: each is written in one place.
  const readRules = () => {
    const found = {};
    for (const field of document.querySelectorAll("#ex-app input[type=number]")) {
      const { min, max } = field;
      const real = "real" in field.dataset;
      found[field.id.slice(3)] = { min: Number(min), max: Number(max), real };
    }
    const { min, max } = find("layers").dataset;
    found.layers = { min: Number(min), max: Number(max), real: false };
    found.batch.start = Number(find("batch").defaultValue);
    return found;
  };

  const layerField = (index) => {
    const id = `ex-layers-${index}`;
    const label = make("label", { for: id }, `layers in block ${index + 1}`);
    const { min, max } = rules.layers;
    const field = make("input", { id, type: "number", inputmode: "numeric", min, max });
    field.dataset.rule = "layers";
    return make("div", {}, label, field);
  };

  const showLayers = (config) => {
    const place = find("layers");
    while (place.children.length > config.length) place.lastElementChild.remove();
    while (place.children.length < config.length) {
      place.append(layerField(place.children.length));
    }
    config.forEach((layers, index) => { find(`layers-${index}`).value = layers; });
  };

  const fill = () => {
    find("network").value = state.network;
    const { block_config: config, ...others } = state.arguments;
    find("blocks").value = config.length;
    showLayers(config);
    for (const [key, value] of Object.entries({ ...others, size: state.size, batch: state.batch })) {
      const field = find(key);
      if (field.type === "checkbox") field.checked = value;
      else field.value = value;
    }
  };

  // The form's state; null if a field cannot be read, which is then marked and said.
  const readForm = () => {
    const problems = [];
    const value = (field) => {
      if (field.type === "checkbox") return field.checked;
      if (field.tagName === "SELECT") return field.value === "true";
      const rule = rules[field.dataset.rule ?? field.id.slice(3)];
      const label = document.querySelector(`label[for=${field.id}]`).textContent;
      const { value: read, problem } = explorer.limited(field.value, rule);
      for (const name of ["aria-invalid", "aria-describedby"]) field.removeAttribute(name);
      if (problem) {
        field.setAttribute("aria-invalid", "true");
        field.setAttribute("aria-describedby", "ex-problem");
        problems.push(`${label}: ${problem}`);
      }
      return read;
    };
    const number = value(find("blocks"));
    if (number !== undefined && number !== find("layers").children.length) {
      const config = [...find("layers").querySelectorAll("input")].map((field) => field.value);
      while (config.length < number) config.push(config.at(-1));
      showLayers(config.slice(0, number));
    }
    const layers = [...find("layers").querySelectorAll("input")].map(value);
    const given = {};
    for (const key of Object.keys(state.arguments)) {
      given[key] = key === "block_config" ? layers : value(find(key));
    }
    const found = {
      network: state.network, arguments: given, size: value(find("size")), batch: value(find("batch")),
    };
    complain(problems);
    return problems.length ? null : found;
  };

  const complain = (sentences) => {
    const text = sentences.map((sentence) => make("p", {}, sentence));
    find("problem").replaceChildren(...text);
  };

  const vanishing = (given, size) => {
    const chain = explorer.sides(given, size);
    return chain.at(-1) > 0 ? [] : [`From stage to stage there are ${chain.join(" → ")} pixels.`];
  };

  const showDrawing = () => {
    const place = find("drawing");
    find("figure").hidden = !rows;
    if (rows && place.clientWidth) {
      // Letters as large as the reader has them elsewhere, where there is room for that.
      const large = parseFloat(getComputedStyle(place).fontSize) / 12;
      const scale = Math.max(Math.min(large, place.clientWidth / 320), 1);
      drawn = explorer.draw(place, rows, state, place.clientWidth / scale, explorer.memory);
      find("layer").max = drawn.layers.length - 1;
      point(find("layer").valueAsNumber);
    }
  };

  const point = (index) => {
    const { top, height, text } = drawn.layers[index];
    drawn.marker.setAttribute("y", top - 1);
    drawn.marker.setAttribute("height", height + 1);
    find("layer").value = index;
    find("layer").setAttribute("aria-valuetext", text);
    find("numbers").textContent = text;
  };

  const pointAt = (event) => {
    const { top, height } = find("drawing").firstElementChild.getBoundingClientRect();
    const y = (event.clientY - top) / height * drawn.bottom;
    const index = drawn.layers.findLastIndex((layer) => layer.top <= y);
    if (index >= 0) point(index);
  };

  const show = (asked) => {
    if (asked) {
      state = asked;
      // Changed back, or into another network of the zoo, it is that one.
      state.network = explorer.preset(state.arguments, networks) ?? state.network;
      const reason = explorer.reason(state.arguments, state.size);
      if (reason) {
        const steps = vanishing(state.arguments, state.size);
        complain([`The library refuses ${reason}.`, ...steps]);
      }
      rows = reason ? null : explorer.stages(state.arguments, state.size);
      find("network").value = state.network;
      const changed = explorer.changes(state, networks);
      find("changed").textContent = changed.length ? `changed: ${changed.join(", ")}` : "as it is in the zoo";
      find("reset").disabled = !changed.length;
      find("call").textContent = explorer.call(state, networks);
    } else {
      rows = null;
      find("reset").disabled = false;
    }
    // Too small an image is no fault of the line that builds the network.
    const builds = asked && !explorer.reason(asked.arguments, Infinity);
    find("copy-call").disabled = !builds;
    find("call").classList.toggle("stale", !builds);
    find("copy-link").disabled = !asked;
    find("copied").textContent = "";
    explorer.showTotals(rows, state, networks);
    showDrawing();
    explorer.showTable(rows, state);
  };

  const change = (asked) => {
    show(asked);
    if (asked) window.history.replaceState(null, "", link());
  };

  const link = () => explorer.write(state, networks, rules, window.location.href);

  const startFrom = (network) => {
    const { arguments: given, size } = networks[network];
    state = { ...state, network, arguments: { ...given }, size };
    fill();
    change(readForm());
  };

  const copy = async (text) => {
    let said = "copied";
    try {
      await navigator.clipboard.writeText(text);
    } catch (error) {
      said = `the browser does not let this page copy (${error.name}): ${text}`;
    }
    find("copied").textContent = said;
  };

  document.addEventListener("DOMContentLoaded", () => {
    const root = find("app");
    networks = JSON.parse(document.getElementById("ex-networks").textContent);
    rules = readRules();
    const { state: found, messages } = explorer.read(window.location.href, networks, rules, start);
    state = found;
    root.hidden = false;
    fill();
    show(readForm());
    if (messages.length) {
      find("problem").prepend(...messages.map((text) => make("p", {}, `In the address, ${text}`)));
    }
    root.querySelector("form").addEventListener("input", (event) => {
      if (event.target === find("network")) startFrom(event.target.value);
      else change(readForm());
    });
    root.querySelector("form").addEventListener("submit", (event) => event.preventDefault());
    find("reset").addEventListener("click", () => {
      startFrom(state.network);
      // The button is about to be disabled, and the focus would be nowhere.
      find("network").focus();
    });
    find("copy-call").addEventListener("click", () => copy(find("call").textContent));
    find("copy-link").addEventListener("click", () => copy(link()));
    find("layer").addEventListener("input", (event) => point(event.target.valueAsNumber));
    find("drawing").addEventListener("pointermove", pointAt);
    find("drawing").addEventListener("pointerdown", pointAt);
    const observer = new ResizeObserver(showDrawing);
    observer.observe(find("drawing"));
    observer.observe(find("figure").querySelector(".legend li")); // as wide as its letters
  });
})();
