"""Checkpoints of other projects, each computed once more from its own names."""

import numpy as np
import pytest
import torch
from torch.nn import functional as F

from d2l_lite.networks import checkpoints, weights
from tests.frameworks import d2l

CONFIG, GROWTH, STEM, CLASSES = (2, 3, 1), 3, 6, 5


class Names:
    """Where a project keeps a layer; blocks and layers are counted from 1 here."""

    stem, stem_norm, head = "features.conv0", "features.norm0", "classifier"
    layer = "features.denseblock{}.denselayer{}"
    kept = ("norm1", "conv1", "norm2", "conv2")
    transition = ("features.transition{}.norm", "features.transition{}.conv")
    last, first, newest_first = "features.norm5", 1, False


class Monai(Names):
    kept = ("layers.norm1", "layers.conv1", "layers.norm2", "layers.conv2")
    head = "class_layers.out"


class Gpleiss(Names):
    stem_norm, last = None, "features.norm_final"
    kept = ("norm.1", "conv.1", "norm.2", "conv.2")


class Bamos(Names):
    stem, stem_norm, head, last, first = "conv1", None, "fc", "bn1", 0
    layer, kept = "dense{}.{}", ("bn1", "conv1", "bn2", "conv2")
    transition = ("trans{}.bn1", "trans{}.conv1")


class BamosPlain(Bamos):
    kept = ("bn1", "conv1")


class Veit(Bamos):
    layer = "block{}.layer.{}"


class Kuangliu(Bamos):
    transition = ("trans{}.bn", "trans{}.conv")
    head, last, newest_first = "linear", "bn", True


PROJECTS = {
    "torchvision": Names,
    "MONAI": Monai,
    "efficient_densenet_pytorch": Gpleiss,
    "densenet-pytorch": Veit,
    "densenet-pytorch, bamos": Bamos,
    "densenet-pytorch, bamos, basic": BamosPlain,
    "pytorch-cifar": Kuangliu,
}


def project(names):
    """A network's state, drawn while it computes, and the logits of two images."""
    generator = torch.Generator().manual_seed(3)
    state = {}

    def drawn(name, *shape):
        # float32 numbers, so that nothing is lost in the file.
        values = torch.rand(shape, generator=generator) + 0.1
        state[name] = values if name.endswith("var") else values - 0.6
        return state[name].double()

    def norm(x, name):
        arrays = ("running_mean", "running_var", "weight", "bias")
        mean, var, scale, shift = (drawn(f"{name}.{a}", x.shape[1]) for a in arrays)
        state[f"{name}.num_batches_tracked"] = torch.tensor(7)
        return F.relu(F.batch_norm(x, mean, var, scale, shift))

    def conv(x, name, channels, size, **options):
        weight = drawn(f"{name}.weight", channels, x.shape[1], size, size)
        return F.conv2d(x, weight, padding=size // 2, **options)

    images = torch.randn(2, 3, 32, 32, generator=generator)
    if names.stem_norm:
        x = norm(conv(images.double(), names.stem, STEM, 7, stride=2), names.stem_norm)
        x = F.max_pool2d(x, 3, 2, 1)
    else:
        x = conv(images.double(), names.stem, STEM, 3)
    for block, num_layers in enumerate(CONFIG, start=1):
        for number in range(num_layers):
            layer = names.layer.format(block, number + names.first)
            parts = [f"{layer}.{part}" for part in names.kept]
            new = x
            if len(parts) == 4:
                new = conv(norm(new, parts.pop(0)), parts.pop(0), 4 * GROWTH, 1)
            new = conv(norm(new, parts[0]), parts[1], GROWTH, 3)
            x = torch.cat([new, x] if names.newest_first else [x, new], 1)
        if block < len(CONFIG):
            before, after = (name.format(block) for name in names.transition)
            x = F.avg_pool2d(conv(norm(x, before), after, x.shape[1] // 2, 1), 2)
    x = norm(x, names.last).mean((2, 3))
    weight = drawn(f"{names.head}.weight", CLASSES, x.shape[1])
    return state, images, F.linear(x, weight, drawn(f"{names.head}.bias", CLASSES))


def difference(path, images, logits):
    net = d2l("pytorch").load(path).double().eval()
    with torch.no_grad():
        return (net(images.double()) - logits).abs().max() / logits.abs().max()


@pytest.fixture
def converted(tmp_path):
    def convert(state, **options):
        torch.save(state, tmp_path / "in.pth")
        out = tmp_path / "out"
        return out, checkpoints.convert(tmp_path / "in.pth", out, **options)[1]

    return convert


@pytest.mark.parametrize("named", PROJECTS)
@pytest.mark.parametrize("prefix", ["", "module.net."])
def test_the_logits_are_the_projects_own(converted, named, prefix):
    state, images, logits = project(PROJECTS[named])
    state = {prefix + name: tensor for name, tensor in state.items()}
    out, metadata = converted({"state_dict": state, "epoch": 3})
    assert metadata["layout"].split(" (")[0] == named.split(",")[0]
    assert ("reordered" in metadata["layout"]) == (named == "pytorch-cifar")
    assert metadata["entry"] == ("state_dict.net" if prefix else "state_dict")
    assert difference(out, images, logits) < 1e-12


def test_a_head_without_bias_and_buffers_of_the_network(converted):
    state, images, logits = project(Monai)
    bias = state.pop("class_layers.out.bias")
    buffers = {"op_threshs": torch.full((CLASSES,), np.nan)}
    buffers["criterion.pos_weight"] = torch.ones(CLASSES)
    out, metadata = converted(state | buffers)
    assert metadata["left"] == "op_threshs, criterion.pos_weight"
    assert metadata["head"] == "class_layers.out (without bias: zeros)"
    assert difference(out, images, logits - bias) < 1e-12


def test_what_no_network_of_the_book_computes(converted):
    state, _, _ = project(Names)
    layer = "features.denseblock1.denselayer2"
    flat = "features.transition_layer_0.down_sample.0.weight"
    body = {n: t for n, t in state.items() if not n.startswith("classifier")}
    with pytest.raises(weights.WeightsError, match="without a last layer: add class"):
        converted(body)
    with pytest.raises(weights.WeightsError, match="it has classifier.weight_orig"):
        converted(body | {"classifier.weight_orig": state["classifier.weight"]})
    for changes, reason in {
        (f"{layer}.conv2.weight", (3, 12, 3, 3, 3)): f"{layer}.conv2, with weights of "
        "3×12×3×3×3, is no layer of the book's DenseNet",
        (f"{layer}.se.fc1.weight", (1, 3)): f"{layer}.se.fc1, with weights of 1×3, is ",
        (f"{layer}.conv1.bias", (4 * GROWTH,)): f"{layer}.conv1.bias: not in this net",
        (flat, (9,)): "as in pytorch-cifar100, its transitions have no ReLU: no",
    }.items():
        name, shape = changes
        extra = {name: torch.zeros(shape)}
        with pytest.raises(weights.WeightsError) as error:
            converted(extra if name == flat else state | extra)
        assert reason in str(error.value)
