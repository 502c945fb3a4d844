"""`load` with other classes and channels than the file's."""

from importlib import import_module

import numpy as np
import pytest

from d2l_lite.networks.weights import WeightsError

FRAMEWORKS = ["pytorch", "tensorflow", "jax", "mxnet"]
SMALL = {"block_config": (1,), "init_features": 4, "growth_rate": 2}


@pytest.mark.parametrize("framework", FRAMEWORKS)
def test_new_head_and_gray_stem(framework, tmp_path, capsys):
    d2l = import_module(f"d2l_lite.{framework}")
    path = tmp_path / "net.safetensors"
    old = d2l.build("densenet-bc-100-12", **SMALL)
    d2l.save(old, path)
    gray = d2l.load(path, num_classes=5, in_channels=1, seed=3)
    assert capsys.readouterr().out == (
        "A new classifier of 5 classes, from seed 3; it had 10.\n"
    )
    before, after = d2l.get_weights(old), d2l.get_weights(gray)
    head, inputs = after["classifier.weight"], before["classifier.weight"].shape[1]
    drawn = np.random.default_rng(3).standard_normal((5, inputs), dtype=np.float32)
    np.testing.assert_array_equal(head, drawn * np.float32(np.sqrt(2 / inputs)))
    assert not after["classifier.bias"].any()
    stem = "features.conv0.weight"
    np.testing.assert_array_equal(after[stem], before[stem].sum(axis=1, keepdims=True))
    for name in before.keys() - {"classifier.weight", "classifier.bias", stem}:
        np.testing.assert_array_equal(after[name], before[name])
    # A gray image gives what it gave as three equal channels.
    X = np.random.default_rng(0).random((2, 1, 32, 32), dtype=np.float32)
    same = d2l.load(path, num_classes=10, in_channels=1)
    assert capsys.readouterr().out == ""
    expected = d2l.predict(old, X.repeat(3, axis=1))
    np.testing.assert_allclose(d2l.predict(same, X), expected, rtol=1e-4, atol=1e-5)
    with pytest.raises(WeightsError, match="only 3 channels can be made 1"):
        d2l.load(path, in_channels=2)
    for wrong in ({"num_classes": 0}, {"in_channels": 1.5}, {"seed": -1}):
        with pytest.raises(ValueError, match=next(iter(wrong))):
            d2l.load(path, **wrong)
