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
    PADDED,
    RELU_FIRST,
    SAME_STEM,
    STRIDE,
    UNPADDED,
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


MISTAKES = (
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
        for task in ("conv_block", "transition_block")
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
        "dense_block",
        "in your block the convolution comes before the batch norm",
        CONV_FIRST,
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
        "kernel 5",
        "conv_block",
        "your convolution conv1 is 5×5, the reference's 3×3",
        LARGE_KERNEL,
    ),
    Mistake(
        "first only",
        "dense_block",
        "denselayer2 reads only the block's input",
        FIRST_ONLY,
    ),
    Mistake(
        "one too many",
        "dense_block",
        "your block has 4 layers where num_layers asks for 3",
        everywhere(("range(num_layers)", "range(num_layers + 1)")),
    ),
    Mistake(
        "returns a list",
        "dense_block",
        "your block returns a list of 2 parts when it is called, not one tensor",
        joined("JOIN\n        return [X, Y]"),
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
        "padded",
        "transition_block",
        "your convolution pads 1 pixel on every side, the reference 0 pixels on "
        "every side. ",
        PADDED,
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
