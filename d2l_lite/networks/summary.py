"""A network's stages, after Table 1 of the paper, by arithmetic alone."""

from math import prod
from typing import NamedTuple

from d2l_lite.checks import check_integer, check_size
from d2l_lite.networks import zoo
from d2l_lite.networks.input_checks import check_pixels

Size = int | tuple[int, int]


class Stage(NamedTuple):
    """One row of the table.

    Attributes:
        name: "convolution", "pooling", "dense block 1", "transition 1", ...,
            "classification".
        channels: how many it puts out; of the classification, the classes.
        size: pixels of a side of its output, (height, width) if images have them so.
        parameters: trainable ones. A normalisation in front of a convolution or of
            the classifier counts with it, that of the stem with its convolution.
        multiply_adds: of its convolutions or its classifier, for one image.
    """

    name: str
    channels: int
    size: Size
    parameters: int
    multiply_adds: int


class Kept(NamedTuple):
    """What a stage keeps of one image for the backward pass, in bytes.

    Attributes:
        name: as in `Stage`.
        plain: of the plain network.
        recomputed: with `memory_efficient=True`.
    """

    name: str
    plain: int
    recomputed: int


def stages(name: str, size: Size, **changes: object) -> list[Stage]:
    """The stages of a network of the zoo for images of `size`, from stem to classifier.

    No framework is needed and no array made: they follow from the arguments, as in
    Table 1 of Huang et al., "Densely Connected Convolutional Networks" (CVPR 2017).
    Explained in chapters/densenet_zoo.md.

    Args:
        name: a network of the zoo.
        size: pixels of a side of the images, or (height, width).
        changes: arguments of `DenseNet` that replace the network's.

    Raises:
        ValueError: an unknown name or argument, a value out of its range, or images
            too small for the network.
    """
    call = f"stages({name!r}, size={size!r})"
    square = not isinstance(size, (tuple, list))
    if square:
        check_integer(size, 1, None, call)
        pixels = (size, size)
    else:
        check_size(size, call)
        pixels = tuple(size)
    given = zoo.arguments(name, "stages", **changes)
    config, bias = given["block_config"], given["bias"]
    pools = not given["small_inputs"]
    check_pixels(*pixels, len(config) - 1, pools, call)

    rows = []

    def add(stage: str, channels: int, parameters: int, multiply_adds: int) -> None:
        shown = pixels[0] if square else pixels
        rows.append(Stage(stage, channels, shown, parameters, multiply_adds))

    channels = given["init_features"]
    weights = given["in_channels"] * channels * (7 if pools else 3) ** 2
    parameters = weights + bias * channels
    if pools:
        # Stride 2 rounds up, in the convolution and in the pooling.
        pixels = _halved(pixels, up=1)
        add("convolution", channels, parameters + 2 * channels, weights * prod(pixels))
        pixels = _halved(pixels, up=1)
        add("pooling", channels, 0, 0)
    else:
        add("convolution", channels, parameters, weights * prod(pixels))
    for number, num_layers in enumerate(config, start=1):
        if number > 1:
            kept = int(channels * given["compression"])
            parameters, weights = _units([(channels, kept, 1)], bias)
            multiply_adds = weights * prod(pixels)
            channels, pixels = kept, _halved(pixels)
            add(f"transition {number - 1}", channels, parameters, multiply_adds)
        units = []
        for _ in range(num_layers):
            units += _layer(channels, given["growth_rate"], given["bottleneck"])
            channels += given["growth_rate"]
        parameters, weights = _units(units, bias)
        add(f"dense block {number}", channels, parameters, weights * prod(pixels))
    pixels, classes = (1, 1), given["num_classes"]
    parameters = 2 * channels + (channels + 1) * classes
    add("classification", classes, parameters, channels * classes)
    return rows


def kept_for_backward(name: str, size: Size, **changes: object) -> list[Kept]:
    """The bytes that a network's stages keep of one image for the backward pass.

    Counted is what some derivative needs, in float32, an array once however many need
    it. These are the rules of chapters/memory.md:

    - a convolution and the classifier keep what they read, the first one the images;
    - a normalisation keeps what it reads: in a dense layer or a transition that is a
      concatenation, a copy of its own;
    - ReLU keeps what it puts out, which the next convolution or average reads;
    - max pooling keeps a place, dropout a factor, for each number that it puts out;
    - average pooling and concatenation keep nothing.

    With `memory_efficient=True` a dense block reads again: instead of all that its
    layers' first convolutions and the normalisations in front have read, it keeps the
    features that are read there, its input and what each layer but the last puts out
    (Pleiss et al., "Memory-Efficient Implementation of DenseNets", 2017).

    Not counted: weights, their gradients and the optimizer's state, a normalisation's
    statistics, the loss, and what exists only for a moment: a step's peak is higher.
    PyTorch also keeps what average pooling reads, and notes a place in eight bytes.

    Args:
        name: a network of the zoo.
        size: pixels of a side of the images, or (height, width).
        changes: arguments of `DenseNet` that replace the network's; whatever
            `memory_efficient` is, both are counted.

    Raises:
        ValueError: as `stages` does.
    """
    given = zoo.arguments(name, "kept_for_backward", **changes)
    rows = stages(name, size, **changes)
    growth, drops = given["growth_rate"], given["dropout"] > 0
    # Beside what is read again: a bottleneck's second normalisation and convolution
    # read, and dropout's masks of both convolutions.
    inner = (8 + 4 * drops) * growth if given["bottleneck"] else 0
    inner += drops * growth
    found = []
    read, area = given["in_channels"], _area(size)
    for stage in rows:
        made, area_made = stage.channels, _area(stage.size)
        again = 0
        if stage.name == "convolution":
            behind = 0 if given["small_inputs"] else 2 * made * area_made
            kept = read * area + behind
        elif stage.name == "pooling":
            kept = made * area_made
        elif stage.name.startswith("transition"):
            kept = (2 * read + drops * made) * area
        elif stage.name == "classification":
            kept = (2 * area + 1) * read
        else:
            widths = range(read, made, growth)
            always = len(widths) * inner
            kept = (2 * sum(widths) + always) * area
            again = (widths[-1] + always) * area
        found.append(Kept(stage.name, 4 * kept, 4 * (again or kept)))
        read, area = made, area_made
    return found


def _layer(read: int, growth: int, bottleneck: bool) -> list[tuple[int, int, int]]:
    """A dense layer's convolutions: channels read, channels made, kernel size."""
    if bottleneck:
        return [(read, 4 * growth, 1), (4 * growth, growth, 3)]
    return [(read, growth, 3)]


def _units(units: list[tuple[int, int, int]], bias: bool) -> tuple[int, int]:
    """Parameters of convolutions behind their normalisations; their weights alone."""
    weights = sum(read * made * kernel**2 for read, made, kernel in units)
    return weights + sum(2 * read + bias * made for read, made, _ in units), weights


def _area(size: Size) -> int:
    return prod(size) if isinstance(size, (tuple, list)) else size**2


def _halved(pixels: tuple[int, int], up: int = 0) -> tuple[int, int]:
    height, width = pixels
    return (height + up) // 2, (width + up) // 2
