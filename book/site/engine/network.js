// The layers of a DenseNet: what the explorer counts and what the engine computes.
(() => {
  "use strict";

  const define = (scope) => {
    // The sides of an image from stage to stage, until the last block or until it is gone.
    const sides = ({ small_inputs: small, block_config: config }, size) => {
      const chain = [size];
      if (!small) {
        chain.push(Math.floor((size + 1) / 2));
        chain.push(Math.floor((chain[1] + 1) / 2));
      }
      for (let i = 1; i < config.length && chain.at(-1) > 0; i += 1) {
        chain.push(Math.floor(chain.at(-1) / 2));
      }
      return chain;
    };

    // Layers in the order of the forward pass. `inputs` are the layers whose maps one
    // reads; `convolutions` run one after another, each behind its `norm` and ReLU if it
    // has one. `after` is a norm behind the convolution: that of the stem for large images.
    const layers = (given) => {
      const { growth_rate: growth, small_inputs: small, block_config: config } = given;
      const list = [];
      const unit = (layer, ending, read, made, kernel) =>
        ({ norm: `${layer}.norm${ending}`, conv: `${layer}.conv${ending}`, read, made, kernel });
      const add = (name, kind, inputs, read, made, convolutions, more = {}) =>
        list.push({ name, kind, inputs, read, made, convolutions, ...more });

      let channels = given.init_features;
      const stem = { conv: "features.conv0", read: given.in_channels, made: channels, kernel: small ? 3 : 7 };
      if (!small) stem.after = "features.norm0";
      add("features.conv0", "stem", ["image"], given.in_channels, channels, [stem], { small });
      config.forEach((count, index) => {
        let inputs = [list.at(-1).name];
        for (let number = 1; number <= count; number += 1) {
          const name = `features.denseblock${index + 1}.denselayer${number}`;
          const convolutions = given.bottleneck
            ? [unit(name, 1, channels, 4 * growth, 1), unit(name, 2, 4 * growth, growth, 3)]
            : [unit(name, 1, channels, growth, 3)];
          add(name, "layer", inputs, channels, growth, convolutions, { block: index + 1, number });
          inputs = [...inputs, name];
          channels += growth;
        }
        if (index < config.length - 1) {
          const name = `features.transition${index + 1}`;
          const made = Math.floor(channels * given.compression);
          add(name, "transition", inputs, channels, made, [unit(name, "", channels, made, 1)],
            { block: index + 1 });
          channels = made;
        } else {
          add("features.norm5", "norm", inputs, channels, channels, []);
        }
      });
      add("classifier", "classifier", ["features.norm5"], channels, given.num_classes, []);
      return list;
    };

    // The shape of every array of the network's file, by name.
    const shapes = (given) => {
      const found = {};
      const norm = (name, channels) => {
        for (const array of ["weight", "bias", "running_mean", "running_var"]) {
          found[`${name}.${array}`] = [channels];
        }
      };
      for (const { kind, name, read, made, convolutions } of layers(given)) {
        for (const part of convolutions) {
          if (part.norm) norm(part.norm, part.read);
          found[`${part.conv}.weight`] = [part.made, part.read, part.kernel, part.kernel];
          if (given.bias) found[`${part.conv}.bias`] = [part.made];
          if (part.after) norm(part.after, part.made);
        }
        if (kind === "norm") norm(name, read);
        if (kind === "classifier") {
          found[`${name}.weight`] = [made, read];
          found[`${name}.bias`] = [made];
        }
      }
      return found;
    };

    scope.network = { layers, shapes, sides };
  };

  define(globalThis);
  // A worker under file:// can only be made of a text that the page already has.
  globalThis.network.source = `(${define})(globalThis);`;
})();
