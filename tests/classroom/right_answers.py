"""Right answers to the worksheets, each written in another way than the solution.

An answer is the text of a cell. Rows of layers are made of styles: how a framework's
normalisation, ReLU, convolution and pooling are written, and how they are put in a row.
Dense blocks are bodies with words for what each framework writes in its own way.
"""

from collections.abc import Iterator
from typing import NamedTuple


class Right(NamedTuple):
    """A right answer: the name of the check that judges it, and the text of a cell."""

    name: str
    check: str
    text: str


class Style(NamedTuple):
    """Parts of a row, `C` channels in and `K` out; the row holds the word `PARTS`."""

    row: str
    norm: str = ""
    relu: str = ""
    conv3: str = ""
    conv1: str = ""
    pool: str = ""


PLAIN = {
    "pytorch": Style(
        "return nn.Sequential(PARTS)",
        "batch_norm(C)",
        "nn.ReLU()",
        "nn.Conv2d(C, K, 3, padding=1)",
        "nn.Conv2d(C, K, 1)",
        "nn.AvgPool2d(2)",
    ),
    "tensorflow": Style(
        "return keras.Sequential([keras.Input((None, None, IN)), PARTS])",
        "batch_norm(C)",
        "layers.ReLU()",
        'layers.Conv2D(K, 3, padding="same")',
        "layers.Conv2D(K, 1)",
        "layers.AveragePooling2D(2)",
    ),
    "jax": Style(
        "return nnx.Sequential(PARTS)",
        "batch_norm(C, rngs=rngs)",
        "nnx.relu",
        "nnx.Conv(C, K, (3, 3), padding=1, rngs=rngs)",
        "nnx.Conv(C, K, (1, 1), rngs=rngs)",
        "lambda X: nnx.avg_pool(X, (2, 2), (2, 2))",
    ),
    "mxnet": Style(
        "row = nn.HybridSequential()\n    row.add(PARTS)\n    return row",
        "batch_norm(C)",
        'nn.Activation("relu")',
        "nn.Conv2D(K, 3, padding=1, in_channels=C)",
        "nn.Conv2D(K, 1, in_channels=C)",
        "nn.AvgPool2D(2)",
    ),
}
# A class of one's own that calls its parts one after the other.
OWN = {
    "pytorch": (
        "class Row(nn.Module):\n"
        "        def __init__(self, *parts):\n"
        "            super().__init__()\n"
        "            self.parts = nn.ModuleList(parts)\n"
        "        def forward(self, X):\n"
        "            for part in self.parts:\n"
        "                X = part(X)\n"
        "            return X\n"
        "    return Row(PARTS)"
    ),
    "tensorflow": (
        "class Row(layers.Layer):\n"
        "        def __init__(self, *parts):\n"
        "            super().__init__()\n"
        "            self.parts = list(parts)\n"
        "        def call(self, X):\n"
        "            for part in self.parts:\n"
        "                X = part(X)\n"
        "            return X\n"
        "    return Row(PARTS)"
    ),
    "jax": (
        "class Row(nnx.Module):\n"
        "        def __init__(self, *parts):\n"
        "            self.parts = nnx.List(parts)\n"
        "        def __call__(self, X):\n"
        "            for part in self.parts:\n"
        "                X = part(X)\n"
        "            return X\n"
        "    return Row(PARTS)"
    ),
    "mxnet": (
        "class Row(nn.Block):\n"
        "        def __init__(self, *parts):\n"
        "            super().__init__()\n"
        "            self.parts = nn.Sequential()\n"
        "            self.parts.add(*parts)\n"
        "        def forward(self, X):\n"
        "            return self.parts(X)\n"
        "    return Row(PARTS)"
    ),
}
STYLES: dict[str, dict[str, Style]] = {
    "pytorch": {
        "a class": Style(OWN["pytorch"]),
        "the framework's batch norm": Style("", "nn.BatchNorm2d(C, 1e-5, 0.1)"),
        "its defaults": Style("", "nn.BatchNorm2d(C)", "nn.ReLU(inplace=True)"),
        "lazy layers": Style(
            "",
            "nn.LazyBatchNorm2d()",
            conv3='nn.LazyConv2d(K, 3, padding="same")',
            conv1="nn.LazyConv2d(K, (1, 1))",
        ),
        "a border of its own": Style(
            "parts = [PARTS]\n    return nn.Sequential(*parts)",
            relu="nn.Threshold(0.0, 0.0)",
            conv3="nn.ZeroPad2d(1), nn.Conv2d(C, K, kernel_size=(3, 3))",
            pool="nn.AvgPool2d((2, 2), stride=2)",
        ),
    },
    "tensorflow": {
        "a class without training": Style(OWN["tensorflow"]),
        "a functional model": Style(
            "X = Y = keras.Input((None, None, IN))\n"
            "    for part in [PARTS]:\n        Y = part(Y)\n"
            "    return keras.Model(X, Y)",
            relu="ops.relu",
        ),
        "its own batch norm": Style(
            "",
            "layers.BatchNormalization(-1, momentum=0.9, epsilon=1e-5)",
            'layers.Activation("relu")',
        ),
        "no input": Style(
            "row = keras.Sequential()\n    for part in [PARTS]:\n"
            "        row.add(part)\n    return row"
        ),
        "a border of its own": Style(
            "",
            conv3='layers.ZeroPadding2D(1), layers.Conv2D(K, (3, 3), padding="valid")',
            conv1='layers.Conv2D(K, (1, 1), padding="same")',
            pool='layers.AveragePooling2D((2, 2), strides=2, padding="valid")',
        ),
        "a class with training": Style(
            OWN["tensorflow"]
            .replace("call(self, X)", "call(self, X, training=None)")
            .replace("part(X)", "part(X, training=training)"),
            relu="layers.Dropout(0.0), layers.ReLU()",
        ),
    },
    "jax": {
        "a class": Style(OWN["jax"]),
        "its own batch norm": Style(
            "", "nnx.BatchNorm(C, epsilon=1e-5, momentum=0.9, rngs=rngs)"
        ),
        "same": Style("", conv3='nnx.Conv(C, K, (3, 3), padding="SAME", rngs=rngs)'),
        "a maximum": Style("", relu="lambda X: jnp.maximum(X, 0)"),
        "a border of its own": Style(
            "parts = [PARTS]\n    return nnx.Sequential(*parts)",
            conv3="lambda X: jnp.pad(X, ((0, 0), (1, 1), (1, 1), (0, 0))), "
            'nnx.Conv(C, K, (3, 3), padding="VALID", rngs=rngs)',
            pool="lambda X: (X[:, :X.shape[1] // 2 * 2, :X.shape[2] // 2 * 2]"
            ".reshape(len(X), X.shape[1] // 2, 2, X.shape[2] // 2, 2, -1)"
            ".mean((2, 4)))",
        ),
    },
    "mxnet": {
        "a class": Style(OWN["mxnet"]),
        "sizes from the first input": Style(
            "", conv3="nn.Conv2D(K, 3, padding=1)", conv1="nn.Conv2D(K, 1)"
        ),
        "its own batch norm": Style(
            "", "nn.BatchNorm(epsilon=1e-5, momentum=0.9, in_channels=C)"
        ),
        "a lambda": Style("", relu="nn.HybridLambda(lambda F, X: F.npx.relu(X))"),
        "tuples": Style(
            "row = nn.Sequential()\n    for part in [PARTS]:\n"
            "        row.add(part)\n    return row",
            conv3="nn.Conv2D(channels=K, kernel_size=(3, 3), padding=(1, 1))",
            conv1="nn.Conv2D(K, (1, 1), (1, 1), in_channels=C)",
            pool="nn.AvgPool2D((2, 2), strides=(2, 2))",
        ),
    },
}
RNGS = {"jax": ", *, rngs"}


def row(framework: str, style: Style, name: str) -> str:
    """A function of a worksheet, its layers written in a style."""
    plain = PLAIN[framework]
    chosen = Style(*(own or usual for own, usual in zip(style, plain)))

    def unit(conv: str, channels: str, made: str) -> list[str]:
        parts = chosen.norm, chosen.relu, conv
        return [
            p.replace("C,", f"{channels},")
            .replace("C)", f"{channels})")
            .replace("K,", f"{made},")
            .replace("K)", f"{made})")
            for p in parts
        ]

    made = "out_channels" if name == "transition_block" else "growth_rate"
    if name == "bottleneck_block":
        parts = unit(chosen.conv1, "in_channels", "4 * growth_rate")
        parts += unit(chosen.conv3, "4 * growth_rate", made)
    elif name == "transition_block":
        parts = [*unit(chosen.conv1, "in_channels", made), chosen.pool]
    else:
        parts = unit(chosen.conv3, "in_channels", made)
    body = chosen.row.replace("PARTS", ", ".join(parts)).replace("IN)", "in_channels)")
    return f"def {name}(in_channels, {made}{RNGS.get(framework, '')}):\n    {body}\n"


MODULE = {
    "pytorch": ("nn.Module", "forward(self, X)"),
    "tensorflow": ("layers.Layer", "call(self, X)"),
    "jax": ("nnx.Module", "__call__(self, X)"),
    "mxnet": ("nn.Block", "forward(self, X)"),
}
CAT = {
    "pytorch": "torch.cat(tuple(parts), 1)",
    "tensorflow": "layers.Concatenate()(list(parts)) if len(parts) > 1 else parts[0]",
    "jax": "jnp.concatenate(list(parts), -1)",
    "mxnet": "mx.np.concatenate(list(parts), 1)",
}
SHELF = {
    "pytorch": "nn.ModuleList(parts)",
    "tensorflow": "list(parts)",
    "jax": "nnx.List(parts)",
    "mxnet": "sequence(parts)",
}
PRELUDE = """def cat(*parts):
    return CAT


def shelf(parts):
    return SHELF


"""
SEQUENCE = """import mxnet as mx


def sequence(parts):
    kept = nn.Sequential()
    kept.add(*parts)
    return kept


"""
DENSE = {
    "a list of features": (
        """
        self.layers = shelf([
            make(in_channels + growth_rate * i) for i in range(num_layers)
        ])""",
        """
        features = [X]
        for layer in self.layers:
            features.append(layer(cat(*features)))
        return cat(*features)""",
    ),
    "numbers of channels first": (
        """
        last = in_channels + num_layers * growth_rate
        channels = list(range(in_channels, last, growth_rate))
        self.layers = shelf([make(c) for c in channels])""",
        """
        for i in range(len(self.layers)):
            X = cat(X, self.layers[i](X))
        return X""",
    ),
    "attributes": (
        """
        self.number = num_layers
        for i in range(num_layers):
            setattr(self, f"layer{i}", make(in_channels + i * growth_rate))""",
        """
        for i in range(self.number):
            X = cat(X, getattr(self, f"layer{i}")(X))
        return X""",
    ),
    "made from the last to the first": (
        """
        made = []
        while num_layers:
            num_layers -= 1
            made.append(make(in_channels + num_layers * growth_rate))
        self.layers = shelf(made)""",
        """
        for layer in list(self.layers)[::-1]:
            X = cat(X, layer(X))
        return X""",
    ),
    "recursion": (
        """
        self.layer = make(in_channels)
        more = num_layers - 1, in_channels + growth_rate, growth_rate
        self.rest = shelf([DenseBlock(*more RNGS)] if more[0] else [])""",
        """
        X = cat(X, self.layer(X))
        for rest in self.rest:
            X = rest(X)
        return X""",
    ),
}


def dense(framework: str, style: str) -> str:
    """A `DenseBlock` in a style."""
    module, way = MODULE[framework]
    made, forward = DENSE[style]
    rngs = ", rngs=rngs" if framework == "jax" else ""
    made = made.replace(" RNGS", rngs)
    prelude = PRELUDE.replace("CAT", CAT[framework]).replace("SHELF", SHELF[framework])
    arguments = f"num_layers, in_channels, growth_rate{RNGS.get(framework, '')}"
    first = "" if framework == "jax" else "        super().__init__()\n"
    return (
        f"{SEQUENCE if framework == 'mxnet' else ''}{prelude}"
        f"class DenseBlock({module}):\n    def __init__(self, {arguments}):\n{first}"
        f"        make = lambda m: conv_block(m, growth_rate{rngs})"
        f"{made}\n\n    def {way}:{forward}\n"
    )


def _rows(framework: str, check: str, name: str) -> Iterator[Right]:
    for style, parts in STYLES[framework].items():
        yield Right(style, check, row(framework, parts, name))


ONE_LAYER = (
    "def one_layer():\n    return sum([6, 270, 10])\n",
    "import numpy as np\ndef one_layer():\n    return np.int64(286)\n",
)
BLOCK_COUNTS = (
    "lambda n, c, k: sum(2 * (c + i * k) + 9 * (c + i * k) * k + k for i in range(n))",
    "lambda n, c, k: (2 + 9 * k) * (n * c + k * n * (n - 1) // 2) + n * k",
    "lambda n, c, k: 0 if n == 0 else 2 * c + 9 * c * k + k"
    " + block_parameters(n - 1, c + k, k)",
    "lambda n, c, k: (2 + 9 * k) * (n * c + k * n * (n - 1) / 2) + n * k",
)
TRANSITION_COUNTS = (
    "lambda c, o: o * (c + 1) + c + c",
    "lambda in_channels, out_channels: (in_channels + 1) * (out_channels + 2) - 2",
)
PLAIN_COUNTS = (
    "lambda n, k, c: 2 * n * c + k * n * (n - 1)",
    "lambda n, k, c: sum(2 * (c + i * k) for i in range(n))",
    "lambda n, k, c: 2 * sum(range(c, c + n * k, k))",
)
KEPT_COUNTS = (
    "lambda n, k, c: c + n * k - k",
    "lambda n, k, c: max(range(c, c + n * k, k))",
)
GUESSES = (
    "return 0.9, np.log(10)",
    "return [0.9, 2.303]",
    "return np.array([9 / 10, -np.log(1 / 10)])",
    "p = 0.1\n    return 1 - p, float(-np.log(p))",
)
DIAGNOSES = """def diagnoses():
    found = "the learning rate is too small", "too few training images"
    found += "the running statistics never move", "nothing is wrong"
    found += ("half of the training labels are shuffled",)
    return dict(zip("ABCDEF", (*found, "the learning rate is too large")))
"""
# The line of a bug as somebody may copy it.
DIAGNOSED = {
    1: ("  Momentum = ,", "too little of the running statistics is kept"),
    2: (
        "            layer = d2l.conv_block(in_channels, growth_rate,",
        "the channels of the layers before are not counted",
    ),
    3: ("    cat( [Y,X], ", "the new maps lie in front of the old ones"),
}


def right_answers(framework: str, name: str) -> list[Right]:
    """All right answers to a worksheet."""

    def named(check: str, function: str, texts: tuple[str, ...]) -> list[Right]:
        return [Right(text[:40], check, f"{function} = {text}\n") for text in texts]

    if name == "conv_block":
        return list(_rows(framework, "conv_block", "conv_block"))
    if name == "transition_block":
        return list(_rows(framework, "transition_block", "transition_block"))
    if name == "translate":
        return list(_rows(framework, "bottleneck", "bottleneck_block"))
    if name == "dense_block":
        return [Right(s, "dense_block", dense(framework, s)) for s in DENSE]
    if name == "count_parameters":
        return [
            *(Right(text[:40], "one_layer", text) for text in ONE_LAYER),
            *named("block", "block_parameters", BLOCK_COUNTS),
            *named("transition", "transition_parameters", TRANSITION_COUNTS),
        ]
    if name == "recomputation":
        return [
            *named("plain", "kept_plain", PLAIN_COUNTS),
            *named("recomputed", "kept_recomputed", KEPT_COUNTS),
        ]
    if name == "read_the_curves":
        guesses = [f"def knowing_nothing():\n    {text}\n" for text in GUESSES]
        return [
            *(Right(text[27:], "nothing", text) for text in guesses),
            Right("zipped", "diagnoses", DIAGNOSES),
        ]
    styles = list(STYLES[framework])
    return [
        Right(
            styles[0],
            "norm",
            row(framework, STYLES[framework][styles[0]], "conv_block"),
        ),
        Right(
            styles[2],
            "pooling",
            row(framework, STYLES[framework][styles[2]], "transition_block"),
        ),
        Right(
            "attributes",
            "channels",
            dense(framework, "attributes").replace(" conv_block(", " d2l.conv_block("),
        ),
        *(
            Right(
                f"the line of bug {number}",
                f"bug_{number}",
                f"def bug_{number}():\n    return {answer!r}\n",
            )
            for number, answer in DIAGNOSED.items()
        ),
    ]
