"""Typical wrong answers, and what each one is told."""

from typing import NamedTuple

from edits import (
    ALWAYS,
    CONV_FIRST,
    CUT,
    DROPOUT,
    EPSILON,
    FIRST_ONLY,
    LARGE_KERNEL,
    LAST_ONLY,
    NO_BIAS,
    PADDED,
    RELU_FIRST,
    RETURN,
    SAME_CHANNELS,
    SAME_STEM,
    SMALL_KERNEL,
    STRIDE,
    STUCK,
    SUM,
    UNPADDED,
    WIDE,
    WITHOUT_INPUT,
    Edits,
    activation,
    called,
    each,
    everywhere,
    joined,
    keep,
    pooled,
)


class Mistake(NamedTuple):
    """A wrong answer.

    Attributes:
        name: for the test's id.
        task: of `check`.
        message: how the first message begins.
        edits: by framework; nothing where a framework does not allow the mistake.
    """

    name: str
    task: str
    message: str
    edits: dict[str, Edits]


READS = "denselayer2 is made for 3 channels, but reads 7."
MISTAKES = (
    Mistake(
        "epsilon",
        "conv_block",
        "your batch norm uses epsilon 1e-3, the reference 1e-5: outputs differ by ",
        EPSILON,
    ),
    Mistake(
        "epsilon",
        "dense_block",
        "your batch norm uses epsilon 1e-3, the reference 1e-5: outputs differ by ",
        EPSILON,
    ),
    Mistake(
        "decay",
        "dense_block",
        "your batch norm keeps 99 % of its running statistics, the reference 90 %: "
        "they differ by ",
        keep("0.01", "0.99", "0.99", "0.99"),
    ),
    Mistake(
        "convention",
        "conv_block",
        "your batch norm keeps 10 % of its running statistics, the reference 90 %: "
        "they differ by ",
        keep("0.9", "0.1", "0.1", "0.1"),
    ),
    Mistake(
        "no relu",
        "conv_block",
        "your code has no ReLU behind the batch norm: outputs differ by ",
        activation("", "", "", ""),
    ),
    *(
        Mistake(
            "relu6",
            task,
            "your code has a ReLU6 behind the batch norm where the reference has a "
            "ReLU: outputs differ by ",
            activation(
                "nn.ReLU6()",
                "layers.ReLU(max_value=6)",
                "nnx.relu6",
                "nn.HybridLambda(lambda F, X: F.np.clip(X, 0, 6))",
            ),
        )
        for task in ("conv_block", "transition_block", "bottleneck_block")
    ),
    Mistake(
        "leaky",
        "dense_block",
        "your code has a leaky ReLU of slope 0.1 behind the batch norm where the "
        "reference has a ReLU: outputs differ by ",
        activation(
            "nn.LeakyReLU(0.1)",
            "layers.LeakyReLU(negative_slope=0.1)",
            "lambda X: nnx.leaky_relu(X, 0.1)",
            "nn.LeakyReLU(0.1)",
        ),
    ),
    Mistake(
        "sigmoid",
        "conv_block",
        "your code has a sigmoid behind the batch norm where the reference has a "
        "ReLU: outputs differ by ",
        activation(
            "nn.Sigmoid()",
            'layers.Activation("sigmoid")',
            "nnx.sigmoid",
            'nn.Activation("sigmoid")',
        ),
    ),
    Mistake(
        "relu first",
        "dense_block",
        "your ReLU stands before the batch norm, the reference's behind: outputs "
        "differ by ",
        RELU_FIRST,
    ),
    Mistake(
        "conv first",
        "conv_block",
        "in your block the convolution comes before the batch norm",
        CONV_FIRST,
    ),
    Mistake(
        "conv first",
        "dense_block",
        "in your block the convolution comes before the batch norm",
        CONV_FIRST,
    ),
    Mistake(
        "unpadded",
        "conv_block",
        "your convolution pads 0 pixels on every side, the reference 1 pixel on "
        "every side. ",
        UNPADDED,
    ),
    Mistake(
        "unpadded",
        "dense_block",
        "your convolution pads 0 pixels on every side, the reference 1 pixel on "
        "every side (in denselayer1.conv1). ",
        UNPADDED,
    ),
    Mistake(
        "stride",
        "conv_block",
        "your convolution has stride 2, the reference 1",
        STRIDE,
    ),
    Mistake(
        "kernel 1",
        "dense_block",
        "your convolution denselayer1.conv1 is 1×1, the reference's 3×3",
        SMALL_KERNEL,
    ),
    Mistake(
        "kernel 5",
        "conv_block",
        "your convolution conv1 is 5×5, the reference's 3×3",
        LARGE_KERNEL,
    ),
    Mistake(
        "no bias",
        "conv_block",
        "your convolution conv1 has no bias, the reference has one",
        NO_BIAS,
    ),
    Mistake(
        "reversed",
        "dense_block",
        "denselayer2 reads the features in reverse order, [Y, X] where the reference "
        "has [X, Y]: outputs differ by ",
        everywhere(("[X, Y]", "[Y, X]")),
    ),
    Mistake(
        "not accumulated",
        "dense_block",
        f"the channels are not accumulated: {READS}",
        SAME_CHANNELS,
    ),
    Mistake(
        "first only",
        "dense_block",
        "denselayer2 reads only the block's input",
        FIRST_ONLY,
    ),
    Mistake(
        "last only",
        "dense_block",
        "denselayer2 reads only what the last layer made, without the features "
        "before it",
        LAST_ONLY,
    ),
    Mistake(
        "sum",
        "dense_block",
        "denselayer2 reads the sum of the features; the reference lays them side by "
        "side",
        SUM,
    ),
    Mistake(
        "without input",
        "dense_block",
        "your block returns the new features without the block's input",
        WITHOUT_INPUT,
    ),
    Mistake(
        "one too few",
        "dense_block",
        "your block has 2 layers where num_layers asks for 3",
        everywhere(("range(num_layers)", "range(num_layers - 1)")),
    ),
    Mistake(
        "one too many",
        "dense_block",
        "your block has 4 layers where num_layers asks for 3",
        everywhere(("range(num_layers)", "range(num_layers + 1)")),
    ),
    Mistake(
        "no return",
        "dense_block",
        "your block returns None when it is called: is there a `return`?",
        RETURN,
    ),
    Mistake(
        "returns a list",
        "dense_block",
        "your block returns a list of 2 parts when it is called, not one tensor",
        joined("JOIN\n        return [X, Y]"),
    ),
    Mistake(
        "stuck in evaluation",
        "dense_block",
        "your batch norm is stuck in evaluation mode: it normalises by the running "
        "statistics in training mode, too: outputs differ by ",
        STUCK,
    ),
    Mistake(
        "stuck in training",
        "dense_block",
        "your batch norm is stuck in training mode: it normalises by the batch in "
        "evaluation mode, too: outputs differ by ",
        ALWAYS,
    ),
    Mistake(
        "detached",
        "dense_block",
        "on the way back the gradient by denselayer2.conv1.",
        CUT,
    ),
    Mistake(
        "dropout",
        "conv_block",
        "in training mode your block makes something else of the same input each time",
        DROPOUT,
    ),
    Mistake(
        "raises",
        "dense_block",
        "your code raises ZeroDivisionError: division by zero (in line ",
        called("1 / 0"),
    ),
    Mistake(
        "maximum",
        "transition_block",
        "your transition takes the maximum of 2×2 pixels, the reference their "
        "average: outputs differ by ",
        pooled(
            "nn.MaxPool2d(2)",
            "layers.MaxPooling2D(2)",
            "partial(nnx.max_pool, window_shape=(2, 2), strides=(2, 2))",
            "nn.MaxPool2D(2)",
        ),
    ),
    Mistake(
        "no pooling",
        "transition_block",
        "your transition does not pool, the reference takes the average of 2×2 pixels",
        pooled("", "", "", ""),
    ),
    Mistake(
        "pooling pads",
        "transition_block",
        "your transition pools an odd last column, too, the reference takes",
        pooled(
            "nn.AvgPool2d(2, ceil_mode=True)",
            'layers.AveragePooling2D(2, padding="same")',
            None,
            "nn.AvgPool2D(2, ceil_mode=True)",
        ),
    ),
    Mistake(
        "kernel 3",
        "transition_block",
        "your convolution conv is 3×3, the reference's 1×1",
        WIDE,
    ),
    Mistake(
        "padded",
        "transition_block",
        "your convolution pads 1 pixel on every side, the reference 0 pixels on "
        "every side. ",
        PADDED,
    ),
    Mistake(
        "no relu",
        "transition_block",
        "your code has no ReLU behind the batch norm: outputs differ by ",
        activation("", "", "", ""),
    ),
    Mistake(
        "one stage wrong",
        "bottleneck_block",
        "your convolution conv1 makes 8 channels, the reference's 16",
        everywhere(("channels = 4 * growth_rate", "channels = 2 * growth_rate")),
    ),
    Mistake(
        "restarted",
        "densenet",
        "the channels are not counted through the network: ",
        everywhere(("channels //= 2", "channels = init_features")),
    ),
    Mistake(
        "softmax",
        "densenet",
        "your network ends with a softmax, the reference with logits: outputs differ "
        "by ",
        each(
            (
                "        return self.classifier(X)",
                "        return self.classifier(X).softmax(1)",
            ),
            (
                "        return self.classifier(X)",
                "        return keras.ops.softmax(self.classifier(X))",
            ),
            (
                "        return self.classifier(X)",
                "        return nnx.softmax(self.classifier(X))",
            ),
            (
                "        return self.classifier(X)",
                "        return F.npx.softmax(self.classifier(X))",
            ),
        ),
    ),
    Mistake(
        "same in the stem",
        "densenet",
        "your convolution pads by “same”, 2 pixels before and 3 behind, the "
        "reference 3 pixels on every side (in conv0): outputs differ by ",
        SAME_STEM,
    ),
)
