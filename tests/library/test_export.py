"""A network taken away: its metadata, `classify` by them, and the ONNX file."""

import json
import sys

import numpy as np
import pytest
from frameworks import FRAMEWORKS, d2l
from PIL import Image

from d2l_lite.__main__ import main
from d2l_lite.networks import weights
from d2l_lite.networks.weights import WeightsError

NARROW = {"block_config": (2, 1), "growth_rate": 4, "init_features": 6}
NETWORKS = {
    "small": NARROW | {"small_inputs": True, "bias": False},
    "strided": NARROW | {"in_channels": 3, "num_classes": 4},
    "bottleneck": NARROW | {"bottleneck": True, "compression": 0.7},
}


def moved(net):
    """A network of which no array is what it was at first."""
    module, rng = d2l("pytorch"), np.random.default_rng(2)
    module.set_weights(
        net,
        {
            name: array + rng.uniform(0, 0.2, array.shape).astype(np.float32)
            for name, array in module.get_weights(net).items()
        },
    )
    return net


@pytest.fixture(scope="module")
def pictures(tmp_path_factory):
    """Red and blue squares in a folder for each, and the data set of it."""
    folder = tmp_path_factory.mktemp("pictures")
    rng = np.random.default_rng(0)
    for name, color in {"rot": (200, 30, 20), "blau": (20, 40, 210)}.items():
        (folder / name).mkdir()
        for number in range(6):
            noise = rng.integers(-20, 20, (20, 24, 3))
            pixels = np.uint8(np.clip(np.array(color) + noise, 0, 255))
            Image.fromarray(pixels).save(folder / name / f"{number}.png")
    return folder


def of_folder(pictures):
    return d2l("pytorch").ImageFolder(pictures, size=(16, 18), seed=1)


@pytest.fixture
def trained(pictures, tmp_path):
    """A file of a network for the two classes."""
    module, data = d2l("pytorch"), of_folder(pictures)
    net = module.build("densenet", in_channels=3, num_classes=2, **NETWORKS["small"])
    module.Trainer(6, batch_size=4, learning_rate=0.05, progress="none").fit(net, data)
    module.save(net, tmp_path / "net.safetensors", data=data)
    return tmp_path / "net.safetensors"


def test_the_file_says_what_its_network_sees_and_knows(trained, pictures):
    about, data = weights.metadata(trained), of_folder(pictures)
    assert about["classes"] == ["blau", "rot"]
    assert about["size"] == [16, 18]
    assert about["mean"] == pytest.approx(data.mean)
    assert about["std"] == pytest.approx(data.std)


@pytest.mark.parametrize("framework", FRAMEWORKS)
def test_classify_by_the_file(trained, pictures, framework, tmp_path):
    module, data = d2l(framework), of_folder(pictures)
    net = module.load(trained)
    # The same pixels as in the folder's data set, hence the same probabilities.
    image = next(data.train.batches(1))[0]
    logits = module.predict(net, image)[0].astype(float)
    expected = np.exp(logits) / np.exp(logits).sum()
    rows = {}
    for path in sorted(pictures.glob("*/*.png")):
        (name, probability), (other, rest) = module.classify(net, path)
        assert {name, other} == {"blau", "rot"}
        assert name == path.parent.name
        assert probability + rest == pytest.approx(1)
        rows[path] = {name: probability, other: rest}
    nearest = min(abs(row["blau"] - expected[0]) for row in rows.values())
    assert nearest < 1e-6
    # What was loaded with its names is saved with them, and trained anew without.
    module.save(net, tmp_path / "again.safetensors")
    assert weights.metadata(tmp_path / "again.safetensors")["classes"] == [
        "blau",
        "rot",
    ]
    other = module.load(trained, num_classes=3)
    with pytest.raises(ValueError, match="or a file with its classes"):
        module.classify(other, path)


def test_the_command_gives_a_table_of_a_folder(trained, pictures, capsys):
    assert main(["classify", str(trained), str(pictures), "--top", "1"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) == 12
    for line in lines:
        path, name, probability = line.split()
        assert path.split("/")[0] == name
        assert 0.5 <= float(probability) <= 1
    one = pictures / "rot" / "0.png"
    assert main(["classify", str(trained), str(one), "--framework", "pytorch"]) == 0
    assert capsys.readouterr().out.split()[1] == "rot"


@pytest.mark.parametrize("path", ["empty", "notes.txt"])
def test_no_pictures(trained, tmp_path, capsys, path):
    (tmp_path / "empty").mkdir()
    (tmp_path / "notes.txt").write_text("no picture")
    assert main(["classify", str(trained), str(tmp_path / path)]) == 1
    assert path in capsys.readouterr().err


@pytest.mark.parametrize(
    "key, value, message",
    [
        ("classes", ["a"], "1 values of classes for 10"),
        ("classes", "abcdefghij", "classes is 'abcdefghij'"),
        ("mean", [0.1, 0.2], "2 values of mean for 1"),
        ("size", [32, "32"], "size is"),
    ],
)
def test_metadata_that_do_not_fit(tmp_path, key, value, message):
    path = tmp_path / "net.safetensors"
    d2l("pytorch").save(d2l("pytorch").build("densenet", **NETWORKS["small"]), path)
    arrays, about = weights.read(path)
    weights.save(path, arrays, about | {key: value})
    with pytest.raises(WeightsError, match=message):
        d2l("pytorch").load(path)


def test_other_data_are_not_written(pictures, tmp_path):
    net = d2l("pytorch").build("densenet", **NETWORKS["small"])
    with pytest.raises(
        WeightsError, match=r"save\(data=ImageFolder\): 2 values of cla"
    ):
        d2l("pytorch").save(net, tmp_path / "net.safetensors", data=of_folder(pictures))
    assert not list(tmp_path.iterdir())


# --- ONNX ---------------------------------------------------------------------------


@pytest.mark.parametrize("name", NETWORKS)
def test_onnx_computes_the_same(name, tmp_path, capsys):
    runtime = pytest.importorskip("onnxruntime")
    module = d2l("pytorch")
    net = moved(module.build("densenet", **NETWORKS[name]))
    source, target = tmp_path / "net.safetensors", tmp_path / "net.onnx"
    module.save(net, source)
    assert main(["export", str(source), str(target)]) == 0
    assert "opset 17" in capsys.readouterr().out
    session = runtime.InferenceSession(target, providers=["CPUExecutionProvider"])
    rng = np.random.default_rng(3)
    channels = NETWORKS[name].get("in_channels", 1)
    for shape in [(1, channels, 32, 32), (3, channels, 45, 38)]:
        images = rng.normal(size=shape).astype(np.float32)
        (logits,) = session.run(None, {"images": images})
        expected = module.predict(net, images)
        assert logits.shape == expected.shape
        scale = np.abs(expected).max()
        np.testing.assert_allclose(logits, expected, rtol=1e-5, atol=1e-5 * scale)


def test_what_the_file_knows_goes_into_onnx(trained, tmp_path):
    onnx = pytest.importorskip("onnx")
    assert main(["export", str(trained), str(tmp_path / "net.onnx")]) == 0
    model = onnx.load(tmp_path / "net.onnx")
    found = {entry.key: json.loads(entry.value) for entry in model.metadata_props}
    about = weights.metadata(trained)
    keys = ("network", "classes", "mean", "std", "size")
    assert found == {key: about[key] for key in keys}
    assert [opset.version for opset in model.opset_import] == [17]


def test_an_export_that_fails_leaves_nothing(tmp_path, capsys, monkeypatch, trained):
    target = tmp_path / "out.onnx"
    (tmp_path / "text.safetensors").write_text("no weights")
    assert main(["export", str(tmp_path / "text.safetensors"), str(target)]) == 1
    assert "text.safetensors: not a safetensors file" in capsys.readouterr().err
    arrays, about = weights.read(trained)
    del arrays["features.norm5.bias"]
    weights.save(tmp_path / "part.safetensors", arrays, about)
    assert main(["export", str(tmp_path / "part.safetensors"), str(target)]) == 1
    assert "features.norm5.bias: missing" in capsys.readouterr().err
    assert main(["export", str(trained), str(tmp_path / "no" / "out.onnx")]) == 1
    assert "no" in capsys.readouterr().err
    monkeypatch.setitem(sys.modules, "onnx", None)
    assert main(["export", str(trained), str(target)]) == 1
    assert 'pip install "d2l-lite[export]"' in capsys.readouterr().err
    assert not target.exists()
