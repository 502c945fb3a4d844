"""Predictions from graphs: they follow the model, and do not keep it alive."""

import gc
import logging
import weakref

import numpy as np
import pytest
from frameworks import FRAMEWORKS, d2l

SMALL = {"growth_rate": 4, "block_config": (2, 2), "init_features": 8}
IMAGES = np.random.default_rng(0).standard_normal((3, 1, 32, 32)).astype(np.float32)


@pytest.fixture(params=[name for name in ("tensorflow", "mxnet") if name in FRAMEWORKS])
def module(request):
    return d2l(request.param)


def test_predictions_follow_new_weights(module):
    net = module.build("densenet", **SMALL)
    first = module.predict(net, IMAGES)
    module.initialize(net, seed=1)
    other = module.predict(module.build("densenet", seed=1, **SMALL), IMAGES)
    np.testing.assert_allclose(module.predict(net, IMAGES), other, rtol=0, atol=1e-6)
    assert np.abs(other - first).max() > 1e-3


@pytest.mark.skipif("mxnet" not in FRAMEWORKS, reason="MXNet is not installed")
def test_predictions_follow_a_new_layer():
    """Keras allows none in a network that is built."""
    module = d2l("mxnet")
    net = module.build("densenet", **SMALL)
    module.predict(net, IMAGES)
    net.classifier = module.build("densenet", seed=1, **SMALL).classifier
    weights = module.get_weights(net)
    found = module.predict(net, IMAGES)
    fresh = module.build("densenet", **SMALL)
    module.set_weights(fresh, weights)
    expected = module.predict(fresh, IMAGES)
    np.testing.assert_allclose(found, expected, rtol=0, atol=1e-6)


def test_images_of_any_number_and_size(module):
    net = module.build("densenet", **SMALL)
    alone = module.predict(net, IMAGES[:1, :, :28, :24])
    together = module.predict(net, IMAGES[:, :, :28, :24])
    np.testing.assert_allclose(together[:1], alone, rtol=0, atol=1e-5)


def test_a_model_that_has_predicted_can_go(module):
    net = module.build("densenet", **SMALL)
    module.predict(net, IMAGES)
    there = weakref.ref(net)
    del net
    gc.collect()
    assert there() is None


def test_predictions_between_steps_change_no_training(module):
    """oneDNN leaves weights that it predicts with in a layout of its own."""
    images = np.random.default_rng(0).standard_normal((16, 1, 32, 32), np.float32)

    def trained(predicts: bool):
        net = module.build("densenet")
        step = module.Trainer(max_epochs=1).prepare(net)
        for _ in range(3):
            step(images, np.arange(16) % 10, 0.1)
            if predicts:
                module.predict(net, images)
        return module.get_weights(net)

    without = trained(predicts=False)
    for name, array in trained(predicts=True).items():
        np.testing.assert_array_equal(array, without[name], name)


@pytest.mark.skipif("tensorflow" not in FRAMEWORKS, reason="no TensorFlow")
def test_tensorflow_does_not_complain_of_many_models():
    """It does of one function that is traced again and again."""
    module, told = d2l("tensorflow"), []
    handler = logging.Handler(logging.WARNING)
    handler.emit = told.append
    logging.getLogger("tensorflow").addHandler(handler)
    try:
        for seed in range(8):
            module.predict(module.build("densenet", seed=seed, **SMALL), IMAGES)
    finally:
        logging.getLogger("tensorflow").removeHandler(handler)
    assert told == []
