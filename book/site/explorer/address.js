// A network as the page's address and as a line of Python, and back.
(() => {
  "use strict";

  const number = /^[+-]?(\d+\.?\d*|\.\d+)(e[+-]?\d+)?$/i;

  // Text as a number within a rule's limits, and what there is to say about it.
  const limited = (text, rule) => {
    const value = number.test(text.trim()) ? Number(text) : NaN;
    const fits = rule.real ? Number.isFinite(value) : Number.isInteger(value);
    if (!fits) return { problem: "must be " + wanted(rule) };
    if (rule.real && value <= 0) return { problem: "must be " + wanted(rule) };
    const nearest = Math.min(Math.max(value, rule.min), rule.max);
    if (nearest === value) return { value };
    if (rule.real) return { problem: "must be " + wanted(rule), nearest };
    const which = value < rule.min ? `must be ${wanted(rule)}` : `this page goes up to ${rule.max}`;
    return { problem: which, nearest };
  };

  const wanted = (rule) => (rule.real
    ? "a number, above 0 and at most 1"
    : `an integer, at least ${rule.min}`);

  const written = (value) => (Array.isArray(value) ? value.join("-") : String(value));
  const same = (a, b) => written(a) === written(b);

  // The arguments in which a network differs from the one that it starts from.
  const changes = (state, networks) => {
    const base = networks[state.network].arguments;
    return Object.keys(base).filter((key) => !same(state.arguments[key], base[key]));
  };

  const python = (value) => {
    if (Array.isArray(value)) return `(${value.join(", ")}${value.length > 1 ? "" : ","})`;
    if (typeof value === "boolean") return value ? "True" : "False";
    return String(value);
  };

  const call = (state, networks) => {
    const words = changes(state, networks).map((key) => {
      const value = state.arguments[key];
      const text = key === "compression" && value === 1 ? "1.0" : python(value);
      return `${key}=${text}`;
    });
    return `d2l.build(${[`"${state.network}"`, ...words].join(", ")})`;
  };

  // The address of a state; parameters that are not ours stay.
  const write = (state, networks, rules, address) => {
    const url = new URL(address);
    const { searchParams } = url;
    const { arguments: given, size } = networks[state.network];
    for (const key of ["network", ...Object.keys(given), "size", "batch"]) {
      searchParams.delete(key);
    }
    searchParams.set("network", state.network);
    for (const key of changes(state, networks)) {
      searchParams.set(key, written(state.arguments[key]));
    }
    if (state.size !== size) searchParams.set("size", state.size);
    if (state.batch !== rules.batch.start) searchParams.set("batch", state.batch);
    return url.href;
  };

  // The state of an address, and messages about what could not be taken as it stands.
  const read = (address, networks, rules, start) => {
    const asked = new URL(address).searchParams;
    const messages = [];
    const take = (key, rule, fallback, text = asked.get(key)) => {
      if (text === null) return fallback;
      const { value, problem, nearest } = limited(text, rule);
      if (!problem) return value;
      const used = nearest ?? fallback;
      messages.push(`${key}=${text}: ${problem}; ${used} it is.`);
      return used;
    };
    const name = asked.get("network") ?? start;
    const network = Object.hasOwn(networks, name) ? name : start;
    if (network !== name) messages.push(`network=${name}: unknown; ${network} it is.`);
    const preset = networks[network];
    const given = { ...preset.arguments };
    for (const key of Object.keys(given)) {
      const text = asked.get(key);
      if (key === "block_config") {
        if (text !== null) given[key] = blocks(text, given[key], rules, take, messages);
      } else if (typeof given[key] !== "boolean") {
        given[key] = take(key, rules[key], given[key]);
      } else if (/^(true|false)$/i.test(text ?? "")) {
        given[key] = text.toLowerCase() === "true";
      } else if (text !== null) {
        messages.push(`${key}=${text}: choose from true, false; ${given[key]} it is.`);
      }
    }
    const size = take("size", rules.size, preset.size);
    const batch = take("batch", rules.batch, rules.batch.start);
    return { state: { network, arguments: given, size, batch }, messages };
  };

  const blocks = (text, fallback, rules, take, messages) => {
    const parts = text.split("-");
    const most = rules.blocks.max;
    if (parts.some((part) => !number.test(part.trim()))) {
      const example = written(fallback);
      messages.push(`block_config=${text}: must be numbers like ${example}; ${example} it is.`);
      return fallback;
    }
    if (parts.length > most) {
      messages.push(`block_config=${text}: this page goes up to ${most} blocks; the first ${most} it is.`);
    }
    return parts.slice(0, most).map((part) => take("block_config", rules.layers, 1, part));
  };

  // A network of the zoo that has these very arguments, if there is one.
  const preset = (given, networks) => Object.keys(networks).find((name) => {
    const known = networks[name].arguments;
    return Object.keys(known).every((key) => same(known[key], given[key]));
  });

  Object.assign(window.explorer, { call, changes, limited, preset, read, write });
})();
