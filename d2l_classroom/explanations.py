"""Sentences that say why something matters, or where the book explains it."""

ORDER = "A layer is batch norm, then ReLU, then convolution (chapter “Dense Blocks”)."
LAID = (
    "A dense layer reads all features before it, and new ones are laid behind the old "
    "(chapter “Dense Blocks”)."
)
SUMMED = (
    "A residual network adds, a dense one keeps (chapter “From ResNet to DenseNet”)."
)
POOLED = (
    "A transition averages 2×2 pixels; the maximum would leave three of four without "
    "gradient (chapter “Transition Layers”)."
)
HALVED = (
    "A transition averages 2×2 pixels, and drops an odd row or column (chapter "
    "“Transition Layers”)."
)
STEM = "The stem is drawn up in the chapter “The Full Network”."
EPSILON = "Four frameworks, four defaults: say it aloud (chapter “Dense Blocks”)."
MODES = (
    "Training normalises by the batch, evaluation by the running statistics "
    "(chapter “Dense Blocks”)."
)
PADDING = (
    "A 3×3 kernel needs one pixel of padding on every side, a 7×7 kernel three; “same” "
    "with a stride is something else (chapter “Four Frameworks, One Function”)."
)
LOGITS = "The loss takes logits and applies the softmax itself (chapter “Training”)."
NOT_COUNTED = "the channels are not counted through the network"
THROUGH = (
    "After a block they are the block's input plus num_layers * growth_rate, after a "
    "transition half of that (chapter “The Full Network”)."
)
