// Runs the networks of the book in the browser, from the files that d2l.save writes.
(() => {
  "use strict";

  const define = (scope) => {
    const EPSILON = 1e-5;
    const BYTES = { F64: 8, F32: 4, F16: 2, BF16: 2 };

    const half = (bits) => {
      const sign = bits & 0x8000 ? -1 : 1;
      const exponent = (bits >> 10) & 31;
      const fraction = bits & 1023;
      if (exponent === 0) return sign * fraction * 2 ** -24;
      if (exponent === 31) return fraction ? NaN : sign * Infinity;
      return sign * (1 + fraction / 1024) * 2 ** (exponent - 15);
    };

    const floats = (type, bytes) => {
      if (type === "F32") return new Float32Array(bytes);
      if (type === "F64") return Float32Array.from(new Float64Array(bytes));
      const halves = new Uint16Array(bytes);
      if (type === "F16") return Float32Array.from(halves, half);
      // BF16 is the upper half of a float32.
      return new Float32Array(Uint32Array.from(halves, (bits) => bits << 16).buffer);
    };

    const header = (buffer) => {
      const refuse = () => new Error("This is no safetensors file: save a network with d2l.save.");
      if (buffer.byteLength < 10) throw refuse();
      const size = new DataView(buffer).getBigUint64(0, true);
      if (new Uint8Array(buffer)[8] !== 123 || size > 100_000_000n) throw refuse();
      if (size > BigInt(buffer.byteLength - 8)) {
        throw new Error("This safetensors file is cut off: copy it again, whole.");
      }
      let found = null;
      try {
        found = JSON.parse(new TextDecoder().decode(new Uint8Array(buffer, 8, Number(size))));
      } catch (error) {
        if (error instanceof SyntaxError) throw refuse();
        throw error;
      }
      return { entries: found, start: 8 + Number(size) };
    };

    const value = (text) => {
      try {
        return JSON.parse(text);
      } catch (error) {
        if (error instanceof SyntaxError) return text;
        throw error;
      }
    };

    // {metadata, tensors}: each tensor {shape, data}, data as float32. Throws an Error of
    // one sentence.
    const parse = (buffer) => {
      const { entries, start } = header(buffer);
      const { __metadata__: noted, ...arrays } = entries;
      const values = Object.fromEntries(Object.entries(noted ?? {}).map(([key, text]) => [key, value(text)]));
      const { d2l_lite: ours, ...metadata } = values;
      const tensors = {};
      for (const [name, entry] of Object.entries(arrays)) {
        const { dtype, shape, data_offsets: offsets } = entry ?? {};
        if (![shape, offsets].every((list) => Array.isArray(list) && list.every((n) => Number.isInteger(n) && n >= 0))) {
          throw new Error(`The file's header does not say where ${name} is: save the network again.`);
        }
        if (!Object.hasOwn(BYTES, dtype)) {
          throw new Error(`${name} holds numbers of type ${dtype}: save them as F32, F16, BF16 or F64.`);
        }
        const [from, to] = offsets;
        if (start + to > buffer.byteLength) {
          throw new Error(`This safetensors file is cut off within ${name}: copy it again, whole.`);
        }
        const count = shape.reduce((a, b) => a * b, 1);
        if (to - from !== count * BYTES[dtype]) {
          throw new Error(`${name} has ${to - from} bytes and not those of its shape ${shape.join("×")}: save the network again.`);
        }
        tensors[name] = { shape, data: floats(dtype, buffer.slice(start + from, start + to)) };
      }
      return { metadata: { ...metadata, ...(ours instanceof Object ? ours : {}) }, tensors };
    };

    // The number of fewest digits that turns each pair's channels into those kept.
    const compression = (pairs) => {
      if (pairs.length === 0) return 0.5;
      const keeps = (c) => c > 0 && c <= 1 && pairs.every(([kept, all]) => Math.floor(all * c) === kept);
      const low = Math.max(...pairs.map(([kept, all]) => kept / all));
      for (let digits = 1; digits < 17; digits += 1) {
        const lowest = Math.ceil(low * 10 ** digits);
        for (const tried of [lowest - 1, lowest, lowest + 1]) {
          if (keeps(tried / 10 ** digits)) return tried / 10 ** digits;
        }
      }
      const shown = pairs.map(([kept, all]) => `${all} to ${kept}`).join(", ");
      throw new Error(`These are not the weights of a DenseNet: its transitions go from ${shown} channels.`);
    };

    // The arguments of DenseNet that make weights of these shapes.
    const argumentsOf = (tensors) => {
      const shape = (name, axes) => {
        const found = tensors[name]?.shape;
        if (found?.length !== axes || found.includes(0)) {
          throw new Error(`These are not the weights of a DenseNet: ${name} is missing or has another shape.`);
        }
        return found;
      };
      const counts = [];
      for (const name of Object.keys(tensors)) {
        const match = /^features\.denseblock([1-9]\d?)\.denselayer([1-9]\d{0,2})\./.exec(name);
        if (match) counts[match[1] - 1] = Math.max(counts[match[1] - 1] ?? 0, Number(match[2]));
      }
      const first = "features.denseblock1.denselayer1";
      const bottleneck = `${first}.conv2.weight` in tensors;
      const stem = shape("features.conv0.weight", 4);
      const growth = shape(`${first}.conv${bottleneck ? 2 : 1}.weight`, 4)[0];
      const pairs = counts.slice(1).map((_, i) => shape(`features.transition${i + 1}.conv.weight`, 4));
      return {
        in_channels: stem[1],
        num_classes: shape("classifier.weight", 2)[0],
        growth_rate: growth,
        block_config: Array.from(counts, (count) => count ?? 0),
        init_features: stem[0],
        bottleneck,
        compression: compression(pairs),
        small_inputs: !("features.norm0.weight" in tensors),
        bias: "features.conv0.bias" in tensors,
      };
    };

    // {arguments, layers, classes}: the network that these tensors make. Throws an Error
    // of one sentence where they make none.
    const describe = (metadata, tensors) => {
      const given = argumentsOf(tensors);
      const shapes = scope.network.shapes(given);
      for (const [name, shape] of Object.entries(shapes)) {
        const found = tensors[name]?.shape.join("×");
        if (found !== shape.join("×")) {
          throw new Error(`These weights fit no DenseNet: ${name} ${found ? `is ${found}` : "is missing"}, expected ${shape.join("×")}.`);
        }
      }
      for (const [name, { data }] of Object.entries(tensors)) {
        if (!(name in shapes)) throw new Error(`These weights fit no DenseNet: it has no ${name}.`);
        if (!data.every(Number.isFinite)) {
          throw new Error(`${name} holds a value that is no finite number: the training of this network went wrong.`);
        }
        if (name.endsWith("running_var") && data.some((x) => x < 0)) {
          throw new Error(`${name} holds a negative variance: the file is damaged.`);
        }
      }
      return { network: metadata.network ?? "DenseNet", arguments: given, layers: scope.network.layers(given) };
    };

    // Batch normalisation in evaluation mode as x·scale + shift.
    const affine = (tensors, name) => {
      const [weight, bias, mean, variance] = ["weight", "bias", "running_mean", "running_var"]
        .map((array) => tensors[`${name}.${array}`].data);
      const scale = Float64Array.from(weight, (w, i) => w / Math.sqrt(variance[i] + EPSILON));
      return { scale, shift: Float64Array.from(bias, (b, i) => b - mean[i] * scale[i]) };
    };

    // A convolution's weights, four rows side by side, with the norm behind it within.
    const packed = (tensors, { conv, made, read, kernel }, after) => {
      const depth = read * kernel ** 2;
      const { data } = tensors[`${conv}.weight`];
      const bias = tensors[`${conv}.bias`]?.data;
      const { scale, shift } = after ? affine(tensors, after) : {};
      const weights = new Float32Array(4 * Math.ceil(made / 4) * depth);
      const offsets = new Float64Array(4 * Math.ceil(made / 4));
      for (let row = 0; row < made; row += 1) {
        const factor = scale ? scale[row] : 1;
        const start = (row >> 2) * 4 * depth + (row & 3);
        for (let k = 0; k < depth; k += 1) weights[start + 4 * k] = data[row * depth + k] * factor;
        offsets[row] = (bias ? bias[row] : 0) * factor + (shift ? shift[row] : 0);
      }
      return { weights, offsets };
    };

    // target[from…] = weights · columns: panels of four rows and of two positions, whose
    // eight sums stay in registers.
    const multiply = ({ weights, offsets }, columns, depth, made, positions, target, from) => {
      for (let at = 0; at < positions; at += 2) {
        const both = at + 1 < positions;
        for (let row = 0; row < made; row += 4) {
          const rows = Math.min(4, made - row);
          let a0 = offsets[row], a1 = offsets[row + 1], a2 = offsets[row + 2], a3 = offsets[row + 3];
          let b0 = a0, b1 = a1, b2 = a2, b3 = a3;
          let w = row * depth;
          let c = at * depth;
          for (let k = 0; k < depth; k += 1, w += 4, c += 2) {
            const x = columns[c], y = columns[c + 1];
            const w0 = weights[w], w1 = weights[w + 1], w2 = weights[w + 2], w3 = weights[w + 3];
            a0 += w0 * x; a1 += w1 * x; a2 += w2 * x; a3 += w3 * x;
            b0 += w0 * y; b1 += w1 * y; b2 += w2 * y; b3 += w3 * y;
          }
          const start = from + row * positions + at;
          target[start] = a0;
          if (both) target[start + 1] = b0;
          if (rows > 1) { target[start + positions] = a1; if (both) target[start + positions + 1] = b1; }
          if (rows > 2) { target[start + 2 * positions] = a2; if (both) target[start + 2 * positions + 1] = b2; }
          if (rows > 3) { target[start + 3 * positions] = a3; if (both) target[start + 3 * positions + 1] = b3; }
        }
      }
    };

    // im2col: what a kernel sees at each position, in panels of two positions.
    const columnsOf = (source, channels, side, kernel, stride, after) => {
      const border = kernel >> 1;
      const depth = channels * kernel ** 2;
      const positions = after * after;
      const columns = new Float32Array(depth * (positions + (positions & 1)));
      let k = 0;
      for (let channel = 0; channel < channels; channel += 1) {
        const plane = channel * side * side;
        for (let i = 0; i < kernel; i += 1) {
          for (let j = 0; j < kernel; j += 1, k += 1) {
            for (let y = 0; y < after; y += 1) {
              const row = y * stride + i - border;
              if (row < 0 || row >= side) continue;
              for (let x = 0; x < after; x += 1) {
                const column = x * stride + j - border;
                if (column < 0 || column >= side) continue;
                const at = y * after + x;
                columns[(at >> 1) * 2 * depth + 2 * k + (at & 1)] = source[plane + row * side + column];
              }
            }
          }
        }
      }
      return columns;
    };

    const convolve = (part, source, side, target, from, stride = 1) => {
      const after = Math.floor((side - 1) / stride) + 1;
      const columns = columnsOf(source, part.read, side, part.kernel, stride, after);
      multiply(part.packed, columns, part.read * part.kernel ** 2, part.made, after * after, target, from);
    };

    const rectify = (data) => {
      for (let i = 0; i < data.length; i += 1) if (data[i] < 0) data[i] = 0;
      return data;
    };

    // ReLU(norm(source)) of the first channels; those of `cut` ranges count as 0 before.
    const activated = ({ scale, shift }, source, pixels, cut) => {
      const made = new Float32Array(scale.length * pixels);
      for (let channel = 0; channel < scale.length; channel += 1) {
        const gone = cut.some(([from, to]) => channel >= from && channel < to);
        const a = gone ? 0 : scale[channel];
        const b = shift[channel];
        for (let i = channel * pixels; i < (channel + 1) * pixels; i += 1) {
          const x = source[i] * a + b;
          made[i] = x > 0 ? x : 0;
        }
      }
      return made;
    };

    // The largest of each 3×3, stride 2, one border that never wins.
    const maxPool = (source, channels, side, after, target) => {
      for (let channel = 0; channel < channels; channel += 1) {
        for (let y = 0; y < after; y += 1) {
          for (let x = 0; x < after; x += 1) {
            let most = -Infinity;
            for (let i = Math.max(0, 2 * y - 1); i <= Math.min(side - 1, 2 * y + 1); i += 1) {
              for (let j = Math.max(0, 2 * x - 1); j <= Math.min(side - 1, 2 * x + 1); j += 1) {
                most = Math.max(most, source[(channel * side + i) * side + j]);
              }
            }
            target[(channel * after + y) * after + x] = most;
          }
        }
      }
    };

    const averagePool = (source, channels, side, target) => {
      const after = side >> 1;
      for (let channel = 0; channel < channels; channel += 1) {
        for (let y = 0; y < after; y += 1) {
          for (let x = 0; x < after; x += 1) {
            const i = (channel * side + 2 * y) * side + 2 * x;
            target[(channel * after + y) * after + x] =
              (source[i] + source[i + 1] + source[i + side] + source[i + side + 1]) / 4;
          }
        }
      }
    };

    const softmax = (logits) => {
      const most = Math.max(...logits);
      const powers = Float64Array.from(logits, (x) => Math.exp(x - most));
      const sum = powers.reduce((a, b) => a + b, 0);
      return Float32Array.from(powers, (x) => x / sum);
    };

    const checkCuts = (cuts, layers) => {
      const byName = new Map(layers.map((layer) => [layer.name, layer]));
      for (const { layer, from, to } of cuts) {
        if (layer === undefined ? !byName.get(to)?.inputs.includes(from) : !byName.has(layer)) {
          throw new Error(`There is nothing to cut at ${layer ?? `${from} → ${to}`}: name layers of this network.`);
        }
      }
    };

    // The network, ready to run: its weights packed for the matrix products.
    const create = (description, tensors) => {
      const { arguments: given } = description;
      const layers = description.layers.map((layer) => {
        const { convolutions } = layer;
        return {
          ...layer,
          norms: layer.kind === "norm" ? [affine(tensors, layer.name)]
            // The second norm of a bottleneck is within the weights of the first convolution.
            : convolutions.slice(0, 1).filter((part) => part.norm).map((part) => affine(tensors, part.norm)),
          convolutions: convolutions.map((part, i) =>
            ({ ...part, packed: packed(tensors, part, part.after ?? convolutions[i + 1]?.norm) })),
        };
      });
      const classifier = { weight: tensors["classifier.weight"].data, bias: tensors["classifier.bias"].data };

      // Yields {done, total} after each layer; returns {logits, probabilities, maps}.
      function* steps(input, { cuts = [], keep = [] } = {}) {
        const size = Math.round(Math.sqrt(input.length / given.in_channels));
        if (size < 1 || given.in_channels * size ** 2 !== input.length) {
          throw new Error(`The picture has ${input.length} numbers: this network reads ${given.in_channels} channels of a square.`);
        }
        const chain = scope.network.sides(given, size);
        if (chain.length < given.block_config.length + (given.small_inputs ? 0 : 2) || chain.at(-1) < 1) {
          throw new Error(`A picture of ${size}×${size} pixels is too small for this network.`);
        }
        checkCuts(cuts, layers);
        const isCut = (name) => cuts.some((cut) => cut.layer === name);
        const maps = {};
        const note = (name, channels, side, data) => {
          if (keep === "all" || keep.includes(name)) maps[name] = { channels, height: side, width: side, data: data.slice() };
        };
        let block = null; // the maps of a block, one behind the other
        let side = size;
        let ranges = new Map();
        let logits = null;
        // Begins a block with the maps of a stem or transition.
        const begin = (name, made, index, fill) => {
          const count = given.block_config[index];
          block = new Float32Array((made + count * given.growth_rate) * side * side);
          fill(block);
          if (isCut(name)) block.fill(0);
          ranges = new Map([[name, [0, made]]]);
          note(name, made, side, block.subarray(0, made * side * side));
        };
        for (const [index, layer] of layers.entries()) {
          const { name, kind, read, made, norms, convolutions: parts } = layer;
          const cut = cuts.filter(({ to }) => to === name).map(({ from }) => ranges.get(from));
          if (kind === "stem") {
            const source = cut.length ? new Float32Array(input.length) : input;
            if (layer.small) begin(name, made, 0, (target) => convolve(parts[0], source, side, target, 0));
            else {
              const middle = chain[1];
              const wide = new Float32Array(made * middle * middle);
              convolve(parts[0], source, size, wide, 0, 2);
              rectify(wide);
              side = chain[2];
              begin(name, made, 0, (target) => maxPool(wide, made, middle, side, target));
            }
          } else if (kind === "layer") {
            const pixels = side * side;
            let source = activated(norms[0], block, pixels, cut);
            if (parts.length > 1) {
              const inner = new Float32Array(parts[0].made * pixels);
              convolve(parts[0], source, side, inner, 0);
              source = rectify(inner);
            }
            convolve(parts.at(-1), source, side, block, read * pixels);
            const own = block.subarray(read * pixels, (read + made) * pixels);
            if (isCut(name)) own.fill(0);
            ranges.set(name, [read, read + made]);
            note(name, made, side, own);
          } else if (kind === "transition") {
            const before = side;
            const wide = new Float32Array(made * before * before);
            convolve(parts[0], activated(norms[0], block, before * before, cut), before, wide, 0);
            side = before >> 1;
            begin(name, made, layer.block, (target) => averagePool(wide, made, before, target));
          } else if (kind === "norm") {
            block = activated(norms[0], block, side * side, cut);
            if (isCut(name)) block.fill(0);
            ranges = new Map([[name, [0, made]]]);
            note(name, made, side, block);
          } else {
            const pixels = side * side;
            const means = Float64Array.from({ length: read }, (_, channel) =>
              block.subarray(channel * pixels, (channel + 1) * pixels).reduce((a, b) => a + b, 0) / pixels);
            if (cut.length) means.fill(0);
            logits = Float32Array.from({ length: made }, (_, row) =>
              means.reduce((sum, x, i) => sum + x * classifier.weight[row * read + i], classifier.bias[row]));
            if (isCut(name)) logits.fill(0);
          }
          yield { done: index + 1, total: layers.length };
        }
        return { logits, probabilities: softmax(logits), maps };
      }

      const run = (input, options) => {
        const work = steps(input, options);
        let step = work.next();
        while (!step.done) step = work.next();
        return step.value;
      };
      // What each class adds up: the classifier's row of a label.
      const row = (label) => {
        if (!(Number.isInteger(label) && label >= 0 && label < given.num_classes)) {
          throw new Error(`Label ${label}: this network has the classes 0 to ${given.num_classes - 1}.`);
        }
        const width = classifier.weight.length / given.num_classes;
        return classifier.weight.slice(label * width, (label + 1) * width);
      };
      return { description, run, steps, row };
    };

    // Where the last maps (those kept of "features.norm5") speak for a label: their sum,
    // weighted by its row of the classifier, nothing below 0, divided by its maximum.
    const heatMap = ({ channels, height, width, data }, row) => {
      if (row.length !== channels) throw new Error(`A row of ${row.length} weights does not fit ${channels} maps.`);
      const pixels = height * width;
      const heat = Float32Array.from({ length: pixels }, (_, i) => {
        let sum = 0;
        for (let channel = 0; channel < channels; channel += 1) sum += row[channel] * data[channel * pixels + i];
        return Math.max(0, sum);
      });
      const most = heat.reduce((a, b) => Math.max(a, b), 0);
      return { height, width, data: most > 0 ? heat.map((x) => x / most) : heat };
    };

    // Of pictures for a network whose file does not say: Fashion-MNIST's for one channel,
    // ImageNet's for three.
    const NORMALISED = {
      1: { mean: [0.286], std: [0.353] },
      3: { mean: [0.485, 0.456, 0.406], std: [0.229, 0.224, 0.225] },
    };

    // Which pixels of a line make each of `target` ones, and with what weights: linear,
    // over wider stretches the more the line shrinks, as Pillow does it.
    const mixing = (source, target) => Array.from({ length: target }, (_, i) => {
      const reach = Math.max(1, source / target);
      const centre = ((i + 0.5) * source) / target - 0.5;
      const first = Math.max(0, Math.ceil(centre - reach));
      const last = Math.min(source - 1, Math.floor(centre + reach));
      const weights = Array.from({ length: last - first + 1 }, (_, k) =>
        Math.max(0, 1 - Math.abs(first + k - centre) / reach));
      const sum = weights.reduce((a, b) => a + b, 0);
      return { first, weights: weights.map((w) => w / sum) };
    });

    // A plane of width×height, of which the square in the middle becomes size×size.
    const squared = (plane, width, height, size) => {
      const side = Math.min(width, height);
      const [left, top] = [(width - side) >> 1, (height - side) >> 1];
      const mixed = mixing(side, size);
      const wide = new Float32Array(side * size);
      for (let y = 0; y < side; y += 1) {
        mixed.forEach(({ first, weights }, x) => {
          wide[y * size + x] = weights.reduce((sum, w, k) =>
            sum + w * plane[(top + y) * width + left + first + k], 0);
        });
      }
      return Float32Array.from({ length: size * size }, (_, at) => {
        const { first, weights } = mixed[Math.floor(at / size)];
        return weights.reduce((sum, w, k) => sum + w * wide[(first + k) * size + (at % size)], 0);
      });
    };

    // A picture {data: RGBA, width, height} as the network takes it: C×H×W, per channel
    // (x / 255 - mean) / std. What is transparent is black. A picture of 28×28 gets two
    // black pixels on each side for a network of 32×32, as Fashion-MNIST has them; of one
    // for ImageNet the outer sixteenth on each side is cut off. Of files whose metadata
    // lack `arguments`, give those of the description.
    const prepare = ({ data, width, height }, { arguments: given = {}, mean, std, size }) => {
      const count = given.in_channels ?? mean?.length ?? 1;
      const known = NORMALISED[count];
      if (!known) throw new Error(`A picture has 1 or 3 channels: this network reads ${count}.`);
      const [means, deviations] = [mean ?? known.mean, std ?? known.std];
      if (means.length !== count || deviations.length !== count || !deviations.every((x) => x > 0)) {
        throw new Error(`The file's mean ${means} and std ${deviations} do not fit ${count} channels.`);
      }
      const imagenet = given.num_classes === 1000;
      const side = (Array.isArray(size) ? size[0] : size) ?? (imagenet ? 224 : 32);
      const pixels = width * height;
      const colour = (channel) => Float32Array.from({ length: pixels }, (_, i) => {
        const [r, g, b, a] = data.subarray(4 * i, 4 * i + 4);
        return ((count === 1 ? 0.299 * r + 0.587 * g + 0.114 * b : [r, g, b][channel]) * a) / 255;
      });
      const input = new Float32Array(count * side * side);
      for (let channel = 0; channel < count; channel += 1) {
        const plane = colour(channel);
        const square = new Float32Array(side * side);
        if (width === 28 && height === 28 && side === 32) {
          for (let y = 0; y < 28; y += 1) square.set(plane.subarray(y * 28, y * 28 + 28), (y + 2) * 32 + 2);
        } else {
          const border = imagenet ? Math.round(side / 14) : 0;
          const wide = side + 2 * border;
          const whole = squared(plane, width, height, wide);
          for (let y = 0; y < side; y += 1) {
            const start = (y + border) * wide + border;
            square.set(whole.subarray(start, start + side), y * side);
          }
        }
        const [m, d] = [means[channel], deviations[channel]];
        input.set(square.map((x) => (x / 255 - m) / d), channel * side * side);
      }
      return input;
    };

    scope.engine = { parse, describe, create, heatMap, prepare };
  };

  define(globalThis);
  globalThis.engine.source = `(${define})(globalThis);`;
})();
