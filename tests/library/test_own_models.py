"""What people do to a model before the library gets it, and while it reads it."""

import threading

import numpy as np
import pytest
from frameworks import FRAMEWORKS, d2l

from d2l_lite.networks.weights import WeightsError

SMALL = {"growth_rate": 2, "block_config": (1, 1), "init_features": 4}
RNG = np.random.default_rng(0)
IMAGES = RNG.standard_normal((4, 1, 16, 16)).astype(np.float32)
LABELS = np.array([3, 0, 9, 3])
# Stem 4·49 + 4 + 2·4; layer of 4 channels 2·4 + 18·4 + 2; transition 2·6 + 6·3 + 3;
# layer of 3; norm 2·5 and head 5·10 + 10.
COUNT = 208 + 82 + 33 + 62 + 10 + 60
needs = {
    name: pytest.mark.skipif(name not in FRAMEWORKS, reason=f"needs {name}")
    for name in ("pytorch", "tensorflow", "jax", "mxnet")
}


class Data:
    """The images as both sets of a training, in batches of at most what is asked."""

    labels = LABELS

    def __init__(self, images=IMAGES):
        self.images, self.labels = images, LABELS[: len(images)]
        self.train = self.validation = self

    def __len__(self):
        return len(self.images)

    def batches(self, size, **_):
        yield self.images[:size], self.labels[:size]


def name_of(framework):
    return framework.backend.framework


def same(found, expected):
    assert found.keys() == expected.keys()
    for name, array in found.items():
        np.testing.assert_array_equal(array, expected[name], err_msg=name)


# --- reading leaves a model alone -------------------------------------------------


@pytest.mark.parametrize("efficient", [False, True])
def test_threads_read_a_model_at_the_same_time(framework, efficient):
    options = {"memory_efficient": efficient} | SMALL
    net, other = (framework.build("densenet", **options) for _ in range(2))
    if name_of(framework) in ("pytorch", "jax"):
        net.train()
    if name_of(framework) == "pytorch":
        net.features[1].eval()  # a batch norm that its owner has frozen
        modes = [module.training for module in net.modules()]
    before, trainer = framework.get_weights(net), framework.Trainer(max_epochs=1)
    tasks = [
        lambda net: framework.predict(net, IMAGES),
        lambda net: framework.predict(net, -IMAGES),
        lambda net: framework.loss_and_gradients(net, IMAGES, LABELS)[0],
        lambda net: framework.loss_and_gradients(net, -IMAGES, LABELS)[0],
        lambda net: trainer.evaluate(net, Data()),
    ]
    expected, wrong = [task(other) for task in tasks], []

    def work(first):
        for number in [*range(first, 5), *range(first)] * 3:
            try:
                found = tasks[number](net)
                np.testing.assert_allclose(found, expected[number], atol=1e-5)
            except BaseException as error:
                wrong.append(error)

    threads = [threading.Thread(target=work, args=(i,)) for i in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not wrong
    same(framework.get_weights(net), before)
    if name_of(framework) == "jax":
        assert not net.features.layers[1].use_running_average
    if name_of(framework) == "pytorch":
        assert [module.training for module in net.modules()] == modes
        assert all(parameter.grad is None for parameter in net.parameters())


@needs["pytorch"]
def test_hooks_and_locks_stay_their_owners():
    module, calls = d2l("pytorch"), []

    class Watch:
        lock = threading.Lock()

        def __init__(self):
            self.seen, self.own = 0, threading.Lock()

        def see(self, *_):
            self.seen += 1

    net, watch = module.build("densenet", **SMALL).train(), Watch()
    net.watch = watch
    net.features.register_forward_hook(watch.see)
    net.features.register_forward_pre_hook(lambda *_: calls.append(1))
    module.predict(net, IMAGES)
    module.loss_and_gradients(net, IMAGES, LABELS)
    assert watch.seen == len(calls) == 2


# --- every array has a name, or is refused ----------------------------------------


def with_head(framework, *kinds):
    """A network with a head of these layers: (plain one's features, own classifier)."""
    net, name = framework.build("densenet", **SMALL), name_of(framework)
    if name == "pytorch":
        from torch import nn

        made = {"dropout": nn.Dropout, "linear": nn.Linear}
        sizes = {"dropout": (0.5,), "linear": (5, 10)}
        net.classifier = nn.Sequential(*(made[k](*sizes[k]) for k in kinds))
    elif name == "tensorflow":
        import keras

        made = {
            "dropout": (keras.layers.Dropout, 0.5),
            "linear": (keras.layers.Dense, 10),
        }
        parts = [made[kind][0](made[kind][1]) for kind in kinds]

        class Headed(keras.Model):
            def __init__(self, features):
                super().__init__()
                self.features = features
                self.classifier = keras.Sequential([keras.Input((5,)), *parts])

            def call(self, X):
                return self.classifier(self.features(X))

        net = Headed(net.features)
    elif name == "jax":
        from flax import nnx

        rngs = nnx.Rngs(0)
        made = {
            "dropout": lambda: nnx.Dropout(0.5, rngs=rngs),
            "linear": lambda: nnx.Linear(5, 10, rngs=rngs),
        }
        net.classifier = nnx.Sequential(*(made[kind]() for kind in kinds))
    else:
        from mxnet.gluon import Block, nn

        head = nn.HybridSequential()
        made = {"dropout": (nn.Dropout, 0.5), "linear": (nn.Dense, 10)}
        for kind in kinds:
            head.add(made[kind][0](made[kind][1]))
        head.initialize()
        head(framework.to_tensor(np.ones((1, 5), np.float32)))

        class Headed(Block):
            def __init__(self, features):
                super().__init__()
                self.features, self.classifier = features, head

            def forward(self, X):
                return self.classifier(self.features(X))

        net = Headed(net.features)
    return net


def test_a_head_of_several_layers_is_counted_and_trained(framework, tmp_path):
    net = with_head(framework, "dropout", "linear")
    assert framework.count_parameters(net) == COUNT
    framework.initialize(net, seed=3)
    found = framework.get_weights(net)
    assert list(found)[-2:] == ["classifier.1.weight", "classifier.1.bias"]
    plain = framework.build("densenet", **SMALL)
    names = framework.get_weights(plain)
    framework.set_weights(plain, dict(zip(names, found.values())))
    expected = framework.predict(plain, IMAGES)
    np.testing.assert_allclose(framework.predict(net, IMAGES), expected, atol=1e-6)
    with pytest.raises(ValueError, match="labels from 0 to 10: the network has 10"):
        framework.loss_and_gradients(net, IMAGES, LABELS + [0, 0, 1, 0])
    if name_of(framework) != "jax":  # which would compile for long
        framework.Trainer(max_epochs=1, progress="none").fit(net, Data())
        moved = framework.get_weights(net)["classifier.1.weight"]
        assert not np.array_equal(moved, found["classifier.1.weight"])
    with pytest.raises(WeightsError, match=r"no classifier\.weight"):
        framework.save(net, tmp_path / "net.safetensors")
    assert not list(tmp_path.iterdir())


def with_extra(framework):
    """A network with an array beside those of its layers, and what its name is."""
    net, name = framework.build("densenet", **SMALL), name_of(framework)
    if name == "pytorch":
        import torch

        net.register_parameter("temperature", torch.nn.Parameter(torch.ones(1)))
    elif name == "tensorflow":
        net.classifier.enable_lora(2)
        return net, "lora_kernel_a"
    elif name == "jax":
        from flax import nnx

        net.temperature = nnx.Param(np.ones(1))
    else:
        net.params.get("temperature", shape=(1,), init="ones")
        net.collect_params().initialize()
    return net, "temperature"


@pytest.mark.filterwarnings("ignore:Parameter")
def test_an_array_without_a_name_is_refused(framework, tmp_path):
    net, name = with_extra(framework)
    trainer = framework.Trainer(max_epochs=1, progress="none")
    for read in (
        framework.count_parameters,
        framework.get_weights,
        lambda net: framework.set_weights(net, {}),
        lambda net: framework.save(net, tmp_path / "net.safetensors"),
        lambda net: framework.loss_and_gradients(net, IMAGES, LABELS),
        lambda net: trainer.fit(net, Data()),
    ):
        with pytest.raises(WeightsError, match=f"(?s)arrays without a name:.*{name}"):
            read(net)
    assert framework.predict(net, IMAGES).shape == (4, 10)


@needs["pytorch"]
def test_wrappers_are_looked_through(tmp_path):
    import torch
    import torch.distributed as dist
    from torch import nn

    module = d2l("pytorch")
    dist.init_process_group("gloo", store=dist.HashStore(), rank=0, world_size=1)
    try:
        for wrap in (
            nn.DataParallel,
            nn.parallel.DistributedDataParallel,
            torch.optim.swa_utils.AveragedModel,
            lambda net: torch.compile(nn.DataParallel(net), backend="eager"),
        ):
            net = module.build("densenet", **SMALL)
            wrapped, before = wrap(net), module.get_weights(net)
            assert module.count_parameters(wrapped) == COUNT
            same(module.get_weights(wrapped), before)
            expected = module.predict(net, IMAGES)
            np.testing.assert_array_equal(module.predict(wrapped, IMAGES), expected)
            module.save(wrapped, tmp_path / "net.safetensors")
            same(module.get_weights(module.load(tmp_path / "net.safetensors")), before)
            step = module.Trainer(max_epochs=1).prepare(wrapped)
            step(IMAGES, LABELS, 0.1)
            moved = module.get_weights(wrapped)["classifier.weight"]
            assert not np.array_equal(moved, before["classifier.weight"])
            with pytest.raises(ValueError, match="Trainer.fit: labels"):
                module.backend.training_check(wrapped, "Trainer.fit")(
                    IMAGES, 9 + LABELS
                )
        net = module.build("densenet", **SMALL)
        net.features = nn.DataParallel(net.features)
        same(module.get_weights(net), before)
    finally:
        dist.destroy_process_group()


@needs["pytorch"]
def test_torchvisions_own_classes_and_what_hides_weights(tmp_path):
    import torch
    from torch import nn
    from torch.nn.utils import parametrizations

    module = d2l("pytorch")

    class _DenseBlock(nn.ModuleDict):
        pass

    class _DenseLayer(nn.Module):
        def __init__(self, channels):
            super().__init__()
            self.norm1, self.relu1 = nn.BatchNorm2d(channels), nn.ReLU()
            self.conv1 = nn.Conv2d(channels, 8, 1, bias=False)
            self.norm2, self.relu2 = nn.BatchNorm2d(8), nn.ReLU()
            self.conv2 = nn.Conv2d(8, 2, 3, padding=1, bias=False)

    class _Transition(nn.Sequential):
        def __init__(self, channels):
            super().__init__()
            self.norm, self.relu = nn.BatchNorm2d(channels), nn.ReLU()
            self.conv = nn.Conv2d(channels, channels // 2, 1, bias=False)
            self.pool = nn.AvgPool2d(2, 2)

    net = nn.Module()
    net.features = nn.Sequential()
    net.features.add_module("conv0", nn.Conv2d(3, 4, 7, 2, 3, bias=False))
    net.features.add_module("norm0", nn.BatchNorm2d(4))
    net.features.add_module("relu0", nn.ReLU())
    net.features.add_module("pool0", nn.MaxPool2d(3, 2, 1))
    for block, channels in ((1, 4), (2, 4)):
        layers = {f"denselayer{i}": _DenseLayer(channels + 2 * i - 2) for i in (1, 2)}
        net.features.add_module(f"denseblock{block}", _DenseBlock(layers))
        if block == 1:
            net.features.add_module("transition1", _Transition(8))
    net.features.add_module("norm5", nn.BatchNorm2d(8))
    net.classifier = nn.Linear(8, 10)
    theirs = [n for n in net.state_dict() if not n.endswith("num_batches_tracked")]
    assert list(module.get_weights(net)) == theirs
    assert module.count_parameters(net) == sum(p.numel() for p in net.parameters())
    changes = {"growth_rate": 2, "init_features": 4, "block_config": (2, 2)}
    ours = module.build(
        "densenet", bottleneck=True, bias=False, in_channels=3, **changes
    )
    module.set_weights(ours, module.get_weights(net))

    parametrizations.weight_norm(net.classifier)
    with pytest.raises(WeightsError, match="classifier.parametrizations.weight.orig"):
        module.get_weights(net)
    tied = module.build("densenet", **SMALL)
    tied.features[1].weight = tied.features[1].bias
    with pytest.raises(WeightsError, match="norm0.weight: the same array as .*bias"):
        module.get_weights(tied)
    # A file that `load` would not read is not written.
    net = module.build("densenet", **SMALL)
    net.classifier = torch.nn.Linear(5, 10, bias=False)
    with pytest.raises(WeightsError, match="classifier.bias: missing"):
        module.save(net, tmp_path / "net.safetensors")


# --- frozen layers ----------------------------------------------------------------


def freeze(framework, part):
    name = name_of(framework)
    if name == "pytorch":
        part.requires_grad_(False)
    elif name == "tensorflow":
        part.trainable = False
    elif name == "mxnet":
        part.collect_params().setattr("grad_req", "null")
    else:
        from flax import nnx

        for path, _ in nnx.state(part, nnx.Param).flat_state():
            *to, last = path
            owner = part
            for key in to:
                owner = owner[key] if isinstance(key, int) else getattr(owner, key)
            setattr(owner, last, nnx.Variable(getattr(owner, last).value))


def test_frozen_layers_stay_and_the_others_follow_the_rule(framework):
    """One step by hand: w − rate · (g + decay · w), for what is not frozen."""
    net = framework.build("densenet", **SMALL)
    for layer in framework.backend.children(net.features)[:5]:
        if framework.backend.kind(layer):
            freeze(framework, layer)  # conv0 and norm0
    assert framework.count_parameters(net) == COUNT - 208
    before = framework.get_weights(net)
    loss, gradients = framework.loss_and_gradients(net, IMAGES, LABELS)
    parameters = {name for name in before if "running" not in name}
    frozen = {name for name in parameters if name[9:14] in ("conv0", "norm0")}
    assert gradients.keys() == parameters - frozen and len(frozen) == 4

    trainer = framework.Trainer(max_epochs=1, nesterov=False, weight_decay=0.5)
    step = trainer.prepare(net)
    assert float(step(IMAGES, LABELS, 0.125)[0]) == pytest.approx(loss, rel=1e-6)
    after, velocities = framework.get_weights(net), step.read()
    assert velocities.keys() == gradients.keys()
    for name in parameters - frozen:
        v = gradients[name] + 0.5 * before[name]
        np.testing.assert_allclose(velocities[name], v, atol=1e-5, err_msg=name)
        moved = before[name] - 0.125 * v
        np.testing.assert_allclose(after[name], moved, atol=1e-5, err_msg=name)
    same({n: after[n] for n in frozen}, {n: before[n] for n in frozen})
    # Keras computes a frozen batch norm as in evaluation; MXNet moves statistics in the
    # backward pass, which ends at the first layer that learns.
    still = not after["features.norm0.running_mean"].any()
    assert still == (name_of(framework) in ("tensorflow", "mxnet"))
    assert after["features.norm5.running_mean"].any()
    step.write(velocities)
    same(step.read(), velocities)

    freeze(framework, net)
    assert framework.count_parameters(net) == 0
    with pytest.raises(ValueError, match="loss_and_gradients: all .* are frozen"):
        framework.loss_and_gradients(net, IMAGES, LABELS)
    with pytest.raises(ValueError, match=r"Trainer\.fit: all .* are frozen"):
        trainer.fit(net, Data())


# --- other types, places and layouts ----------------------------------------------


def in_type(framework, dtype):
    """A network whose owner has changed its type, as the framework does that."""
    name = name_of(framework)
    if name == "tensorflow":
        import keras

        before = keras.config.dtype_policy()
        keras.config.set_dtype_policy(dtype)
        try:
            return framework.build("densenet", **SMALL)
        finally:
            keras.config.set_dtype_policy(before)
    net = framework.build("densenet", **SMALL)
    if name == "pytorch":
        import torch

        return net.to(getattr(torch, dtype)).to(memory_format=torch.channels_last)
    if name == "mxnet":
        net.cast(dtype)
        return net
    import jax
    from flax import nnx

    nnx.update(net, jax.tree.map(lambda a: a.astype(dtype), nnx.state(net)))
    return net


# MXNet has no bfloat16 on processors, JAX no float64 by default.
TYPES = {"mxnet": ["float64"], "jax": ["bfloat16"]}


@pytest.mark.parametrize(
    ("name", "dtype"),
    [(n, t) for n in FRAMEWORKS for t in TYPES.get(n, ["bfloat16", "float64"])],
)
def test_networks_of_another_type(name, dtype, tmp_path):
    framework = d2l(name)
    net = in_type(framework, dtype)
    weights = framework.get_weights(net)
    kept = "float32" if dtype == "bfloat16" else dtype
    assert {array.dtype.name for array in weights.values()} == {kept}
    # The same rounded weights in float32.
    exact = framework.build("densenet", **SMALL)
    framework.set_weights(exact, weights)
    atol = {"bfloat16": 0.05, "float64": 1e-5}[dtype]
    logits = framework.predict(net, IMAGES)
    assert logits.dtype == kept
    right = framework.predict(exact, IMAGES)
    np.testing.assert_allclose(logits, right, rtol=atol, atol=atol)
    framework.save(net, tmp_path / "net.safetensors")
    again = framework.load(tmp_path / "net.safetensors")
    same(framework.get_weights(again), framework.get_weights(exact))
    if name == "jax":
        return  # it would compile for long
    loss, gradients = framework.loss_and_gradients(net, IMAGES, LABELS)
    expected, right = framework.loss_and_gradients(exact, IMAGES, LABELS)
    assert loss == pytest.approx(expected, abs=atol)
    for key in ("classifier.weight", "classifier.bias"):
        np.testing.assert_allclose(gradients[key], right[key], atol=2 * atol)
    history = framework.Trainer(max_epochs=1, progress="none").fit(net, Data())
    assert history.train_loss[0] == pytest.approx(expected, abs=atol)


@needs["jax"]
def test_a_network_that_has_only_shapes_says_so():
    from flax import nnx

    module = d2l("jax")
    net = nnx.eval_shape(lambda: module.DenseNet(rngs=nnx.Rngs(0), **SMALL))
    assert module.count_parameters(net) == COUNT
    with pytest.raises(ValueError, match="shapes and no weights: initialize it"):
        module.get_weights(net)


@needs["tensorflow"]
def test_a_network_that_is_not_built_says_so():
    import keras

    net = keras.Sequential([keras.layers.Conv2D(4, 3, name="first")])
    for read in (d2l("tensorflow").get_weights, d2l("tensorflow").count_parameters):
        with pytest.raises(ValueError, match="first has no weights before it is built"):
            read(net)


# --- one image, one class ---------------------------------------------------------


def test_a_batch_in_which_a_norm_has_no_variance(framework, capsys):
    """16×16 pixels: 4×4 behind the stem, 2×2 behind the transition; of 8×8 one."""
    net, trainer = framework.build("densenet", **SMALL), framework.Trainer(max_epochs=1)
    one, before = IMAGES[:1, :, :8, :8], framework.get_weights(net)
    message = "one image of 8×8 pixels: batch norm in training needs more than one"
    with pytest.raises(ValueError, match=f"^loss_and_gradients: {message}"):
        framework.loss_and_gradients(net, one, LABELS[:1])
    with pytest.raises(ValueError, match=f"^Trainer.fit: {message}"):
        trainer.fit(net, Data(one))
    assert capsys.readouterr().out == ""
    same(framework.get_weights(net), before)
    assert framework.predict(net, one).shape == (1, 10)
    check = framework.backend.training_check(net, "fit")
    for images in (IMAGES[:1], IMAGES[:2, :, :8, :8]):
        np.testing.assert_array_equal(check(images, LABELS[: len(images)])[0], images)
    # One class is always right: no loss, nothing to learn.
    net = framework.build("densenet", num_classes=1, **SMALL)
    loss, gradients = framework.loss_and_gradients(net, IMAGES, 0 * LABELS)
    for found in (loss, *gradients.values()):
        np.testing.assert_allclose(found, 0, atol=1e-5)
