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
EPSILON = "The frameworks' defaults differ, so write it out (chapter “Dense Blocks”)."
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
    "A block adds growth_rate channels for each of its layers, a transition halves "
    "them; what follows is made for what is then there (chapter “The Full Network”)."
)
