"""`heat_map` is Grad-CAM by its definition, and the same in the four frameworks."""

import numpy as np
import pytest
from frameworks import FRAMEWORKS, d2l
from torch.nn import functional as F

CHANGES = {"block_config": (2, 1), "growth_rate": 4, "init_features": 6}
NETWORKS = {
    "small": CHANGES | {"small_inputs": True, "in_channels": 3},
    "strided": CHANGES | {"bottleneck": True, "bias": True},
}


def image(channels):
    rng = np.random.default_rng(4)
    return rng.normal(size=(channels, 36, 44)).astype(np.float32)


def network(framework, name):
    return d2l(framework).build("densenet", seed=6, **NETWORKS[name])


def grad_cam(net, image, label):
    """Selvaraju et al. 2017, equations 1 and 2, with hooks on the last ReLU."""
    import torch

    kept = {}

    def keep(module, inputs, output):
        kept["maps"] = output
        output.register_hook(lambda gradient: kept.update(gradient=gradient))

    net.eval()
    handle = net.features[-3].register_forward_hook(keep)
    net(torch.from_numpy(image[None]))[0, label].backward()
    handle.remove()
    weight = kept["gradient"].mean(dim=(2, 3), keepdim=True)
    heat = F.relu((weight * kept["maps"]).sum(dim=1, keepdim=True))
    heat = F.interpolate(heat, image.shape[1:], mode="bilinear")
    return (heat / heat.max())[0, 0].detach().numpy()


@pytest.mark.parametrize("name", NETWORKS)
def test_it_is_grad_cam_everywhere(name):
    picture = image(NETWORKS[name].get("in_channels", 1))
    for label in (0, 7):
        expected = grad_cam(network("pytorch", name), picture, label)
        assert expected.max() == 1
        for framework in FRAMEWORKS:
            net = network(framework, name)
            before = d2l(framework).get_weights(net)
            found = d2l(framework).heat_map(net, picture, label)
            assert found.dtype == np.float32
            np.testing.assert_allclose(found, expected, atol=2e-5, err_msg=framework)
            for key, array in d2l(framework).get_weights(net).items():
                np.testing.assert_array_equal(array, before[key])


def test_without_a_label_it_is_that_of_the_predicted_class():
    module, net, picture = d2l("pytorch"), network("pytorch", "small"), image(3)
    label = int(module.predict(net, picture[None]).argmax())
    expected = module.heat_map(net, picture, label)
    np.testing.assert_array_equal(module.heat_map(net, picture), expected)


def test_no_evidence_is_zero_everywhere():
    module, net = d2l("pytorch"), network("pytorch", "small")
    weights = module.get_weights(net)
    weights["classifier.weight"][3] = -1
    module.set_weights(net, weights)
    assert not module.heat_map(net, image(3), 3).any()


@pytest.mark.parametrize(
    "picture, label, message",
    [
        (image(3)[None], 0, r"an image of \(1, 3, 36, 44\): must be C×H×W"),
        (image(1), 0, "images of 1 channels: the model reads 3"),
        (image(3), 10, r"heat_map\(label=10\)"),
    ],
)
def test_bad_input(picture, label, message):
    with pytest.raises(ValueError, match=message):
        d2l("pytorch").heat_map(network("pytorch", "small"), picture, label)
