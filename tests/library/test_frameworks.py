"""Each framework module keeps the contract that all four share."""

import gc
import json
import logging
import os
import subprocess
import sys
import weakref

import numpy as np
import pytest
from frameworks import FRAMEWORKS, PACKAGES, d2l

from d2l_lite.networks.weights import WeightsError, metadata

needs_jax = pytest.mark.skipif("jax" not in FRAMEWORKS, reason="needs JAX")

# Stem: convolution 7·7·1·64 + 64, norm 2·64. A block of four layers that reads c
# channels: 290·(4c + 6·32) + 4·32 (the formula of chapters/dense_blocks.md). A
# transition c → c/2: norm 2c, convolution c·c/2 + c/2. Head: norm 2·248, 248·10 + 10.
BLOCKS = [290 * (4 * channels + 192) + 128 for channels in (64, 96, 112, 120)]
TRANSITIONS = [2 * c + c * (c // 2) + c // 2 for c in (192, 224, 240)]
PLAIN = 3200 + 128 + sum(BLOCKS) + sum(TRANSITIONS) + 496 + 2490


def test_hand_arithmetic_is_the_published_count():
    assert PLAIN == 758_226


def test_plain_network_has_758226_parameters(framework):
    assert framework.count_parameters(framework.build("densenet")) == PLAIN


def test_same_public_names():
    names = {name: set(d2l(name).__all__) for name in FRAMEWORKS}
    assert all(names[name] == names["pytorch"] for name in FRAMEWORKS)
    for name in FRAMEWORKS:
        assert all(hasattr(d2l(name), public) for public in names[name])


def test_a_processor_is_no_accelerator(framework):
    assert framework.backend.accelerator() == ""
    assert framework.backend.peak_memory() is None


def test_channels_are_counted_through(framework):
    weights = framework.get_weights(framework.build("densenet"))
    transitions = [
        array.shape[:2]
        for name, array in weights.items()
        if "transition" in name and array.ndim == 4
    ]
    assert transitions == [(96, 192), (112, 224), (120, 240)]


def test_names_are_those_of_torchvision(framework):
    names = list(framework.get_weights(framework.build("densenet")))
    assert names[:7] == [
        "features.conv0.weight",
        "features.conv0.bias",
        "features.norm0.weight",
        "features.norm0.bias",
        "features.norm0.running_mean",
        "features.norm0.running_var",
        "features.denseblock1.denselayer1.norm1.weight",
    ]
    assert "features.transition3.conv.bias" in names
    assert names[-3:] == [
        "features.norm5.running_var",
        "classifier.weight",
        "classifier.bias",
    ]


def test_parts_have_the_ends_of_those_names(framework):
    def names(part, *arguments):
        weights = framework.get_weights(framework.make(part, *arguments))
        return {name.rpartition(".")[0] for name in weights}

    assert names(framework.conv_block, 3, 4) == {"norm1", "conv1"}
    assert names(framework.transition_block, 4, 2) == {"norm", "conv"}
    layers = {f"denselayer{i}.{part}" for i in (1, 2) for part in ("norm1", "conv1")}
    assert names(framework.DenseBlock, 2, 3, 4) == layers


def test_wrong_weights_are_all_listed_and_none_is_set(framework):
    block = framework.make(framework.conv_block, 3, 4, seed=1)
    before = framework.get_weights(block)
    wrong = {name: array + 1 for name, array in before.items()}
    del wrong["norm1.bias"]
    wrong["conv1.weight"] = np.zeros((4, 2, 3, 3), np.float32)
    wrong["conv9.weight"] = np.zeros(7, np.float32)
    with pytest.raises(WeightsError) as error:
        framework.set_weights(block, wrong)
    assert str(error.value).splitlines()[1:] == [
        "  norm1.bias: missing, expected (3,)",
        "  conv1.weight: expected (4, 3, 3, 3), found (4, 2, 3, 3)",
        "  conv9.weight: not in this network, found (7,)",
    ]
    for name, array in framework.get_weights(block).items():
        np.testing.assert_array_equal(array, before[name], err_msg=name)


def test_first_weights_follow_the_rule(framework):
    weights = framework.get_weights(framework.build("densenet", seed=3))
    kernel = weights["features.denseblock4.denselayer4.conv1.weight"]
    # From n = 32·216·9 = 62,208 draws a variance has an error of about √(2/n) = 0.6 %.
    assert kernel.var() == pytest.approx(2 / (216 * 9), rel=0.03)
    assert abs(kernel.mean()) < 4 * np.sqrt(2 / (216 * 9) / kernel.size)
    assert not weights["classifier.bias"].any()
    assert (weights["features.norm5.weight"] == 1).all()
    assert (weights["features.norm5.running_var"] == 1).all()
    assert not weights["features.norm5.running_mean"].any()


def test_build_again_gives_the_same_network_and_another_seed_another(framework):
    first, again, other = (
        framework.get_weights(framework.build("densenet", seed=seed))
        for seed in (4, 4, 5)
    )
    assert all(np.array_equal(first[name], again[name]) for name in first)
    assert not np.array_equal(first["classifier.weight"], other["classifier.weight"])


def test_unknown_network_names_the_nearest(framework):
    with pytest.raises(
        ValueError, match=r"build\('densnet'\).*nearest names: densenet"
    ):
        framework.build("densnet")


@pytest.mark.parametrize(
    ("argument", "value"),
    [("in_channels", 0), ("num_classes", 1.5), ("in_channels", "1"), ("seed", -1)],
)
def test_bad_arguments_of_build(framework, argument, value):
    with pytest.raises(ValueError, match=rf"\({argument}={value!r}\): must be"):
        framework.build("densenet", **{argument: value})


@pytest.mark.parametrize(
    ("shape", "message"),
    [
        ((1, 32, 32), r"shape \(1, 32, 32\): must be N×C×H×W"),
        ((0, 1, 32, 32), r"shape \(0, 1, 32, 32\): must be N×C×H×W with N at least 1"),
        ((2, 3, 32, 32), "3 channels: the model reads 1"),
        # (28 + 1) / 2 = 14, 7, then 3, 1 and 0 pixels; 29 gives 15, 8, 4, 2, 1.
        ((2, 1, 28, 28), "28×28 pixels: 3 transitions need at least 29×29"),
    ],
)
def test_images_that_do_not_fit(framework, shape, message):
    net = framework.build("densenet")
    with pytest.raises(ValueError, match=f"^predict: images of {message}"):
        framework.predict(net, np.ones(shape, np.float32))


def test_the_smallest_images_and_any_precision(framework):
    net = framework.build("densenet")
    images = np.random.default_rng(0).integers(256, size=(1, 1, 29, 29), dtype=np.uint8)
    logits = framework.predict(net, images)
    assert np.isfinite(logits).all()
    np.testing.assert_array_equal(logits, framework.predict(net, images.astype(float)))


def test_labels_beyond_the_classes(framework):
    net = framework.build("densenet", num_classes=5)
    images, labels = np.ones((2, 1, 32, 32), np.float32), np.array([0, 5])
    message = "labels from 0 to 5: the network has 5 classes, 0 to 4"
    with pytest.raises(ValueError, match=f"^loss_and_gradients: {message}"):
        framework.loss_and_gradients(net, images, labels)
    step = framework.Trainer(max_epochs=1).prepare(net)
    with pytest.raises(ValueError, match=f"^Trainer.fit: {message}"):
        step(images, labels, 0.1)


@pytest.mark.parametrize(
    "labels", [[1], [0.0, 1.0], np.zeros((2, 1), int), np.array(["0", "1"])]
)
def test_labels_that_are_not_one_integer_per_image(framework, labels):
    net = framework.build("densenet", growth_rate=4, block_config=(1,))
    before = framework.get_weights(net)
    with pytest.raises(ValueError, match="must be 2 integers, one per image"):
        framework.loss_and_gradients(net, np.ones((2, 1, 32, 32)), labels)
    for name, array in framework.get_weights(net).items():
        np.testing.assert_array_equal(array, before[name], err_msg=name)


def test_labels_of_any_integer_type(framework):
    net = framework.build("densenet", growth_rate=4, block_config=(1,))
    images = np.ones((2, 1, 32, 32), np.float32)
    expected, _ = framework.loss_and_gradients(net, images, np.array([0, 1]))
    for labels in ([0, 1], np.array([0, 1], np.int32), np.array([0, 1], np.uint8)):
        assert framework.loss_and_gradients(net, images, labels)[0] == expected


def test_evaluation_refuses_what_training_refuses(framework):
    net = framework.build("densenet")
    data = framework.FashionMNIST(scale="quick", resize=(28, 28)).test.take(10)
    with pytest.raises(ValueError, match="28×28 pixels"):
        framework.Trainer(max_epochs=1).evaluate(net, data)


def test_a_transition_alone_has_a_smallest_image(framework):
    block = framework.make(framework.transition_block, 2, 2)
    maps = framework.predict(block, np.ones((1, 2, 2, 2), np.float32))
    assert maps.shape == (1, 2, 1, 1)
    with pytest.raises(ValueError, match="1 transition needs at least 2×2"):
        framework.predict(block, np.ones((1, 2, 1, 1), np.float32))


def test_networks_for_small_images_take_four_pixels(framework):
    """No stem that pools: two transitions bring 4 pixels down to 2 and 1."""
    net = framework.build("densenet-bc-40-12", growth_rate=2, block_config=(1, 1, 1))
    assert framework.predict(net, np.ones((1, 3, 4, 4), np.float32)).shape == (1, 10)
    with pytest.raises(ValueError, match="need at least 4×4"):
        framework.predict(net, np.ones((1, 3, 3, 4), np.float32))


def test_dropout_travels_with_the_weights(framework, tmp_path):
    changes = {"growth_rate": 2, "block_config": (1,)}
    net = framework.build("densenet", dropout=0.25, **changes)
    framework.save(net, tmp_path / "net.safetensors")
    assert metadata(tmp_path / "net.safetensors")["arguments"]["dropout"] == 0.25
    again = framework.load(tmp_path / "net.safetensors")
    framework.save(again, tmp_path / "again.safetensors")
    assert metadata(tmp_path / "again.safetensors")["arguments"]["dropout"] == 0.25


def test_a_file_is_loaded_memory_efficient(framework, tmp_path):
    net = framework.build("densenet", growth_rate=2, block_config=(2,))
    framework.save(net, tmp_path / "net.safetensors")
    again = framework.load(tmp_path / "net.safetensors", memory_efficient=True)
    (block,) = [
        part
        for part in framework.backend.children(again.features)
        if isinstance(part, framework.DenseBlock)
    ]
    assert block.memory_efficient
    with pytest.raises(ValueError, match=r"^load\(memory_efficient='yes'\)"):
        framework.load(tmp_path / "net.safetensors", memory_efficient="yes")


@needs_jax
def test_a_block_of_flax_draws_from_the_stream_that_it_is_given():
    from flax import nnx

    d2l_jax = d2l("jax")

    def block():
        return d2l_jax.DenseBlock(2, 3, 4, rngs=nnx.Rngs(7))

    first, second, compiled = (make() for make in (block, block, nnx.jit(block)))
    expected = d2l_jax.get_weights(first)
    for name, array in d2l_jax.get_weights(second).items():
        np.testing.assert_array_equal(array, expected[name], err_msg=name)
    for name, array in d2l_jax.get_weights(compiled).items():
        np.testing.assert_allclose(array, expected[name], atol=1e-6, err_msg=name)
    with pytest.raises(TypeError, match="rngs"):
        d2l_jax.DenseBlock(2, 3, 4)


@needs_jax
def test_a_clone_in_flax_outlives_the_training_of_its_original():
    """It shares arrays with the original, so a step must not write into them."""
    from flax import nnx

    d2l_jax = d2l("jax")
    net = d2l_jax.build("densenet", growth_rate=2, block_config=(1,))
    clone, images = nnx.clone(net), np.ones((2, 1, 32, 32), np.float32)
    before = d2l_jax.predict(clone, images)
    d2l_jax.Trainer(max_epochs=1).prepare(net)(images, np.array([0, 1]), 0.1)
    np.testing.assert_array_equal(d2l_jax.predict(clone, images), before)


@needs_jax
def test_networks_of_one_shape_are_compiled_once():
    """JAX compares what is compiled by its parts: each part must equal its like."""
    from flax import nnx

    definitions = {
        nnx.split(d2l("jax").build("densenet121", seed=seed))[0] for seed in (1, 2)
    }
    assert len(definitions) == 1


def test_images_go_in_and_out_as_channels_first(framework):
    images = np.arange(2 * 3 * 4 * 5, dtype=np.float32).reshape(2, 3, 4, 5)
    np.testing.assert_array_equal(
        framework.to_numpy(framework.to_tensor(images)), images
    )


def test_predict_takes_any_number_and_leaves_the_model_alone(framework):
    block = framework.make(framework.conv_block, 1, 2)
    before = framework.get_weights(block)
    images = np.random.default_rng(0).standard_normal((257, 1, 4, 4), np.float32)
    maps = framework.predict(block, images)
    assert maps.shape == (257, 2, 4, 4)
    alone = framework.predict(block, images[256:])
    np.testing.assert_allclose(maps[256:], alone, rtol=1e-5, atol=1e-6)
    for name, array in framework.get_weights(block).items():
        np.testing.assert_array_equal(array, before[name], err_msg=name)


@pytest.mark.parametrize("module", ["d2l_lite", *(f"d2l_lite.{n}" for n in FRAMEWORKS)])
def test_a_module_imports_no_other_framework_and_nothing_that_draws(module):
    own = PACKAGES.get(module.rpartition(".")[2], "numpy")
    others = [package for package in PACKAGES.values() if package != own]
    others += ["matplotlib", "IPython", "PIL.Image", "unittest.mock"]
    # What the framework imports (Keras looks for JAX) is not the library's doing.
    framework = "flax.nnx" if own == "jax" else own
    code = (
        f"import sys, d2l_lite.numpy_aliases, {framework}; before = set(sys.modules); "
        f"import {module}; new = set(sys.modules) - before; "
        f"print([package for package in {others} if package in new])"
    )
    result = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True
    )
    assert result.stdout.strip() == "[]"


@pytest.mark.parametrize("name", FRAMEWORKS)
def test_import_joins_nobody_and_sets_nothing(name):
    """Of hosts that do not answer it would wait for ever; `devices.provide` joins."""
    cluster = {"worker": ["localhost:1", "localhost:2"]}
    hosts = {
        "TF_CONFIG": json.dumps(
            {"cluster": cluster, "task": {"type": "worker", "index": 1}}
        ),
        "JAX_COORDINATOR_ADDRESS": "localhost:1",
        "JAX_NUM_PROCESSES": "2",
        "JAX_PROCESS_ID": "1",
    }
    framework = "flax.nnx, optax" if name == "jax" else PACKAGES[name]
    state = "(dict(os.environ), random.getstate(), logging.root.handlers[:])"
    code = (
        "import logging, os, random, d2l_lite.numpy_aliases, "
        f"{framework}; before = {state}; import d2l_lite.{name}; "
        f"assert {state} == before"
    )
    if name == "jax":
        code += "; import jax; assert jax.config.jax_compilation_cache_dir is None"
    environment = os.environ | hosts
    environment.pop("JAX_COMPILATION_CACHE_DIR", None)
    subprocess.run([sys.executable, "-c", code], env=environment, check=True)


@needs_jax
@pytest.mark.parametrize(
    "given, kept", [(None, True), ("", False), ("/elsewhere", False)]
)
def test_programs_are_kept_unless_told_where(given, kept, tmp_path, monkeypatch):
    import jax

    from d2l_lite.devices.jax_mesh import keep_programs

    name = "jax_compilation_cache_dir"
    before = getattr(jax.config, name)
    try:
        for folder in ("cache", "file/cache"):
            # Below a file no folder can be made, and nothing is said of it.
            (tmp_path / "file").touch()
            monkeypatch.setenv("D2L_LITE_CACHE", str(tmp_path / folder))
            jax.config.update(name, given)
            keep_programs()
            expected = given
            if kept and folder == "cache":
                expected = str(tmp_path / folder / "jax")
            assert getattr(jax.config, name) == expected
        assert (tmp_path / "cache" / "jax").exists() == kept
    finally:
        jax.config.update(name, before)


# --- predictions from graphs, which TensorFlow and MXNet keep with a model --------

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
                module.predict(net, images[:3])
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
