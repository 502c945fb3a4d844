"""The traps of a network in several frameworks, as edits of this book's source text.

As a script, `traps.py FRAMEWORK EXPECTED FILE`, it plants each trap in a copy of the
source in memory, measures the network "small" in float64, and writes as JSON what the
comparison with EXPECTED notices first.
"""

import importlib
import json
import linecache
import sys
from pathlib import Path
from types import ModuleType
from typing import NamedTuple

import numpy as np
from compare import differences
from measured import measure
from networks import BY_NAME

import d2l_lite.models

NETWORK = BY_NAME["small"]


class Edit(NamedTuple):
    """What is replaced; it must stand once in the framework's modules."""

    old: str
    new: str


class Trap(NamedTuple):
    """A mistake, the quantity by which it must be noticed, and an edit by framework."""

    name: str
    quantity: str
    edits: dict[str, Edit]


def everywhere(old: str, new: str) -> dict[str, Edit]:
    return dict.fromkeys(("pytorch", "tensorflow", "jax", "mxnet"), Edit(old, new))


NOTHING = Trap("nothing", "", everywhere("", ""))

TRAPS = (
    Trap(
        "epsilon 1e-3",
        "logits in evaluation mode",
        {
            "pytorch": Edit("eps=1e-5", "eps=1e-3"),
            "tensorflow": Edit("epsilon=1e-5", "epsilon=1e-3"),
            "jax": Edit("epsilon=1e-5", "epsilon=1e-3"),
            "mxnet": Edit("epsilon=1e-5", "epsilon=1e-3"),
        },
    ),
    Trap(
        "decay 0.99",
        "running statistics after 1 step",
        {
            "pytorch": Edit("momentum=0.1)", "momentum=0.01)"),
            "tensorflow": Edit("momentum=0.9,", "momentum=0.99,"),
            "jax": Edit("momentum=0.9,", "momentum=0.99,"),
            "mxnet": Edit("momentum=0.9,", "momentum=0.99,"),
        },
    ),
    Trap(
        "padding 'same' in the strided stem",
        "logits in evaluation mode",
        {
            # These two do not know 'same' with a stride; it pads 2 before and 3 behind.
            "pytorch": Edit(
                """\
        nn.Conv2d(
            in_channels,
            out_channels,
            kernel_size=7,
            stride=2,
            padding=3,
""",
                """\
        nn.ZeroPad2d((2, 3, 2, 3)),
        nn.Conv2d(
            in_channels,
            out_channels,
            kernel_size=7,
            stride=2,
""",
            ),
            "mxnet": Edit(
                """\
        nn.Conv2D(
            out_channels,
            kernel_size=7,
            strides=2,
            padding=3,
""",
                """\
        nn.HybridLambda(
            lambda F, X: F.np.pad(X, ((0, 0), (0, 0), (2, 3), (2, 3)))
        ),
        nn.Conv2D(
            out_channels,
            kernel_size=7,
            strides=2,
""",
            ),
            "tensorflow": Edit(
                """\
        layers.ZeroPadding2D(3),
        layers.Conv2D(
            out_channels,
            kernel_size=7,
""",
                """\
        layers.Conv2D(
            out_channels,
            kernel_size=7,
            padding="same",
""",
            ),
            "jax": Edit("padding=3,", 'padding="SAME",'),
        },
    ),
    Trap(
        "concatenation reversed",
        "logits in evaluation mode",
        everywhere("[X, Y]", "[Y, X]"),
    ),
    Trap(
        # The plain network then has transitions to 96, 96 and 96 channels instead of
        # 96, 112 and 120; "small" has 14 and 14 instead of 14 and 15.
        "channels not accumulated",
        "weights of a seed",
        everywhere(
            "kept = int(channels * compression)",
            "kept = int((init_features + num_layers * growth_rate) * compression)",
        ),
    ),
    Trap(
        "batch norm stuck in evaluation mode",
        "logits in training mode",
        {
            "pytorch": Edit(
                "        if not self.training:\n",
                "        self.eval()\n        if not self.training:\n",
            ),
            "tensorflow": Edit(
                "X = self.features(X)",
                "X = self.features(X, training=False)",
            ),
            "jax": Edit(
                """\
def batch_norm(num_channels, *, rngs):
    return nnx.BatchNorm(
""",
                """\
class Stuck(nnx.BatchNorm):
    def __call__(self, X):
        return super().__call__(X, use_running_average=True)


def batch_norm(num_channels, *, rngs):
    return Stuck(
""",
            ),
            "mxnet": Edit(
                "in_channels=num_channels,",
                "in_channels=num_channels, use_global_stats=True,",
            ),
        },
    ),
    Trap(
        "PyTorch's unbiased running variance",
        "running statistics after 1 step",
        {"pytorch": Edit("return _BatchNorm(", "return nn.BatchNorm2d(")},
    ),
    Trap(
        "no ReLU before the convolutions",
        "logits in evaluation mode",
        {
            "pytorch": Edit(
                "batch_norm(in_channels),\n        nn.ReLU(),",
                "batch_norm(in_channels),",
            ),
            "tensorflow": Edit(
                "batch_norm(in_channels),\n        layers.ReLU(),",
                "batch_norm(in_channels),",
            ),
            "jax": Edit(
                "batch_norm(in_channels, rngs=rngs),\n        nnx.relu,",
                "batch_norm(in_channels, rngs=rngs),",
            ),
            "mxnet": Edit(
                'batch_norm(in_channels),\n        nn.Activation("relu"),',
                "batch_norm(in_channels),",
            ),
        },
    ),
    Trap(
        "no ReLU before the classifier",
        "logits in evaluation mode",
        {
            "pytorch": Edit(
                "batch_norm(channels),\n            nn.ReLU(),",
                "batch_norm(channels),",
            ),
            "tensorflow": Edit(
                "batch_norm(channels),\n            layers.ReLU(),",
                "batch_norm(channels),",
            ),
            "jax": Edit(
                "batch_norm(channels, rngs=rngs),\n            nnx.relu,",
                "batch_norm(channels, rngs=rngs),",
            ),
            "mxnet": Edit(
                'batch_norm(channels),\n            nn.Activation("relu"),',
                "batch_norm(channels),",
            ),
        },
    ),
    Trap(
        # By an average of one value it is still told for a transition.
        "maximum instead of average in the transitions",
        "logits in evaluation mode",
        {
            "pytorch": Edit(
                "nn.AvgPool2d(kernel_size=2, stride=2),",
                "nn.MaxPool2d(2), nn.AvgPool2d(1),",
            ),
            "tensorflow": Edit(
                "layers.AveragePooling2D(pool_size=2, strides=2),",
                "layers.MaxPooling2D(2), layers.AveragePooling2D(1),",
            ),
            "jax": Edit(
                "        _average_pool,\n",
                "        partial(nnx.max_pool, window_shape=(2, 2), strides=(2, 2)),\n"
                "        partial(nnx.avg_pool, window_shape=(1, 1)),\n",
            ),
            "mxnet": Edit(
                "nn.AvgPool2D(pool_size=2, strides=2),",
                "nn.MaxPool2D(2), nn.AvgPool2D(1),",
            ),
        },
    ),
    Trap(
        "no weight decay",
        "parameters after 1 step",
        {
            "pytorch": Edit("weight_decay=self.weight_decay", "weight_decay=0"),
            "tensorflow": Edit("gradient + self.trainer.weight_decay * p", "gradient"),
            "jax": Edit("add_decayed_weights(weight_decay)", "add_decayed_weights(0)"),
            "mxnet": Edit(
                "gradient = gradient + trainer.weight_decay * weight", "pass"
            ),
        },
    ),
    Trap(
        # Where keras.optimizers.SGD and gluon.Trainer have it: alike until it changes.
        "learning rate inside the velocity",
        "running statistics after 10 steps",
        {
            "tensorflow": Edit("ResourceApplyMomentum", "ResourceApplyKerasMomentum"),
            "mxnet": Edit(
                """\
        velocity = trainer.momentum * velocity + gradient
        move = gradient + trainer.momentum * velocity if trainer.nesterov else velocity
        moved += [velocity.as_nd_ndarray(), (weight - rate * move).as_nd_ndarray()]
""",
                """\
        gradient = rate * gradient
        velocity = trainer.momentum * velocity + gradient
        move = gradient + trainer.momentum * velocity if trainer.nesterov else velocity
        moved += [velocity.as_nd_ndarray(), (weight - move).as_nd_ndarray()]
""",
            ),
        },
    ),
)


def sources(framework: str) -> dict[str, str]:
    """The text of the framework's network and of its tools, by module name."""
    package = Path(d2l_lite.__file__).parent
    names = [f"models.{framework}", framework]
    files = {name: package / f"{name.replace('.', '/')}.py" for name in names}
    return {f"d2l_lite.{n}": file.read_text("utf-8") for n, file in files.items()}


def planted(framework: str, trap: Trap) -> ModuleType:
    """The framework's module, made anew from the edited text."""
    edit = trap.edits[framework]
    for name, text in sources(framework).items():
        module = ModuleType(name)
        # Where `import` looks for it.
        sys.modules[name] = module
        parent, _, attribute = name.rpartition(".")
        setattr(importlib.import_module(parent), attribute, module)
        text = text.replace(*edit) if edit.old else text
        # Where TensorFlow looks for the source of what it compiles.
        file = f"{name} with {trap.name}"
        linecache.cache[file] = len(text), None, text.splitlines(keepends=True), file
        exec(compile(text, file, "exec"), module.__dict__)
    return module


def first_noticed(framework: str, trap: Trap, expected: dict) -> str | None:
    """The quantity in which the network differs, as far as it must be computed."""
    found = measure(framework, planted(framework, trap), NETWORK, "float64")
    noticed = next(differences(found, expected, framework, "float64", NETWORK), None)
    return noticed and noticed.quantity


if __name__ == "__main__":
    framework, expected, file = sys.argv[1:]
    expected = dict(np.load(expected))
    noticed = {
        trap.name: first_noticed(framework, trap, expected)
        for trap in (NOTHING, *TRAPS)
        if framework in trap.edits
    }
    Path(file).write_text(json.dumps(noticed))
