"""python -m d2l_lite: every kind of checkpoint, every kind of error."""

import argparse
import io
import os
import re
import subprocess
import sys
import zipfile
from pathlib import Path

import numpy as np
import pytest
import tiny
from frameworks import PACKAGES, d2l

from d2l_lite.command.command_line import _parsed, main
from d2l_lite.data.folders import named_folder
from d2l_lite.networks import weights

torch = pytest.importorskip("torch")


@pytest.fixture(scope="module")
def canonical():
    """The weights of a small DenseNet-BC, as exact in float16 and in bfloat16."""
    net = d2l("pytorch").build(tiny.NAME, **tiny.CHANGES)
    return {
        name: torch.tensor(array).bfloat16().clamp(-1e4, 1e4).half().float()
        for name, array in d2l("pytorch").get_weights(net).items()
    }


@pytest.fixture
def run(capsys):
    """The command line in this process: (exit status, its output, its errors)."""

    def run(*arguments):
        status = main([str(argument) for argument in arguments])
        return status, *capsys.readouterr()

    return run


def in_a_process(*arguments):
    """The command line as a reader calls it."""
    command = [sys.executable, "-m", "d2l_lite", *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True)


def old_style(state):
    """The keys of torchvision's published files: norm.1 for norm1, conv.2 for conv2."""
    return {
        re.sub(r"\.(norm|conv)([12])\.(?=\w+$)", r".\1.\2.", name)
        if "denselayer" in name
        else name: tensor
        for name, tensor in state.items()
    }


def with_counters(state):
    """As PyTorch's own batch norm: one more entry after each running variance."""
    counted = {}
    for name, tensor in state.items():
        counted[name] = tensor
        if name.endswith("running_var"):
            counter = name.replace("running_var", "num_batches_tracked")
            counted[counter] = torch.tensor(9)
    return counted


def prefixed(prefix):
    return lambda state: {prefix + name: tensor for name, tensor in state.items()}


def cast(dtype):
    return lambda state: {name: tensor.to(dtype) for name, tensor in state.items()}


def wrapped(entry):
    momenta = {0: {"momentum_buffer": torch.zeros(3)}}
    return lambda state: {
        "epoch": 3,
        "optimizer": {"state": momenta, "param_groups": [{"lr": 0.1}]},
        entry: state,
    }


def part_compiled(state):
    """As after torch.compile, or DataParallel, of the features alone."""
    return {n.replace("features.", "features._orig_mod."): t for n, t in state.items()}


def head(name):
    """As fine-tuning scripts replace the last layer."""
    return lambda state: {
        key.replace("classifier", name): tensor for key, tensor in state.items()
    }


def averaged(state):
    """As torch.optim.swa_utils.AveragedModel keeps it."""
    return prefixed("module.")(state) | {"n_averaged": torch.tensor(5)}


def averaged_first(state):
    raw = {name: tensor + 1 for name, tensor in state.items()}
    return {"state_dict": raw, "state_dict_ema": state}


STYLES = {
    "canonical": dict,
    "old style": old_style,
    "counters": with_counters,
    "DataParallel": prefixed("module."),
    "Lightning": prefixed("model."),
    "compiled and parallel": prefixed("module._orig_mod."),
    "averaged": averaged,
    "some prefix": prefixed("net.backbone."),
    "features compiled": part_compiled,
    "other head": head("classifier.1"),
    "short head": head("w"),
    "head outside": lambda state: head("net.fc")(prefixed("net.")(state)),
    "half": cast(torch.float16),
    "bfloat16": cast(torch.bfloat16),
    "double": cast(torch.float64),
    "parameters": lambda state: {n: torch.nn.Parameter(t) for n, t in state.items()},
    "old, half, parallel": lambda state: prefixed("module.")(
        old_style(cast(torch.float16)(with_counters(state)))
    ),
}
WRAPPED = {
    "state_dict": wrapped("state_dict"),
    "model": wrapped("model"),
    "state_dict of a parallel model": lambda state: wrapped("state_dict")(
        prefixed("module.")(state)
    ),
    "averaged first": averaged_first,
    "net": wrapped("net"),
    "deep": lambda state: {"a": {"b": wrapped("module")(prefixed("module.")(state))}},
}


def assert_converted(path, canonical, framework="pytorch"):
    assert weights.metadata(path) == tiny.METADATA | {"framework": framework}
    loaded = weights.load(path)
    assert set(loaded) == set(canonical)
    for name, tensor in canonical.items():
        assert loaded[name].dtype == np.float32
        np.testing.assert_array_equal(loaded[name], tensor.numpy(), err_msg=name)


LEGACY = ["old style", "old, half, parallel", "bfloat16", "parameters", "state_dict"]


@pytest.mark.parametrize(
    "style, zipped",
    [(style, True) for style in [*STYLES, *WRAPPED]]
    + [(name, False) for name in LEGACY],
)
def test_pytorch_files(tmp_path, run, canonical, style, zipped):
    # Under a suffix that says nothing: the content tells.
    source, target = tmp_path / "checkpoint", tmp_path / "net.safetensors"
    state = (STYLES | WRAPPED)[style](canonical)
    torch.save(state, source, _use_new_zipfile_serialization=zipped)
    status, out, err = run("convert", source, target)
    assert (status, err) == (0, "")
    parameters = sum(t.numel() for n, t in canonical.items() if "running" not in n)
    start = f"{target}: DenseNet, {parameters:,} trainable parameters, from {source}"
    assert out.startswith(start) and out.count("\n") == 3
    names = f"names as in torchvision: {len(canonical)} arrays; left out beside "
    assert out.splitlines()[1] == names + "counters: none"
    assert_converted(target, canonical)


@pytest.mark.parametrize("style", [name for name in STYLES if name != "parameters"])
def test_safetensors_files(tmp_path, run, canonical, style):
    from safetensors.torch import save_file

    source, target = tmp_path / "checkpoint", tmp_path / "net.safetensors"
    state = {name: t.contiguous() for name, t in STYLES[style](canonical).items()}
    save_file(state, source, {"format": "pt"})
    assert run("convert", source, target)[::2] == (0, "")
    assert_converted(target, canonical)


def test_of_several_networks_one_is_chosen(tmp_path, run, canonical):
    source, target = tmp_path / "checkpoint.pth", tmp_path / "net.safetensors"
    torch.save(averaged_first(canonical), source)
    said = run("convert", source, target)[1].splitlines()[0]
    assert said.endswith(", entry state_dict_ema, others state_dict")
    assert run("convert", source, target, "--entry", "state_dict")[0] == 0
    chosen = weights.load(target)["classifier.bias"]
    np.testing.assert_array_equal(chosen, canonical["classifier.bias"] + 1)
    # Two in one entry, as of a student and its teacher, each with its own head.
    parts = [head("fc")(canonical), averaged_first(canonical)["state_dict"]]
    both = [prefixed(p)(part) for p, part in zip(("student.", "teacher."), parts)]
    torch.save({"net": both[0] | both[1]}, source)
    for command in (["convert", source, target], ["info", source]):
        status, _, err = run(*command)
        several = "holds several networks: choose an entry: net.student, net.teacher"
        assert status == 1 and several in err
    status, out, _ = run("convert", source, target, "--entry", "net.student")
    assert ", entry net.student, head fc, others net.teacher\n" in out
    assert_converted(target, canonical)
    wrong = "no network in entry net; there is: net.student, net.teacher"
    assert wrong in run("info", source, "--entry", "net")[2]


def test_what_shapes_do_not_tell_is_said_and_taken(tmp_path, run):
    """The same shapes with another epsilon: the logits are the checkpoint's own."""
    source, target = tmp_path / "source", tmp_path / "target"
    module, rng = d2l("pytorch"), np.random.default_rng(0)
    net = module.build("densenet", block_config=(1, 1), growth_rate=2, init_features=4)
    arrays = {
        name: rng.uniform(0.01, 0.1, a.shape).astype(a.dtype) if "var" in name else a
        for name, a in module.get_weights(net).items()
    }
    arrays["features.norm5.running_var"][:] = 1e-6
    module.set_weights(net, arrays)
    weights.save(source, arrays, {})
    for layer in net.modules():
        if isinstance(layer, torch.nn.BatchNorm2d):
            layer.eps = 0.01
    images = rng.standard_normal((2, 1, 16, 16), np.float32)
    expected = module.predict(net, images)
    tolerance = 1e-5 * abs(expected).max()
    said = run("convert", source, target)[1]
    assert "7×7 convolution of stride 2, then 3×3 max pooling of stride 2" in said
    assert "epsilon is 1e-05 (else: --epsilon); dropout 0 (else: --dropout)" in said
    error = module.predict(module.load(target), images) - expected
    assert abs(error).max() > 1000 * tolerance
    options = "--epsilon=0.01", "--dropout=0.25"
    assert "epsilon is 0.01 " in run("convert", source, target, *options)[1]
    found = module.predict(module.load(target), images)
    np.testing.assert_allclose(found, expected, rtol=0, atol=tolerance)
    assert weights.metadata(target)["arguments"]["dropout"] == 0.25
    # 1e-6 + 1e-9 is less than the book's epsilon, which is added in any case.
    for options, message in {
        "--epsilon=1e-9": "norm5.running_var has variances below 9.999e-06; with an",
        "--epsilon=0": "--epsilon 0.0: must be a number, above 0",
        "--dropout=1": "--dropout 1.0: must be a number",
    }.items():
        status, _, err = run("convert", source, target, options)
        assert message in err
        assert status == (1 if "1e-9" in options else 2)


@pytest.mark.parametrize(
    "name, value",
    [
        ("features.conv0.weight", np.nan),
        ("features.norm5.running_mean", -np.inf),
        ("features.norm5.running_var", -0.5),
        ("classifier.bias", 1e39),  # float32 ends at 3.4e38
    ],
)
def test_numbers_that_are_no_weights(tmp_path, run, canonical, name, value):
    source, target = tmp_path / "checkpoint", tmp_path / "net.safetensors"
    arrays = {n: tensor.numpy().astype(np.float64) for n, tensor in canonical.items()}
    arrays[name].flat[1] = value
    weights.save(source, arrays, {})
    status, _, err = run("convert", source, target)
    assert status == 1 and f"{source}: {name} holds {value}: " in err
    assert not target.exists()
    with pytest.raises(weights.WeightsError, match=f"{source}: {name} holds"):
        d2l("pytorch").load(source)


@pytest.mark.parametrize(
    "said, told",
    [
        (
            {"arguments": {"small_inputs": False}},
            "small_inputs=False, its shapes small",
        ),
        ({"arguments": {"block_config": [2, 2]}}, "block_config=(2, 2), its shapes b"),
        ({"arguments": {"compression": 0.9}}, "compression=0.9, its shapes compress"),
        ({"arguments": {"stem_stride": 1}}, "stem_stride=1, its shapes otherwise"),
        ({"network": "densenet121"}, "densenet121, its shapes otherwise"),
    ],
)
def test_metadata_that_tell_of_another_network(tmp_path, run, canonical, said, told):
    source = tmp_path / "checkpoint"
    arrays = {name: tensor.numpy() for name, tensor in canonical.items()}
    # 0.51 keeps 8 of 16 channels, as 0.5 does.
    weights.save(source, arrays, {"arguments": {"compression": 0.51, "dropout": 0.1}})
    assert run("info", source)[0] == 0
    weights.save(source, arrays, said)
    status, _, err = run("convert", source, tmp_path / "net.safetensors")
    assert status == 1 and f"{source}: its metadata say {told}" in err
    with pytest.raises(weights.WeightsError, match="checkpoint: its metadata say"):
        d2l("pytorch").load(source)


def test_what_the_source_says_of_its_framework(tmp_path, run, canonical):
    source, target = tmp_path / "source", tmp_path / "target"
    arrays = {name: tensor.numpy() for name, tensor in canonical.items()}
    for metadata, framework in (({"framework": "jax"}, "jax"), ({}, "unknown")):
        weights.save(source, arrays, metadata)
        assert run("convert", source, target)[0] == 0
        assert_converted(target, canonical, framework)


@pytest.mark.parametrize("damage", [None, "features.norm5.bias"])
def test_a_file_may_be_converted_in_place(tmp_path, run, canonical, damage):
    path = tmp_path / "net.safetensors"
    torch.save({n: t for n, t in canonical.items() if n != damage}, path)
    before = path.read_bytes()
    assert run("convert", path, path)[0] == (1 if damage else 0)
    if damage:
        assert path.read_bytes() == before
    else:
        assert_converted(path, canonical)
    assert list(tmp_path.iterdir()) == [path]


def test_published_style_to_every_framework(tmp_path):
    """A file as torchvision publishes them, through the real command line."""
    source, target = tmp_path / "densenet121.pth", tmp_path / "net.safetensors"
    net = d2l("pytorch").build("densenet121", num_classes=7, seed=5)
    state = {n: torch.tensor(a) for n, a in d2l("pytorch").get_weights(net).items()}
    torch.save(old_style(state), source, _use_new_zipfile_serialization=False)
    result = in_a_process("convert", source, target)
    assert (result.returncode, result.stderr) == (0, "")
    # The count of parameter_counts.csv, less 993 rows of 1024 + 1.
    count = 7_978_856 - 993 * 1025
    assert result.stdout.splitlines()[0] == (
        f"{target}: densenet121, {count:,} trainable parameters, from {source}"
    )
    images = np.random.default_rng(0).standard_normal((1, 3, 32, 32), np.float32)
    expected = d2l("pytorch").predict(net, images)
    np.testing.assert_array_equal(
        d2l("pytorch").predict(d2l("pytorch").load(target), images), expected
    )


def test_info(tmp_path, run):
    path = tmp_path / "net.safetensors"
    d2l("pytorch").save(d2l("pytorch").build("densenet", block_config=(1,)), path)
    status, out, err = run("info", path)
    assert (status, err) == (0, "")
    # Stem 7·7·64 + 64 and 2·64; one layer 2·64 and 9·64·32 + 32; last norm 2·96, head
    # 96·10 + 10. The three norms have 2·(64 + 64 + 96) statistics beside.
    trainable = 3200 + 128 + 128 + 18_464 + 192 + 970
    assert out.splitlines()[:11] == [
        "network     DenseNet",
        "arguments   in_channels=1, num_classes=10, growth_rate=32, block_config=(1,), "
        "init_features=64, bottleneck=False, compression=0.5, dropout=0.0, "
        "small_inputs=False, bias=True",
        "framework   pytorch",
        "layout      torchvision",
        f"parameters  {trainable:,} trainable, {trainable + 448:,} numbers in all",
        "",
        "entry                                                shape      type",
        "classifier.bias                                      10         float32",
        "classifier.weight                                    10×96      float32",
        "features.conv0.bias                                  64         float32",
        "features.conv0.weight                                64×1×7×7   float32",
    ]


@pytest.mark.parametrize("encoding", ["cp1251", "cp437", "ascii", "utf-8"])
def test_terminals_without_our_characters(tmp_path, monkeypatch, canonical, encoding):
    # A name of bytes that are no text, as archives from other systems leave them.
    path = tmp_path / os.fsdecode(b"net-\xff \xd7\xa9\n.safetensors")
    arrays = {name: t.numpy() for name, t in canonical.items()}
    weights.save(path, arrays, {"note": "a\x1b[2Jb\nc"})
    for name in ("stdout", "stderr"):
        stream = io.TextIOWrapper(io.BytesIO(), encoding)
        monkeypatch.setattr(sys, name, stream)
    assert main(["info", str(path)]) == 0
    with pytest.raises(SystemExit):
        main(["info", "--help"])
    assert (
        main(["info", f"{path}-"]) == main(["convert", str(path), str(tmp_path)]) == 1
    )
    for stream in (sys.stdout, sys.stderr):
        stream.flush()
    out = sys.stdout.buffer.getvalue().decode(encoding)
    assert ("8×3×3×3" if encoding == "utf-8" else "8x3x3x3") in out
    assert "\nnote        a\\x1b[2Jb\\nc\n" in out
    assert "net-\\udcff " in sys.stderr.buffer.getvalue().decode(encoding)


def test_the_home_in_paths(tmp_path, monkeypatch, run, canonical):
    monkeypatch.setenv("HOME", str(tmp_path))
    weights.save(tmp_path / "net", {n: t.numpy() for n, t in canonical.items()}, {})
    assert run("convert", "~/net", "~/out")[0] == run("info", "~/out")[0] == 0
    # As typed, as words that no shell expands, and as in a file.
    (tmp_path / "some.toml").write_text('data = "~/images"\n')
    needed = ["--framework=jax", "--network=densenet", "--dataset=svhn", "--out=~/run"]
    for words in (
        ["--data", "~/images"],
        ["--data=~/images"],
        ["--config=~/some.toml"],
    ):
        parsed = _parsed(["train", *needed, *words])
        assert parsed.data == str(tmp_path / "images")
        assert parsed.out == tmp_path / "run"
    monkeypatch.setenv("D2L_LITE_DATA", "~/images")
    assert named_folder(None, "svhn") == tmp_path / "images"
    nobody = _parsed(["train", *needed, "--data=~nobody-at-all/images"])
    assert nobody.data == str(Path.cwd() / "~nobody-at-all" / "images")


def test_info_of_a_pipe(tmp_path, run, canonical):
    """As from /dev/stdin or <(…): what is read once is gone."""
    torch.save(canonical, tmp_path / "checkpoint.pth")
    whole = run("info", tmp_path / "checkpoint.pth")
    reader, writer = os.pipe()
    os.write(writer, (tmp_path / "checkpoint.pth").read_bytes())
    os.close(writer)
    assert run("info", f"/dev/fd/{reader}") == whole
    os.close(reader)


def test_info_into_a_pipe_that_closes(tmp_path, canonical):
    path = tmp_path / "net.safetensors"
    weights.save(path, {name: t.numpy() for name, t in canonical.items()}, {})
    reader, writer = os.pipe()
    os.close(reader)
    command = [sys.executable, "-m", "d2l_lite", "info", str(path)]
    result = subprocess.run(command, stdout=writer, stderr=subprocess.PIPE, text=True)
    os.close(writer)
    assert (result.returncode, result.stderr) == (0, "")


class Malicious:
    """Makes a file when a careless reader unpickles it."""

    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return open, (str(self.path), "w")


@pytest.mark.parametrize("zipped", [True, False], ids=["zip", "legacy"])
@pytest.mark.parametrize("command", ["convert", "info"])
def test_code_in_a_pickle_does_not_run(tmp_path, canonical, zipped, command):
    source, trace, target = (tmp_path / name for name in ("a.pth", "trace", "target"))
    state = {**canonical, "extra": Malicious(trace)}
    torch.save(state, source, _use_new_zipfile_serialization=zipped)
    arguments = [source, target] if command == "convert" else [source]
    result = in_a_process(command, *arguments)
    assert result.returncode == 1
    assert result.stderr == (
        f"python -m d2l_lite {command}: {source}: PyTorch does not read it: io.open "
        "could run any code; save the state_dict() alone\n"
    )
    assert not trace.exists() and not target.exists()


def zipped(*names):
    """A zip file of empty files."""
    with zipfile.ZipFile(content := io.BytesIO(), "w") as archive:
        for name in names:
            archive.writestr(name, b"")
    return content.getvalue()


def bad_files(folder, canonical):
    """Files that do not serve, and a part of what is said of each."""
    network = torch.nn.Linear(2, 3)
    resnet = {"conv1.weight": torch.zeros(64, 3, 7, 7), "fc.bias": torch.zeros(10)}
    sparse = canonical["classifier.weight"].to_sparse()
    contents = {
        "whole network": (network, "Linear could run any code; save the state_dict()"),
        "arguments": (
            {"state_dict": canonical, "args": argparse.Namespace(lr=0.1)},
            "argparse.Namespace could run any code",
        ),
        "tensor": (torch.zeros(3), "holds a Tensor, no weights"),
        "list": ([canonical], "holds a list, no weights"),
        "no tensors": ({"epoch": 3}, "no features.conv0.weight; found no arrays"),
        "numbers as keys": ({0: torch.zeros(3)}, "not the weights of a DenseNet"),
        "ResNet": (
            {"net": resnet, "epoch": 3},
            "not the weights of a DenseNet: no features.conv0.weight; found net: "
            "2 arrays (conv1.weight, fc.bias)",
        ),
        "integers": (cast(torch.int8)(canonical), "conv0.weight is int8: must be "),
        "sparse": (canonical | {"classifier.weight": sparse}, "classifier.weight: "),
        "twice": (
            canonical | {"module.classifier.bias": torch.zeros(10)},
            "two entries for classifier.bias",
        ),
    }
    for name, (content, message) in contents.items():
        torch.save(content, folder / name)
        yield name, message
    torch.save(canonical, folder / "whole")
    weights.save(folder / "safe", {"x": np.zeros(99)}, {})
    whole, safe = (folder / "whole").read_bytes(), (folder / "safe").read_bytes()
    torch.save(canonical, folder / "old", _use_new_zipfile_serialization=False)
    old = (folder / "old").read_bytes()
    parts = {
        "half a zip": (whole[: len(whole) // 2], "a zip file that is cut off: get"),
        "half a legacy file": (old[: len(old) // 2], "PyTorch does not read it: "),
        "start of a legacy file": (old[:20], "PyTorch does not read it: "),
        "half a safetensors file": (safe[:-9], "not a safetensors file"),
        "empty": (b"", "neither a safetensors nor a PyTorch file"),
        "text": (b"What is this?\n", "neither a safetensors nor a PyTorch file"),
        "a.keras": (zipped("config.json", "model.weights.h5"), "load weights of Keras"),
        "a.pt": (zipped("a/data.pkl", "a/constants.pkl"), "a program of TorchScript"),
        "JSON": (b'{"arch": {"depth": 121}}', "neither a safetensors nor a PyTorch"),
    }
    for name, (content, message) in parts.items():
        (folder / name).write_bytes(content)
        yield name, message
    (folder / "folder").mkdir()
    yield "folder", "Is a directory"
    yield "missing", "No such file or directory"


def test_files_that_do_not_serve(tmp_path, run, canonical):
    target = tmp_path / "net.safetensors"
    target.write_bytes(b"as before")
    for name, message in bad_files(tmp_path, canonical):
        source = tmp_path / name
        status, out, err = run("convert", source, target)
        assert (status, out) == (1, ""), name
        assert err.startswith(f"python -m d2l_lite convert: {source}: "), err
        assert message in err and err.count("\n") == 1, (name, err)
        assert target.read_bytes() == b"as before", name


@pytest.mark.parametrize(
    "old, new, found",
    [
        ("denseblock", "denseblock_", "(features.denseblock_1.denselayer1.norm1."),
        ("classifier", "fc.net", "found 4 arrays (fc.net.weight, fc.net.bias, fc.2.b"),
    ],
)
def test_names_of_other_programs_are_shown(tmp_path, run, canonical, old, new, found):
    state = {name.replace(old, new): tensor for name, tensor in canonical.items()}
    if old == "classifier":
        state |= {"fc.2.bias": torch.zeros(3), "fc.2.weight": torch.zeros(3, 10)}
    torch.save(state, tmp_path / "checkpoint.pth")
    assert found in run("info", tmp_path / "checkpoint.pth")[2]


def test_every_entry_that_does_not_fit_is_listed(tmp_path, run, canonical):
    source, target = tmp_path / "checkpoint.pth", tmp_path / "net.safetensors"
    state = dict(canonical)
    del state["features.norm5.bias"]
    del state["features.denseblock2.denselayer2.conv1.weight"]
    state["classifier.bias"] = torch.zeros(9)
    state["features.transition9.norm.weight"] = torch.zeros(3)
    torch.save(state, source)
    status, out, err = run("convert", source, target)
    assert (status, out) == (1, "")
    # The last layer of the second block reads 16/2 + 8 = 12 of 16 channels: the stem's
    # 8 and two layers' 4 + 4, of which the transition keeps 8, and one layer's 4.
    assert err.splitlines() == [
        f"python -m d2l_lite convert: {source}: weights do not fit the network:",
        "  features.denseblock2.denselayer2.conv1.weight: missing, expected "
        "(16, 12, 1, 1)",
        "  features.norm5.bias: missing, expected (16,)",
        "  classifier.bias: expected (10,), found (9,)",
        "  features.transition9.norm.weight: not in this network, found (3,)",
    ]
    assert not target.exists()


def test_without_frameworks(tmp_path, run, canonical, monkeypatch):
    pickled, safe, target = (tmp_path / name for name in ("a.pth", "safe", "target"))
    torch.save(canonical, pickled)
    weights.save(safe, {name: t.numpy() for name, t in canonical.items()}, {})
    for package in PACKAGES.values():
        monkeypatch.setitem(sys.modules, package, None)
    assert run("convert", pickled, target)[::2] == (
        1,
        f"python -m d2l_lite convert: {pickled}: a PyTorch file, which only PyTorch "
        "reads: pip install 'd2l-lite[pytorch]'\n",
    )
    assert run("convert", safe, target)[0] == 0
    assert_converted(target, canonical, "unknown")
    assert run("info", safe)[0] == 0


def test_half_of_a_framework_is_none(tmp_path, run, monkeypatch):
    monkeypatch.setitem(sys.modules, "flax", None)
    words = [
        "train",
        "--framework=jax",
        "--network=densenet",
        "--dataset=svhn",
        "--out",
    ]
    assert run(*words, tmp_path / "run")[::2] == (
        2,
        "python -m d2l_lite train: --framework jax: it is not installed: "
        "pip install 'd2l-lite[jax]'\n",
    )
    assert not (tmp_path / "run").exists()


def test_where_nothing_can_be_written(tmp_path, run, canonical):
    source = tmp_path / "checkpoint.pth"
    torch.save(canonical, source)
    before = sorted(tmp_path.rglob("*"))
    target = tmp_path / "missing" / "net.safetensors"
    assert run("convert", source, target)[::2] == (
        1,
        f"python -m d2l_lite convert: {target}: there is no folder {target.parent}\n",
    )
    assert "is not a file" in run("convert", source, tmp_path)[2]
    assert sorted(tmp_path.rglob("*")) == before


def test_no_permission(tmp_path, run, monkeypatch):
    """Simulated, because a test that runs as root is permitted everything."""

    def refuse(self, *arguments, **options):
        raise PermissionError(13, "Permission denied", str(self))

    monkeypatch.setattr(Path, "open", refuse)
    assert run("info", tmp_path / "secret")[::2] == (
        1,
        f"python -m d2l_lite info: {tmp_path / 'secret'}: Permission denied\n",
    )


def test_a_full_disk_leaves_the_old_file(tmp_path, canonical):
    source, target = tmp_path / "checkpoint.pth", tmp_path / "net.safetensors"
    torch.save(canonical, source)
    target.write_bytes(b"as before")
    # The system ends a file at ten kilobytes, as a full disk would.
    code = (
        "import resource, sys; from d2l_lite.command.command_line import main; "
        "resource.setrlimit(resource.RLIMIT_FSIZE, (10_000, 10_000)); "
        "sys.exit(main(sys.argv[1:]))"
    )
    result = subprocess.run(
        [sys.executable, "-c", code, "convert", source, target],
        capture_output=True,
        text=True,
    )
    message = f"python -m d2l_lite convert: {target}: File too large\n"
    assert (result.returncode, result.stderr) == (1, message)
    assert target.read_bytes() == b"as before"
    assert sorted(tmp_path.iterdir()) == [source, target]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ([], "Expected one of {train, plot, compare, convert, info, export, classify}"),
        (["convert"], "IN"),
        (["convert", "in"], "OUT"),
        (["info"], "FILE"),
        (["compare"], "name the folder of a run"),
        (["fly", "a"], "Unrecognized options: fly"),
    ],
)
def test_wrong_usage(arguments, message, capsys):
    with pytest.raises(SystemExit) as end:
        main(arguments)
    assert end.value.code == 2
    out, err = capsys.readouterr()
    assert out == "" and message in err


@pytest.mark.parametrize("command", ["train", "plot", "compare", "convert", "info"])
def test_help_shows_an_example(command, capsys):
    with pytest.raises(SystemExit) as end:
        main([command, "--help"])
    assert end.value.code == 0
    assert f"Example: python -m d2l_lite {command} " in capsys.readouterr().out


def test_the_command_line_imports_no_framework():
    code = (
        "import sys, d2l_lite.__main__; "
        f"print([p for p in {list(PACKAGES.values())} if p in sys.modules])"
    )
    command = [sys.executable, "-c", code]
    result = subprocess.run(command, capture_output=True, text=True)
    assert result.stdout == "[]\n"
