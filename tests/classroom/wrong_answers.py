"""Typical wrong answers to the worksheets: what is wrong, and what the check must say.

An answer is the solution with one text in the place of another. `same` has one for all
frameworks, in which `WORDS` stand for the frameworks' own; `each` one for every
framework, in the book's order, and None where there is no such answer. So it is with
what a check must say, where that is not one text.
"""

from typing import NamedTuple

from book.build.source import FRAMEWORKS

Edit = tuple[str, str]
WORDS = {
    "RELU": ("nn.ReLU()", "layers.ReLU()", "nnx.relu", 'nn.Activation("relu")'),
    "AVERAGE": (
        "nn.AvgPool2d",
        "layers.AveragePooling2D",
        "nnx.avg_pool",
        "nn.AvgPool2D",
    ),
    "MAXIMUM": ("nn.MaxPool2d", "layers.MaxPooling2D", "nnx.max_pool", "nn.MaxPool2D"),
    "PADDED": ("padding=1", 'padding="same"', "padding=1", "padding=1"),
    "NO_BIAS": ("bias=False", *["use_bias=False"] * 3),
    "(width)": ("(width)", "(width)", "(width, rngs=rngs)", "(width)"),
    "(growth_rate)": ("(growth_rate)", "(growth_rate)", "(growth_rate, rngs=rngs)")
    + ("(growth_rate)",),
    "JOINED": (
        "torch.cat((X, layer(X)), dim=1)",
        "ops.concatenate((X, layer(X)), axis=3)",
        "jnp.concatenate((X, layer(X)), axis=3)",
        "F.np.concatenate((X, layer(X)), axis=1)",
    ),
    "NEW": ("layer(X)",) * 4,
}


class Wrong(NamedTuple):
    """A wrong answer; `check` is the name of the check that tells it, by `says`."""

    name: str
    check: str
    says: dict[str, str]
    edits: dict[str, Edit]


def same(name: str, check: str, says: str | tuple[str, ...], *edit: str) -> Wrong:
    edits = []
    for texts in zip(*WORDS.values()):
        own = dict(zip(WORDS, texts))
        edits.append(tuple(_replaced(text, own) for text in edit))
    return each(name, check, says, *edits)


def _replaced(text: str, own: dict[str, str]) -> str:
    for word, new in own.items():
        text = text.replace(word, new)
    return text


def each(
    name: str, check: str, says: str | tuple[str, ...], *edits: Edit | None
) -> Wrong:
    texts = says if isinstance(says, tuple) else (says,) * len(FRAMEWORKS)
    return Wrong(
        name,
        check,
        dict(zip(FRAMEWORKS, texts, strict=True)),
        {f: edit for f, edit in zip(FRAMEWORKS, edits, strict=True) if edit},
    )


CONV_BLOCK = (
    same("adds the input", "shape", "C: not 15", "4, 12, 8", "4, 15, 8"),
    same("loses a border", "shape", "H: not 6; W: not 6", "12, 8, 8", "12, 6, 6"),
    same(
        "keeps a tenth",
        "statistics",
        "mean after 1: not 1.8",
        "0.9 * mean + 0.1",
        "0.1 * mean + 0.9",
    ),
    same("no ReLU", "conv_block", "no ReLU behind the batch norm", "RELU, ", ""),
    each(
        "no padding",
        "conv_block",
        "pads 0 pixels on every side, the reference 1",
        (", padding=1", ""),
        (', padding="same"', ""),
        ("padding=1", "padding=0"),
        ("padding=1,", ""),
    ),
    same(
        "convolution first",
        "conv_block",
        "the convolution comes before the batch norm",
        "norm, RELU, conv",
        "conv, batch_norm(growth_rate), RELU",
    ),
    same(
        "ReLU first",
        "conv_block",
        "your ReLU stands before the batch norm",
        "norm, RELU",
        "RELU, norm",
    ),
    each(
        "the framework's defaults",
        "conv_block",
        (
            "uses epsilon 1e-3, the reference 1e-5",
            "uses epsilon 1e-3, the reference 1e-5",
            "keeps 99 %",
            "uses epsilon 1e-3, the reference 1e-5",
        ),
        ("batch_norm(in_channels)", "nn.BatchNorm2d(in_channels, eps=1e-3)"),
        ("batch_norm(in_channels)", "layers.BatchNormalization()"),
        ("batch_norm(in_channels, rngs=rngs)", "nnx.BatchNorm(in_channels, rngs=rngs)"),
        (
            "batch_norm(in_channels)",
            "nn.BatchNorm(epsilon=1e-3, in_channels=in_channels)",
        ),
    ),
    each(
        "momentum means the contrary",
        "conv_block",
        "keeps 10 % of its running statistics, the reference 90 %",
        (
            "batch_norm(in_channels)",
            "batch_norm(in_channels)\n    norm.momentum = 0.9",
        ),
        (
            "batch_norm(in_channels)",
            "batch_norm(in_channels)\n    norm.momentum = 0.1",
        ),
        (
            "batch_norm(in_channels, rngs=rngs)",
            "batch_norm(in_channels, rngs=rngs)\n    norm.momentum = 0.1",
        ),
        (
            "batch_norm(in_channels)",
            "nn.BatchNorm(momentum=0.1, in_channels=in_channels)",
        ),
    ),
    each(
        "a kernel of 1 x 1",
        "conv_block",
        "1×1, the reference's 3×3",
        ("growth_rate, 3, padding=1", "growth_rate, 1"),
        ('growth_rate, 3, padding="same"', "growth_rate, 1"),
        ("(3, 3),\n        padding=1", "(1, 1)"),
        ("3, padding=1,", "1,"),
    ),
    same("no bias", "conv_block", "has no bias", "PADDED", "PADDED, NO_BIAS"),
    each(
        "as many channels as before",
        "conv_block",
        "makes 3 channels, the reference's 4",
        ("in_channels, growth_rate, 3", "in_channels, in_channels, 3"),
        ("growth_rate, 3", "in_channels, 3"),
        ("in_channels, growth_rate, (", "in_channels, in_channels, ("),
        ("growth_rate, 3", "in_channels, 3"),
    ),
)
DENSE_BLOCK = (
    same(
        "counts from 0",
        "channels",
        "layer 1 of DenseBlock(1, 3, 4): not 7",
        "(layer - 1)",
        "layer",
    ),
    same(
        "forgets the input",
        "channels",
        "output of DenseBlock(1, 3, 4): not 4",
        "return in_channels + num_layers",
        "return num_layers",
    ),
    same("the last ones", "untouched", "answer 1: not 20", "[0, 1, 2]", "[20, 21, 22]"),
    same(
        "new maps in front",
        "dense_block",
        "reads the features in reverse order",
        "(X, NEW)",
        "(NEW, X)",
    ),
    same(
        "nothing is kept",
        "dense_block",
        "reads only what the last layer made",
        "JOINED",
        "NEW",
    ),
    same(
        "channels stay",
        "dense_block",
        "the channels are not accumulated",
        "in_channels += growth_rate",
        "pass",
    ),
    each(
        "the wrong axis",
        "dense_block",
        ("lie on axis 1", "lie on axis 3", "lie on axis 3", "lie on axis 1"),
        ("dim=1", "dim=2"),
        ("axis=3", "axis=1"),
        ("axis=3", "axis=1"),
        ("axis=1", "axis=2"),
    ),
    same(
        "a layer short",
        "dense_block",
        "2 layers where num_layers asks for 3",
        "range(num_layers)",
        "range(num_layers - 1)",
    ),
    same("no return", "dense_block", "is there a `return`?", "return X", "X"),
    each(
        "new maps only",
        "dense_block",
        "without the block's input",
        ("return X", "return X[:, self.layers[0][0].num_features :]"),
        ("return X", "return X[..., self.layers[0].input_shape[-1] :]"),
        ("return X", "return X[..., self.layers[0].layers[0].num_features :]"),
        ("return X", "return F.npx.slice(X, begin=(None, 3), end=(None, None))"),
    ),
    each(
        "stuck in evaluation",
        "dense_block",
        "stuck in evaluation mode",
        ("layer(X))", "layer.eval()(X))"),
        ("layer(X))", "layer(X, training=False))"),
        (
            "for layer in self.layers:\n            X",
            "self.eval()\n        for layer in self.layers:\n            X",
        ),
        (
            "layer = conv_block(in_channels, growth_rate)",
            "layer = conv_block(in_channels, growth_rate)\n"
            "            layer[0]._kwargs['use_global_stats'] = True",
        ),
    ),
    same("a sum", "dense_block", "reads the sum of the features", "JOINED", "X + NEW"),
)
TRANSITION_BLOCK = (
    same("all channels stay", "shape", "side 8 2: not 96", "2, 48,", "2, 96,"),
    same(
        "rounds up",
        "shape",
        "side 7 3: not 4",
        "size // 2, size // 2",
        "(size + 1) // 2, (size + 1) // 2",
    ),
    same(
        "another function",
        "order",
        "same function: not False",
        "return True",
        "return False",
    ),
    same(
        "the order is forgotten",
        "order",
        "average first: not",
        "size = size // 2",
        "pass",
    ),
    same(
        "one pixel",
        "order",
        "convolution first: not 18432",
        "out_channels * size * size",
        "out_channels",
    ),
    same(
        "the maximum",
        "transition_block",
        "takes the maximum of 2×2 pixels, the reference their average",
        "AVERAGE",
        "MAXIMUM",
    ),
    same("no pooling", "transition_block", "does not pool", "conv, pool", "conv"),
    same("no ReLU", "transition_block", "no ReLU behind the batch norm", "RELU, ", ""),
    each(
        "a kernel of 3 x 3",
        "transition_block",
        "3×3, the reference's 1×1",
        ("out_channels, 1)", "out_channels, 3, padding=1)"),
        ("out_channels, 1)", 'out_channels, 3, padding="same")'),
        ("(1, 1)", "(3, 3)"),
        ("out_channels, 1,", "out_channels, 3, padding=1,"),
    ),
    each(
        "pooling by one pixel",
        "transition_block",
        "pools with stride 1",
        ("AvgPool2d(2)", "AvgPool2d(2, stride=1)"),
        ("AveragePooling2D(2)", "AveragePooling2D(2, strides=1)"),
        ("strides=(2, 2)", "strides=(1, 1)"),
        ("AvgPool2D(2)", "AvgPool2D(2, strides=1)"),
    ),
    each(
        "a step instead of an average",
        "transition_block",
        "keeps every second",
        ("conv, pool", "conv, nn.AvgPool2d(1, stride=2)"),
        ("conv, pool", "conv, layers.AveragePooling2D(1, strides=2)"),
        ("window_shape=(2, 2)", "window_shape=(1, 1)"),
        ("conv, pool", "conv, nn.AvgPool2D(1, strides=2)"),
    ),
    same(
        "no normalisation",
        "transition_block",
        "has no batch norm",
        "norm, RELU",
        "RELU",
    ),
)
COUNT_PARAMETERS = (
    same("no bias", "one_layer", "answer: not 276", " * 10 + 10", " * 10"),
    same("no normalisation", "one_layer", "answer: not 280", "2 * 3 + 9", "9"),
    same(
        "channels stay",
        "block",
        "the channels are not accumulated",
        "in_channels + i * growth_rate",
        "in_channels",
    ),
    same(
        "no biases",
        "block",
        "the biases of the convolutions are missing",
        "total += growth_rate",
        "pass",
    ),
    same(
        "no normalisation in the block",
        "block",
        "the batch norms are missing",
        "2 * m + 9 * m",
        "9 * m",
    ),
    same(
        "statistics are learnt",
        "block",
        "you count running statistics",
        "2 * m + 9",
        "4 * m + 9",
    ),
    same(
        "no bias in the transition",
        "transition",
        "the biases of the convolutions are missing",
        "out_channels + out_channels",
        "out_channels",
    ),
    same(
        "normalises what comes out",
        "transition",
        "it has in_channels, not out_channels",
        "2 * in_channels + conv",
        "2 * out_channels + conv",
    ),
    same(
        "the stem's kernel",
        "densenet",
        "the kernel of the stem is 7×7",
        "49 * in_channels",
        "9 * in_channels",
    ),
    same(
        "the stem's normalisation",
        "densenet",
        "the stem has a batch norm, too",
        "channels + channels\n    total += 2 * channels",
        "channels + channels",
    ),
    same(
        "the last normalisation",
        "densenet",
        "a last batch norm before the classifier",
        "total += 2 * channels\n    return",
        "return",
    ),
    same(
        "the classifier's biases",
        "densenet",
        "the classifier has a bias for each class",
        "(channels + 1) * num_classes",
        "channels * num_classes",
    ),
    same(
        "compression is forgotten",
        "densenet",
        "it differs by 861",
        "channels = kept",
        "pass",
    ),
    same(
        "the classifier",
        "largest",
        "answer: not 'classification'",
        "dense block 4",
        "classification",
    ),
)
FIND_THE_BUG = (
    same(
        "another line",
        "bug_2",
        "which line makes the symptom",
        "conv_block(in_channels, growth_rate",
        "for layer in self.layers:",
    ),
    same(
        "another cause",
        "bug_1",
        "that would show another symptom",
        "too little of the",
        "too much of the",
    ),
    same("no answer", "bug_3", "give two texts", "return line, cause", "return line"),
    each(
        "epsilon stays",
        "norm",
        "uses epsilon 1e-3, the reference 1e-5",
        ("eps=1e-5", "eps=1e-3"),
        ("epsilon=1e-5, ", ""),
        ("epsilon=1e-5", "epsilon=1e-3"),
        ("epsilon=1e-5", "epsilon=1e-3"),
    ),
    same(
        "one layer too far",
        "channels",
        "the channels are counted too far",
        "m = in_channels + m * growth_rate",
        "m = in_channels + (m + 1) * growth_rate",
    ),
    same(
        "the pile is lost",
        "pile",
        "reads only what the last layer made",
        "(X, Y)",
        "(Y,)",
    ),
    each(
        "no pooling at all",
        "pooling",
        "does not pool",
        (",\n        nn.AvgPool2d(2),", ","),
        ("        layers.AveragePooling2D(2),\n", ""),
        ("conv, pool)", "conv)"),
        ("conv, nn.AvgPool2D(2),", "conv,"),
    ),
    each(
        "an average in the stem",
        "stem",
        "your stem takes an average",
        ("nn.MaxPool2d", "nn.AvgPool2d"),
        None,  # the first message is about the border
        (
            "[conv, norm, nnx.relu, max_pool]",
            "[conv, norm, nnx.relu, partial(nnx.avg_pool, window_shape=(3, 3), "
            "strides=(2, 2), padding=((1, 1), (1, 1)))]",
        ),
        ("nn.MaxPool2D", "nn.AvgPool2D"),
    ),
)
TRANSLATE = (
    each(
        "momentum is copied",
        "words",
        ("momentum: not 0.9", *["momentum: not 0.1"] * 3),
        ('"momentum": 0.1', '"momentum": 0.9'),
        ('"momentum": 0.9', '"momentum": 0.1'),
        ('"momentum": 0.9', '"momentum": 0.1'),
        ('"momentum": 0.9', '"momentum": 0.1'),
    ),
    each(
        "the other layout",
        "words",
        tuple(f"channel axis: not {n}" for n in (3, 1, 1, 3)),
        ('axis": 1', 'axis": 3'),
        ('axis": 3', 'axis": 1'),
        ('axis": 3', 'axis": 1'),
        ('axis": 1', 'axis": 3'),
    ),
    each(
        "the other kernel",
        "words",
        tuple(
            f"kernel {n}" for n in ("1: not 3", "1: not 12", "3: not 12", "1: not 48")
        ),
        ("(12, 48, 3, 3)", "(3, 3, 48, 12)"),
        ("(3, 3, 48, 12)", "(12, 48, 3, 3)"),
        ("(3, 3, 48, 12)", "(3, 3, 12, 48)"),
        ("(12, 48, 3, 3)", "(48, 12, 3, 3)"),
    ),
    same(
        "a narrower one",
        "bottleneck",
        "conv1 makes 8 channels, the reference's 16",
        "width = 4 *",
        "width = 2 *",
    ),
    same(
        "one normalisation",
        "bottleneck",
        "has 1 batch norm and 2 convolutions",
        "batch_norm(width), RELU, ",
        "",
    ),
    same(
        "one ReLU",
        "bottleneck",
        "no ReLU behind the batch norm",
        "batch_norm(width), RELU, ",
        "batch_norm(width), ",
    ),
    each(
        "no padding",
        "bottleneck",
        "pads 0 pixels on every side",
        (", padding=1", ""),
        (', padding="same"', ""),
        ("padding=1", "padding=0"),
        ("padding=1, ", ""),
    ),
    each(
        "the wide kernel first",
        "bottleneck",
        "conv1 is 3×3, the reference's 1×1",
        (
            "width, 1)\n    conv = nn.Conv2d(width, growth_rate, 3, padding=1)",
            "width, 3, padding=1)\n    conv = nn.Conv2d(width, growth_rate, 1)",
        ),
        (
            'width, 1)\n    conv = layers.Conv2D(growth_rate, 3, padding="same")',
            'width, 3, padding="same")\n    conv = layers.Conv2D(growth_rate, 1)',
        ),
        (
            "width, (1, 1), rngs=rngs\n    )\n    conv = nnx.Conv(\n"
            "        width, growth_rate, (3, 3), padding=1",
            "width, (3, 3), padding=1, rngs=rngs\n    )\n    conv = nnx.Conv(\n"
            "        width, growth_rate, (1, 1)",
        ),
        (
            "width, 1, in_channels=in_channels)\n    conv = nn.Conv2D(\n"
            "        growth_rate, 3, padding=1",
            "width, 3, padding=1, in_channels=in_channels)\n    conv = nn.Conv2D(\n"
            "        growth_rate, 1",
        ),
    ),
    each(
        "defaults in place of numbers",
        "bottleneck",
        (
            "uses epsilon 1e-3, the reference 1e-5",
            "uses epsilon 1e-3, the reference 1e-5",
            "keeps 99 %",
            "uses epsilon 1e-3, the reference 1e-5",
        ),
        ("batch_norm(width)", "nn.BatchNorm2d(width, eps=1e-3)"),
        ("batch_norm(width)", "layers.BatchNormalization()"),
        ("batch_norm(width, rngs=rngs)", "nnx.BatchNorm(width, rngs=rngs)"),
        ("batch_norm(width)", "nn.BatchNorm(epsilon=1e-3, in_channels=width)"),
    ),
    each(
        "all the width goes out",
        "bottleneck",
        "conv2 makes 16 channels, the reference's 4",
        ("nn.Conv2d(width, growth_rate,", "nn.Conv2d(width, width,"),
        ("layers.Conv2D(growth_rate,", "layers.Conv2D(width,"),
        ("width, growth_rate, (", "width, width, ("),
        ("growth_rate, 3", "width, 3"),
    ),
)
RECOMPUTATION = (
    same(
        "kept once",
        "plain",
        "each layer keeps what it reads twice",
        "return 2 * read",
        "return read",
    ),
    same(
        "starts one late",
        "plain",
        "the first layer reads no more than in_channels",
        "+ layer * growth",
        "+ (layer + 1) * growth",
    ),
    same(
        "the features only",
        "plain",
        "these are the features",
        "return 2 * read",
        "return in_channels + num_layers * growth_rate",
    ),
    same(
        "the last layer's maps",
        "recomputed",
        "no layer of the block reads",
        "(num_layers - 1)",
        "num_layers",
    ),
    same(
        "the input is forgotten",
        "recomputed",
        "the block's input is read, too",
        "in_channels + made_and_read",
        "made_and_read",
    ),
    same(
        "still twice",
        "recomputed",
        "the features are kept once",
        "return in_channels + made_and_read",
        "return 2 * (in_channels + made_and_read)",
    ),
    same("both grow alike", "growth", "plain: not 2", "4, 2", "2, 2"),
    each(
        "nothing is computed twice",
        "block",
        "Nothing is computed twice here",
        (
            "checkpoint(\n                read, *features, use_reentrant=False\n"
            "            )",
            "read(*features)",
        ),
        ("keras.remat(read)(*features)", "read(*features)"),
        ("@nnx.remat\n", "\n"),
        None,  # MXNet does not tell what it keeps
    ),
    each(
        "statistics move twice, or not at all",
        "block",
        (
            "move twice in one step",
            "move twice in one step",
            "outputs differ",
            "move twice in one step",
        ),
        ("call=still_later(layer)", "call=layer"),
        ("call=still_later(layer)", "call=layer"),
        ("return layer(X)", "layer.eval()\n                return layer(X)"),
        (
            "Y = read_twice(layer, features)",
            "read_twice(layer, features)\n            Y = read_twice(layer, features)",
        ),
    ),
    each(
        "only the last maps are read",
        "block",
        (
            "reads only what the last layer made",
            "reads only what the last layer made",
            "cannot reshape",
            "Shape inconsistent",
        ),
        ("read, *features, use", "read, features[-1], use"),
        ("(read)(*features)", "(read)(features[-1])"),
        (
            "read(layer, *features)\n            ### END",
            "read(layer, features[-1])\n            ### END",
        ),
        ("(layer, features)", "(layer, features[-1:])"),
    ),
    each(
        "the pile is turned over",
        "block",
        (
            "reads the features in reverse order",
            "reads the features in reverse order",
            "outputs differ",
            "outputs differ",
        ),
        ("read, *features, use", "read, *features[::-1], use"),
        ("(read)(*features)", "(read)(*features[::-1])"),
        (
            "read(layer, *features)\n            ### END",
            "read(layer, *features[::-1])\n            ### END",
        ),
        ("(layer, features)", "(layer, features[::-1])"),
    ),
)
READ_THE_CURVES = (
    same("the right ones", "nothing", "error: not 0.1", "return 0.9,", "return 0.1,"),
    same(
        "another logarithm",
        "nothing",
        "loss: not 1.0",
        "-np.log(0.1)",
        "-np.log10(0.1)",
    ),
    same(
        "A is not F", "diagnoses", "curve A", "rate is too small", "rate is too large"
    ),
    same(
        "B is not wrong labels",
        "diagnoses",
        "curve B",
        "too few training images",
        "half of the training labels are shuffled",
    ),
    same(
        "C overfits",
        "diagnoses",
        "curve C",
        "the running statistics never move",
        "too few training images",
    ),
    same(
        "D overfits",
        "diagnoses",
        "curve D",
        "nothing is wrong",
        "too few training images",
    ),
    same(
        "E is too small",
        "diagnoses",
        "curve E",
        "half of the training labels are shuffled",
        "the network is too small",
    ),
    same(
        "F is not shuffled",
        "diagnoses",
        "curve F",
        "the learning rate is too large",
        "the batches are not shuffled",
    ),
    same(
        "no word on D",
        "diagnoses",
        "curve D: there is no answer yet",
        '        "D": "nothing is wrong",\n',
        "",
    ),
    same(
        "in other words",
        "diagnoses",
        "is none of the offered diagnoses",
        "too few training images",
        "overfitting",
    ),
    same(
        "a letter too many",
        "diagnoses",
        "there is no curve G",
        '"A": ',
        '"G": "nothing is wrong", "A": ',
    ),
)
WRONG: dict[str, tuple[Wrong, ...]] = {
    "conv_block": CONV_BLOCK,
    "count_parameters": COUNT_PARAMETERS,
    "dense_block": DENSE_BLOCK,
    "find_the_bug": FIND_THE_BUG,
    "read_the_curves": READ_THE_CURVES,
    "recomputation": RECOMPUTATION,
    "transition_block": TRANSITION_BLOCK,
    "translate": TRANSLATE,
}
