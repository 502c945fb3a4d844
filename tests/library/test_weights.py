"""Files of weights: what goes in comes out, in every framework, or nothing changes."""

import itertools
import json
from pathlib import Path

import numpy as np
import pytest
import safetensors
import safetensors.numpy
import tiny
from frameworks import FRAMEWORKS, d2l

from d2l_lite.networks import weights
from d2l_lite.networks.weights import WeightsError

METADATA = {"network": "densenet", "arguments": {"block_config": [4, 4], "bias": True}}


def some_weights():
    """Arrays in an order that is not the alphabet's."""
    generator = np.random.default_rng(0)
    names = ["features.norm0.weight", "features.conv0.weight", "classifier.bias"]
    return {
        name: generator.standard_normal(shape, np.float32)
        for name, shape in zip(names, [(3,), (2, 3, 7, 5), (1,)])
    }


def test_what_is_saved_is_loaded(tmp_path):
    path, saved = tmp_path / "net.safetensors", some_weights()
    weights.save(path, saved, METADATA)
    loaded = weights.load(path)
    assert list(loaded) == sorted(saved)
    for name, array in saved.items():
        assert loaded[name].dtype == array.dtype
        np.testing.assert_array_equal(loaded[name], array, err_msg=name)
    assert weights.metadata(path) == METADATA


def test_types_and_layouts_stay(tmp_path):
    path = tmp_path / "net.safetensors"
    saved = {
        "half": np.array([1, 2, 3], np.float16),
        "double": np.arange(6.0).reshape(2, 3).T,
        "big-endian": np.array([1.5, -2], ">f4"),
        "counter": np.array(7),
        "empty": np.zeros((0, 3), np.float32),
    }
    weights.save(path, saved, {})
    loaded = weights.load(path)
    for name, array in saved.items():
        assert loaded[name].dtype == array.dtype.newbyteorder("="), name
        np.testing.assert_array_equal(loaded[name], array, err_msg=name)


def test_the_format_is_that_of_its_own_library(tmp_path):
    """Both ways, with the library of those who defined it."""
    ours, theirs, saved = tmp_path / "ours", tmp_path / "theirs", some_weights()
    saved["half"] = np.array([1, 2, 3], np.float16)
    weights.save(ours, saved, METADATA)
    with safetensors.safe_open(ours, framework="numpy") as file:
        assert {k: json.loads(v) for k, v in file.metadata().items()} == {
            "d2l_lite": METADATA
        }
    safetensors.numpy.save_file(saved, theirs, {"format": "pt"})
    read, loaded = safetensors.numpy.load_file(ours), weights.load(theirs)
    assert set(read) == set(loaded) == set(saved)
    for name, array in saved.items():
        np.testing.assert_array_equal(read[name], array, err_msg=name)
        np.testing.assert_array_equal(loaded[name], array, err_msg=name)
    assert weights.metadata(theirs) == {"format": "pt"}


def test_a_key_for_each_value_as_in_older_files(tmp_path):
    texts = {name: json.dumps(value) for name, value in METADATA.items()}
    safetensors.numpy.save_file(some_weights(), tmp_path / "old", texts)
    assert weights.metadata(tmp_path / "old") == METADATA


def test_the_same_weights_are_the_same_bytes(tmp_path):
    contents = set()
    for number in range(20):
        weights.save(tmp_path / f"{number}", some_weights(), METADATA)
        contents.add((tmp_path / f"{number}").read_bytes())
    assert len(contents) == 1


def test_bfloat16_is_read_as_float32(tmp_path):
    torch = pytest.importorskip("torch")
    from safetensors.torch import save_file

    path = tmp_path / "net.safetensors"
    # 1/3 has eight significant bits in bfloat16: 0.333984375.
    save_file({"x": torch.tensor([1 / 3, -2.0], dtype=torch.bfloat16)}, path)
    loaded = weights.load(path)["x"]
    assert loaded.dtype == np.float32
    np.testing.assert_array_equal(loaded, [0.333984375, -2])


def test_types_that_are_no_weights(tmp_path):
    torch = pytest.importorskip("torch")
    from safetensors.torch import save_file

    path = tmp_path / "net.safetensors"
    save_file({"x": torch.zeros(2, dtype=torch.float8_e4m3fn)}, path)
    with pytest.raises(WeightsError, match="x: numbers of type F8_E4M3 are not read"):
        weights.load(path)
    before = path.read_bytes()
    with pytest.raises(WeightsError, match="^x: complex128 cannot be saved; use float"):
        weights.save(path, {"x": np.zeros(2, complex)}, {})
    assert path.read_bytes() == before


@pytest.mark.parametrize("moment", ["open", "replace"])
def test_a_failed_save_leaves_the_old_file(tmp_path, monkeypatch, moment):
    path = tmp_path / "net.safetensors"
    weights.save(path, some_weights(), METADATA)
    before = path.read_bytes()

    def fail(self, *arguments):
        raise OSError(28, "No space left on device", str(self))

    monkeypatch.setattr(Path, moment, fail)
    with pytest.raises(OSError, match="No space left") as error:
        weights.save(path, {"x": np.zeros(3)}, {})
    monkeypatch.undo()
    assert error.value.filename == str(path)
    assert path.read_bytes() == before
    assert list(tmp_path.iterdir()) == [path]


def test_metadata_that_json_cannot_hold(tmp_path):
    with pytest.raises(TypeError):
        weights.save(tmp_path / "net.safetensors", {}, {"network": object()})
    assert not list(tmp_path.iterdir())


def test_where_no_file_can_be(tmp_path):
    missing = tmp_path / "missing" / "net.safetensors"
    with pytest.raises(FileNotFoundError, match="net.safetensors: there is no folder"):
        weights.save(missing, some_weights(), {})
    with pytest.raises(FileExistsError, match="is not a file"):
        weights.save(tmp_path, some_weights(), {})
    assert not list(tmp_path.iterdir())


def test_load_says_which_command_takes_the_file(tmp_path):
    torch = pytest.importorskip("torch")
    path = tmp_path / "net.pth"
    torch.save({"x": torch.zeros(3)}, path)
    with pytest.raises(WeightsError) as error:
        d2l("pytorch").load(path)
    command = f"python -m d2l_lite convert {path} {tmp_path}/net.safetensors"
    message = f"{path}: not a safetensors file (a PyTorch file: `{command}` makes one"
    assert str(error.value).startswith(message)
    # Not over itself.
    path = path.rename(tmp_path / "my net.safetensors")
    with pytest.raises(WeightsError) as error:
        d2l("pytorch").load(path)
    target = f"'{tmp_path}/my net.converted.safetensors'"
    assert f"convert '{path}' {target}` makes" in str(error.value)


DAMAGES = {
    "empty": lambda whole: b"",
    "half a header": lambda whole: whole[:50],
    "half the numbers": lambda whole: whole[:-100],
    "more numbers than named": lambda whole: whole + bytes(4),
    "a header that is no JSON": lambda whole: whole.replace(b'"', b"'", 20),
    "a header longer than the file": lambda whole: b"\xff" * 8 + whole[8:],
    "text": lambda whole: b"These are the weights of a network.",
}


@pytest.mark.parametrize("read", [weights.load, weights.metadata])
@pytest.mark.parametrize("damage", DAMAGES.values(), ids=DAMAGES)
def test_damaged_files(tmp_path, damage, read):
    path = tmp_path / "net.safetensors"
    weights.save(path, some_weights(), METADATA)
    path.write_bytes(damage(path.read_bytes()))
    with pytest.raises(WeightsError, match="net.safetensors: not a safetensors file"):
        read(path)


def test_a_missing_file_is_named(tmp_path):
    with pytest.raises(FileNotFoundError, match="nowhere.safetensors"):
        weights.load(tmp_path / "nowhere.safetensors")


@pytest.fixture(scope="module")
def travellers(tmp_path_factory):
    """For each framework: a file that it saved, images, its logits, its weights."""
    folder = tmp_path_factory.mktemp("weights")
    images = np.random.default_rng(1).standard_normal((2, 3, 16, 16), np.float32)
    found = {}
    for number, name in enumerate(FRAMEWORKS):
        module, generator = d2l(name), np.random.default_rng(number)
        net = module.build(tiny.NAME, seed=number, **tiny.CHANGES)
        # As after training: no scale is 1, no shift and no running mean is 0.
        weights = {
            entry: array + generator.uniform(0.1, 1, array.shape).astype(np.float32)
            for entry, array in module.get_weights(net).items()
        }
        module.set_weights(net, weights)
        path = folder / f"{name}.safetensors"
        module.save(net, path)
        found[name] = path, images, module.predict(net, images), weights
    return found


@pytest.mark.parametrize(
    ("source", "target"), list(itertools.permutations(FRAMEWORKS, 2))
)
def test_weights_travel(travellers, source, target):
    path, images, logits, saved = travellers[source]
    net = d2l(target).load(path)
    loaded = d2l(target).get_weights(net)
    assert list(loaded) == list(saved)
    for name, array in saved.items():
        np.testing.assert_array_equal(loaded[name], array, err_msg=name)
    # FLOAT32_EVALUATION of tests/parity/compare.py.
    error = np.abs(d2l(target).predict(net, images) - logits).max()
    assert error <= 2e-6 * np.abs(logits).max()


@pytest.mark.parametrize("source", FRAMEWORKS)
def test_a_file_says_what_it_holds(travellers, source):
    path = travellers[source][0]
    assert weights.metadata(path) == tiny.METADATA | {"framework": source}


def test_files_of_four_frameworks_differ_in_the_framework_only(tmp_path):
    contents = set()
    for name in FRAMEWORKS:
        path = tmp_path / f"{name}.safetensors"
        d2l(name).save(d2l(name).build("densenet", block_config=(1,)), path)
        arrays = weights.load(path)
        weights.save(path, arrays, weights.metadata(path) | {"framework": "any"})
        contents.add(path.read_bytes())
    assert len(contents) == 1
