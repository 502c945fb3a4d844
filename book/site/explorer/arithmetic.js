// What d2l_lite.summary computes, in the reader's browser: stages, what they keep, errors.
(() => {
  "use strict";

  const { network } = window;

  // Sums are BigInt: multiply-adds of large networks pass 2^53.
  const times = (...factors) => factors.reduce((a, b) => a * BigInt(b), 1n);

  // Convolutions behind their normalisations, of layers as network.js lists them.
  const units = (list, bias) => {
    let weights = 0n;
    let others = 0n;
    for (const { read, made, kernel } of list.flatMap((layer) => layer.convolutions)) {
      weights += times(read, made, kernel, kernel);
      others += BigInt(2 * read + (bias ? made : 0));
    }
    return { weights, parameters: weights + others };
  };

  // Why the library would refuse the network, in its words; "" if it would not.
  const reason = (given, size) => {
    const config = given.block_config;
    let channels = given.init_features;
    for (let i = 1; i < config.length; i += 1) {
      const grown = channels + config[i - 1] * given.growth_rate;
      channels = Math.floor(grown * given.compression);
      if (channels < 1) return `compression ${given.compression}: transition ${i} would keep none of ${grown} channels`;
    }
    const count = config.length - 1;
    const smallest = 2 ** count * (given.small_inputs ? 1 : 4) - (given.small_inputs ? 0 : 3);
    if (size >= smallest) return "";
    const needs = count === 1 ? "transition needs" : "transitions need";
    const rule = `${count} ${needs} at least ${smallest}×${smallest}`;
    return `images of ${size}×${size} pixels: ${rule}`;
  };

  // The stages of a network that `reason` has nothing against. Bytes are of one image.
  const stages = (given, size) => {
    const { growth_rate: growth, bias, small_inputs: small } = given;
    const layersOf = network.layers(given);
    const rows = [];
    let read = given.in_channels;
    let side = size;
    const add = (kind, name, made, after, row) => {
      const { parameters, multiplyAdds, kept, again = kept, layers = 0 } = row;
      rows.push({
        kind, name, read, channels: made, layers, side, size: after,
        parameters, multiplyAdds, plain: 4n * kept, recomputed: 4n * again,
      });
      read = made;
      side = after;
    };

    const [{ made: stem, convolutions: [{ kernel }] }] = layersOf;
    const weights = times(read, stem, kernel, kernel);
    const parameters = weights + BigInt(bias ? stem : 0);
    if (small) {
      const multiplyAdds = times(weights, side, side);
      add("convolution", "convolution", stem, side,
        { parameters, multiplyAdds, kept: times(read, side, side) });
    } else {
      const half = Math.floor((side + 1) / 2);
      add("convolution", "convolution", stem, half, {
        parameters: parameters + BigInt(2 * stem),
        multiplyAdds: times(weights, half, half),
        kept: times(read, side, side) + times(2, stem, half, half),
      });
      const pooled = Math.floor((half + 1) / 2);
      add("pooling", "pooling", stem, pooled,
        { parameters: 0n, multiplyAdds: 0n, kept: times(stem, pooled, pooled) });
    }
    given.block_config.forEach((layers, index) => {
      if (index > 0) {
        const transition = layersOf.find(({ kind, block }) => kind === "transition" && block === index);
        const { made } = transition;
        const unit = units([transition], bias);
        add("transition", `transition ${index}`, made, Math.floor(side / 2), {
          parameters: unit.parameters,
          multiplyAdds: times(unit.weights, side, side),
          kept: times(2, read, side, side),
        });
      }
      const list = layersOf.filter(({ kind, block }) => kind === "layer" && block === index + 1);
      const copies = list.reduce((sum, layer) => sum + BigInt(2 * layer.read), 0n);
      const unit = units(list, bias);
      const inner = BigInt(given.bottleneck ? 8 * growth * layers : 0);
      const features = BigInt(read + (layers - 1) * growth);
      add("block", `dense block ${index + 1}`, read + layers * growth, side, {
        layers,
        parameters: unit.parameters,
        multiplyAdds: times(unit.weights, side, side),
        kept: times(copies + inner, side, side),
        again: times(features + inner, side, side),
      });
    });
    const classes = given.num_classes;
    add("classification", "classification", classes, 1, {
      parameters: BigInt(2 * read) + times(read + 1, classes),
      multiplyAdds: times(read, classes),
      kept: times(read, 2 * side * side + 1),
    });
    return rows;
  };

  // Bytes of each layer of a block, or of a stage without layers: [plain, recomputed].
  const keptByLayer = (row, given) => {
    if (row.kind !== "block") return [[Number(row.plain), Number(row.recomputed)]];
    const growth = given.growth_rate;
    const inner = given.bottleneck ? 8 * growth : 0;
    const pixels = 4 * row.side ** 2;
    return Array.from({ length: row.layers }, (_, i) => [
      (2 * (row.read + i * growth) + inner) * pixels,
      ((i > 0 ? growth : row.read) + inner) * pixels,
    ]);
  };

  const totals = (rows) => {
    const sum = (key) => rows.reduce((whole, row) => whole + row[key], 0n);
    const keys = ["parameters", "multiplyAdds", "plain", "recomputed"];
    return Object.fromEntries(keys.map((key) => [key, sum(key)]));
  };

  window.explorer = { keptByLayer, reason, sides: network.sides, stages, totals };
})();
