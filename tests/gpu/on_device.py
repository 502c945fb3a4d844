"""What a framework computes on the device that it finds.

`on_device.py FRAMEWORK FORMAT FILE` writes an .npz with the device, and of the network
"small" of the parity tests: the loss and the gradients of the first of ten steps of
SGD, how far these have moved each array, the logits after them, and the losses of
further steps on one batch. FORMAT is "float32", "tf32" or "bfloat16".
"""

import importlib
import sys
from pathlib import Path

import numpy as np

sys.path.append(str(Path(__file__).parents[1] / "parity"))
from measured import RATES  # noqa: E402
from networks import BY_NAME, batch, perturbed  # noqa: E402

NETWORK = BY_NAME["small"]


def allow_tf32(framework: str, allowed: bool) -> None:
    """Let matrix products and convolutions in float32 round to TF32, or not."""
    if framework == "pytorch":
        import torch

        torch.backends.cuda.matmul.allow_tf32 = allowed
        torch.backends.cudnn.allow_tf32 = allowed
    elif framework == "tensorflow":
        import tensorflow as tf

        tf.config.experimental.enable_tensor_float_32_execution(allowed)
    elif framework == "jax":
        import jax

        precision = "default" if allowed else "highest"
        jax.config.update("jax_default_matmul_precision", precision)


def main(framework: str, form: str, path: str) -> None:
    d2l = importlib.import_module(f"d2l_lite.{framework}")
    allow_tf32(framework, form == "tf32")
    net = d2l.build(NETWORK.build, seed=3, **NETWORK.changes)
    weights = perturbed(d2l.get_weights(net))
    d2l.set_weights(net, weights)
    precision = "bfloat16" if form == "bfloat16" else "float32"
    # Without decay the velocity of the first step is the gradient.
    step = d2l.Trainer(1, weight_decay=0.0, precision=precision).prepare(net)
    facts: dict[str, object] = {"device": str(d2l.device())}
    for number, rate in enumerate(RATES):
        X, y = batch(NETWORK, 1, number)
        loss, _ = step(X, y, rate)
        if number == 0:
            facts["loss: "] = float(loss)
            gradients = step.read()
    after = d2l.get_weights(net)
    facts |= {f"gradients: {name}": array for name, array in gradients.items()}
    facts |= {f"movement: {name}": after[name] - weights[name] for name in gradients}
    facts["logits: "] = d2l.predict(net, X)
    facts["losses"] = [float(step(X, y, 0.02)[0]) for _ in range(30)]
    np.savez(path, **facts)


if __name__ == "__main__":
    main(*sys.argv[1:])
