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
# What a worksheet says about its predictions, by the name in its call of `compare`.
REASONS = {
    "shape of a layer": (
        "A layer makes growth_rate channels, and its border of zeros keeps height "
        "and width."
    ),
    "statistics": (
        "Nine tenths of the old value stay, one tenth of the batch's comes in."
    ),
    "one layer": (
        "The batch norm has a scale and a shift per channel, the convolution a "
        "kernel for each pair of channels and a bias for each channel that it "
        "makes."
    ),
    "largest": (
        "A layer's kernel has a weight for each channel that it reads, and later "
        "blocks read more."
    ),
    "channels": (
        "Every layer reads what the block was given and what the layers before it "
        "have made."
    ),
    "untouched": "New maps are laid behind those that were read.",
    "knowing nothing": (
        "One guess in ten is right; every class has the same probability, and the "
        "logarithm is the natural one."
    ),
    "growth": (
        "Features grow with the number of layers; copies of them grow with its square."
    ),
    "shape of a transition": (
        "The convolution decides the channels; the average takes two rows for one "
        "and drops what is left over."
    ),
    "order": (
        "Both are sums, so their order is free. Each pixel is multiplied by a "
        "matrix; the average leaves a quarter."
    ),
    "words": (
        "Share of the old or of the new, channels first or last: frameworks "
        "differ in both."
    ),
}
