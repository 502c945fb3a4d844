"""python -m d2l_lite train, plot and compare: the recipe, the folder, every error."""

import json
import os
import re
import subprocess
import tomllib
from pathlib import Path

import numpy as np
import pytest
from few_images import few_images
from frameworks import FRAMEWORKS, d2l
from runs import finished

from d2l_lite.__main__ import main
from d2l_lite.command import command_line, compare, environment, train_options
from d2l_lite.networks import weights
from d2l_lite.training.history import History
from d2l_lite.training.state import TrainingDiverged

ROOT = Path(__file__).parents[2]
pytestmark = pytest.mark.skipif("pytorch" not in FRAMEWORKS, reason="needs PyTorch")


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    return few_images(tmp_path_factory.mktemp("data") / "few")


@pytest.fixture
def train(data, tmp_path, capsys, monkeypatch):
    """The command line in this process: (exit status, its output, its errors)."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("D2L_LITE_PROGRESS", "")

    def train(*words, **given):
        settings = {
            "framework": "pytorch",
            "network": "densenet",
            "dataset": "fashion-mnist",
            "data": data,
            "validation": 16,
            "epochs": 2,
            "out": "run",
        } | given
        for name, value in settings.items():
            if value is not None:
                words += (f"--{name.replace('_', '-')}", str(value))
        return command("train", *words)

    def command(*words):
        try:
            status = main(list(words))
        except SystemExit as exit:  # argparse's
            status = exit.code
        return status, *capsys.readouterr()

    train.command = command
    return train


# --- the recipe ---------------------------------------------------------------------


def chosen(folder):
    """The options of a run, as its folder has them."""
    return tomllib.loads((folder / "options.toml").read_text())


@pytest.mark.parametrize("dataset", train_options.DATASETS)
def test_the_papers_recipe_is_the_default(dataset):
    found = train_options.recipe(dataset)
    assert found["scale"] == "full"
    # Huang et al. 2017, section 4.2 (training) and 4.1 (data).
    assert (found["batch_size"], found["learning_rate"]) == (64, 0.1)
    assert (found["schedule"], found["weight_decay"]) == ("step", 1e-4)
    assert (found["momentum"], found["nesterov"]) == (0.9, True)
    digits = dataset == "svhn"
    assert found["epochs"] == (40 if digits else 300)
    held_out = {"svhn": 6000, "folder": 0.1}
    assert found["validation"] == held_out.get(dataset, 5000)
    # Dropout where the images are not augmented.
    assert found["augment"] is not digits
    assert found["dropout"] == (0.2 if digits else 0)
    assert (found["precision"], found["compile"]) == ("float32", False)


def test_what_is_not_typed_is_the_recipes(tmp_path, monkeypatch):
    def words(*typed):
        return train_options.defaults(typed)

    monkeypatch.delenv("D2L_LITE_SCALE", raising=False)
    usual = words("--dataset", "cifar10")
    assert {"--epochs=300", "--augment", "--scale=full"} < set(usual)
    assert {"--epochs=40", "--no-augment"} < set(words("--dataset", "svhn"))
    # A quick run holds fewer images out.
    quick = words("--dataset", "cifar10", "--scale", "quick")
    assert "--validation=400" in quick
    monkeypatch.setenv("D2L_LITE_SCALE", "quick")
    assert words("--dataset", "cifar10") == quick
    # Data of one's own are taken as they are.
    assert words("--dataset", "cifar10", "--data", ".") == usual
    # So is what a file says of the data set.
    path = tmp_path / "some.toml"
    text = 'dataset = "svhn"\nbatch-size = 32\ndata = "ü"\n'
    # Windows' editors put a mark in front.
    path.write_text(text, encoding="utf-8-sig", newline="\r\n")
    found = words("--config", str(path))
    assert {"--dataset=svhn", "--batch-size=32", "--epochs=40", "--data=ü"} < set(found)
    for encoding in ("utf-16", "latin-1"):
        path.write_text(text, encoding=encoding)
        with pytest.raises(
            train_options.OptionError, match=r"some.toml: .*0x.*: save it as UTF-8"
        ):
            words("--config", str(path))


def test_what_a_framework_reads_as_it_starts(train, monkeypatch):
    monkeypatch.delenv("OMP_WAIT_POLICY", raising=False)
    monkeypatch.setenv("XLA_PYTHON_CLIENT_PREALLOCATE", "true")
    assert train()[0] == 0
    assert os.environ["OMP_WAIT_POLICY"] == "PASSIVE"
    # What the caller has set stays.
    assert os.environ["XLA_PYTHON_CLIENT_PREALLOCATE"] == "true"


# --- the folder of a run ------------------------------------------------------------


def test_a_run_and_what_it_leaves(train, tmp_path, data):
    status, out, err = train("--schedule", "one-cycle", "--no-augment", seed=4)
    assert (status, err) == (0, "")
    lines = out.splitlines()
    assert [line[:9] for line in lines] == [
        "training ",
        "epoch 1/2",
        "epoch 2/2",
        "run: 2 ep",
    ]
    folder = tmp_path / "run"
    assert sorted(path.name for path in folder.glob("[!.]*")) == [
        "best.safetensors",
        "environment.json",
        "history.csv",
        "last.safetensors",
        "options.toml",
        "result.json",
        "state.safetensors",
    ]
    optional = {"freeze", "size", "weights"}
    assert set(chosen(folder)) == set(train_options.NAMES) - optional
    assert (chosen(folder)["seed"], chosen(folder)["augment"]) == (4, False)
    history = History.from_csv(folder / "history.csv")
    result = json.loads((folder / "result.json").read_text())
    best = result["best_epoch"] - 1
    assert history.validation_error[best] == min(history.validation_error)
    assert result["validation_accuracy"] == 1 - history.validation_error[best]
    # 64 images are left for training, one batch of an epoch.
    seconds = sum(history.seconds)
    assert result["images_per_second"] == pytest.approx(2 * 64 / seconds)
    assert result["parameters"] == 758_226
    assert 100 < result["peak_memory_mib"] < 100_000
    # The best network's accuracy on the 40 test images, by hand.
    net = d2l("pytorch").load(folder / "best.safetensors")
    test = d2l("pytorch").FashionMNIST(root=data, validation=16).test
    ((images, labels),) = test.batches(40)
    right = d2l("pytorch").predict(net, images).argmax(axis=1) == labels
    assert result["test_accuracy"] == right.mean()
    assert f"test accuracy {right.mean():.4f}" in lines[-1]


def test_versions_and_hardware_are_noted(train, tmp_path):
    train(epochs=1)
    (noted,) = json.loads((tmp_path / "run" / "environment.json").read_text())
    assert noted["versions"].keys() == {"python", "d2l_lite", "numpy", "torch"}
    assert noted["versions"]["numpy"] == np.__version__
    assert noted["command"].startswith("python -m d2l_lite")
    assert noted["cores"] >= 1
    assert noted["memory_mib"] > 500


def test_a_config_file_repeats_a_run(train, tmp_path):
    train(epochs=1)
    first = tmp_path / "run"
    status, *_ = train.command(
        "train", "--config", str(first / "options.toml"), "--out", "again", "--quiet"
    )
    assert status == 0
    again = tmp_path / "again"
    assert (again / "options.toml").read_text() == (first / "options.toml").read_text()
    for name in ("best.safetensors", "last.safetensors"):
        assert (again / name).read_bytes() == (first / name).read_bytes()


def test_the_command_line_comes_before_the_file(train, tmp_path):
    (tmp_path / "some.toml").write_text("epochs = 9\nlearning-rate = 1\nseed = 7\n")
    train(config="some.toml", epochs=1)
    found = chosen(tmp_path / "run")
    assert (found["epochs"], found["seed"]) == (1, 7)
    assert found["learning_rate"] == 1.0


def test_quiet_prints_the_result_alone(train):
    status, out, err = train("--quiet", epochs=1)
    assert (status, err) == (0, "")
    assert out.startswith("run: 1 epochs, best in epoch 1: validation accuracy 0.")
    assert len(out.splitlines()) == 1


def test_json_for_programs(train, tmp_path):
    _, out, _ = train("--json")
    *epochs, result = map(json.loads, out.splitlines())
    assert [list(row) for row in epochs] == 2 * [list(History.columns())]
    assert result == json.loads((tmp_path / "run" / "result.json").read_text())


def test_a_finished_run_is_reported_again(train, tmp_path):
    _, first, _ = train("--quiet")
    before = (tmp_path / "run" / "state.safetensors").stat().st_mtime_ns
    status, again, _ = train("--quiet", "--resume")
    assert (status, again) == (0, first)
    assert (tmp_path / "run" / "state.safetensors").stat().st_mtime_ns == before


def test_resume_needs_nothing_but_the_folder(train):
    _, first, _ = train("--quiet")
    assert train.command("train", "--resume", "--out", "run")[:2] == (0, first)


# --- what is refused ----------------------------------------------------------------


@pytest.mark.parametrize(
    ("words", "status", "message"),
    [
        (["--framework", "torch"], 2, "invalid choice 'torch'"),
        (["--framework", None], 2, "--framework {pytorch,"),
        (["--network", "densenet-bc-40"], 2, "nearest names: densenet-bc-40-12"),
        (["--dataset", "mnist"], 2, "invalid choice 'mnist'"),
        (["--epochs", "0"], 2, "--epochs 0: must be an integer, at least 1"),
        (["--batch-size", "x"], 2, "Error parsing --batch-size: "),
        (["--dropout", "1"], 2, "--dropout 1.0: must be a number"),
        (["--validation", "80"], 2, "--validation 80: must be an integer"),
        (["--epoch", "3"], 2, "Perhaps you meant: --epochs"),
        (["--devices", "-1"], 2, "--devices -1: must be an integer, at least 1"),
        (["--devices", "3"], 2, "take another --batch-size or number of devices"),
        (["--precision", "float16"], 2, "--precision float16: needs a CUDA GPU"),
        (["--learning-rate", "1e18"], 3, "the loss is nan with --learning-rate 1e+18"),
        (["--config", "none.toml"], 1, "none.toml: No such file or directory"),
        (["--data", "nowhere"], 1, "train-images-idx3-ubyte: not found, nor "),
    ],
)
def test_wrong_options(words, status, message, train, tmp_path):
    name, value = words
    changes = {name[2:].replace("-", "_"): value}
    if name == "--learning-rate":
        # The first step leaves huge weights, with which the second has no loss.
        changes["batch_size"] = 16
    found, out, err = train("--quiet", **changes)
    assert found == status
    # Without tyro's frame and line ends.
    assert message in " ".join(err.replace("│", " ").split())
    assert out == ""
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("epoch = 3", "some.toml: unknown option epoch; nearest names: epochs"),
        ("epochs = 3.5", "Error parsing --epochs: "),
        ("augment = 1", "Unrecognized options: 1"),
        ("learning_rate = true", "Missing value for argument '--learning-rate'"),
        ('schedule = "cosine"', "invalid choice 'cosine' for argument '--schedule'"),
        ("epochs 3", "some.toml: not a TOML file"),
    ],
)
def test_wrong_files_of_options(text, message, train, tmp_path):
    (tmp_path / "some.toml").write_text(text)
    status, _, err = train(config="some.toml", epochs=None)
    assert status == 2
    assert message in err
    assert "some.toml: " in err or "Options of the file of --config count" in err
    assert not (tmp_path / "run").exists()


def test_a_folder_with_a_run_is_not_overwritten(train):
    train("--quiet", epochs=1)
    status, _, err = train(epochs=1)
    assert status == 1
    assert "run: holds a run; go on with --resume, or name another" in err


def test_a_folder_with_something_else_is_left_alone(train, tmp_path):
    (tmp_path / "run").mkdir()
    (tmp_path / "run" / "notes.txt").write_text("mine")
    status, _, err = train()
    assert status == 1
    assert "is not empty and holds no run" in err
    assert [path.name for path in (tmp_path / "run").iterdir()] == ["notes.txt"]


def test_a_run_goes_on_with_its_own_options_only(train, tmp_path):
    train("--quiet", epochs=1)
    status, _, err = train("--resume", epochs=1, network="densenet-40-12", seed=5)
    assert status == 2
    assert "network is 'densenet' there, not 'densenet-40-12'" in err
    assert "seed is 0 there, not 5" in err
    elsewhere = few_images(tmp_path / "elsewhere")
    assert train("--resume", "--quiet", epochs=1, data=elsewhere)[0] == 0


@pytest.mark.parametrize("epochs", [0, 3])
def test_divergence(epochs, train, monkeypatch):
    history = History(**dict.fromkeys(History.columns(), list(range(1, epochs + 1))))

    def diverge(*_):
        raise TrainingDiverged(
            "step 9", "the loss is nan with learning_rate=1", history
        )

    monkeypatch.setattr(command_line, "train", diverge)
    status, _, err = train()
    assert status == 3
    kept = ", in another folder: this one keeps epoch 3, the last good one"
    assert err == (
        "python -m d2l_lite train: training diverged at step 9: the loss is nan with "
        f"--learning-rate 1; take a smaller --learning-rate{kept if epochs else ''}\n"
    )


@pytest.mark.parametrize(
    ("said", "typed"),
    [
        (
            "Trainer(compile=True, devices=2): leave compile out, or choose "
            "sync_batch_norm=False",
            "--compile --devices 2: leave compile out, or choose --no-sync-batch-norm",
        ),
        ("build('densenet-bc'): unknown", "--network densenet-bc: unknown"),
        (
            "FashionMNIST(scale='quick', root='/seed=1 x'): leave one out",
            "--scale quick --data /seed=1 x: leave one out",
        ),
        ("Trainer.fit: images of 1×1 pixels", "images of 1×1 pixels"),
        (
            "Trainer(schedule='cos'): choose from step",
            "--schedule cos: choose from step",
        ),
    ],
)
def test_arguments_are_the_options_that_were_typed(said, typed):
    assert train_options.as_typed(said) == typed


# --- going on -----------------------------------------------------------------------


@pytest.fixture
def unfinished(train, tmp_path):
    """A run of two epochs that has its state and no result yet."""
    train("--quiet", schedule="constant")
    (tmp_path / "run" / "result.json").unlink()
    return tmp_path / "run"


def content(folder):
    return {path.name: path.read_bytes() for path in folder.glob("[!.]*")}


@pytest.mark.parametrize("named", [True, False])
def test_a_run_goes_on_with_its_own_images_only(named, train, tmp_path, monkeypatch):
    images = few_images(tmp_path / "images")
    monkeypatch.delenv("D2L_LITE_SCALE", raising=False)
    monkeypatch.setenv("D2L_LITE_DATA", str(images))
    words = {"schedule": "constant", "data": images if named else None}
    train("--quiet", epochs=1, **words)
    before = content(tmp_path / "run")
    # One label of the test set.
    path = images / "t10k-labels-idx1-ubyte"
    path.write_bytes(path.read_bytes()[:-1] + b"\x07")
    status, _, err = train("--resume", epochs=2, **words)
    assert status == 2
    assert "run/state.safetensors: test set is '40 images, digest " in err
    assert "training set" not in err
    assert "go on with the run's own options and images, or train" in err
    assert content(tmp_path / "run") == before


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("seed = 0", "seed = 5", "seed is 0 there, not 5: go on with --seed=0, or tr"),
        ("batch_size = 64", "batch_size = 1", "batch_size is 64 there, not 1"),
        (
            "epochs = 2",
            "epochs = 1",
            "--epochs 1: 2 are finished; go on with --epochs 2",
        ),
        ("seed = 0", 'seed = "a"', "options.toml: --seed a: must be an integer"),
        ('"pytorch"', '"torch"', "--framework torch: choose from pytorch, "),
        (
            'network = "densenet"',
            "",
            "options.toml: has no network; where the state is, it",
        ),
        ("epochs = 2", "", "options.toml: has no epochs; where the state is, it"),
    ],
)
def test_options_that_were_edited(old, new, message, train, unfinished):
    path = unfinished / "options.toml"
    path.write_text(path.read_text().replace(old, new))
    before = content(unfinished)
    status, _, err = train.command("train", "--resume", "--out", "run")
    assert status in (1, 2)
    assert message in err
    assert content(unfinished) == before


def test_an_option_is_missing_before_there_is_a_state(train, unfinished, tmp_path):
    (tmp_path / "fresh").mkdir()
    options = (unfinished / "options.toml").read_text().replace("seed = 0\n", "")
    (tmp_path / "fresh/options.toml").write_text(options)
    words = "train", "--resume", "--out", "fresh", "--seed", "5"
    status, _, err = train.command(*words)
    assert status == 2
    assert "seed is None there, not 5: go on with the run's own options and" in err


def test_epochs_are_added_where_the_others_stay_the_same(train, tmp_path):
    for schedule in ("step", "one-cycle"):
        train("--quiet", schedule=schedule, out=schedule)
        before = content(tmp_path / schedule)
        status, _, err = train("--resume", schedule=schedule, out=schedule, epochs=3)
        assert status == 2
        assert f"finished epochs follow --schedule {schedule} over 2 and would" in err
        assert content(tmp_path / schedule) == before
    for folder, epochs in (("whole", [3]), ("longer", [2, 3])):
        for number in epochs:
            words = {"schedule": "constant", "out": folder, "epochs": number}
            status, out, _ = train("--quiet", "--resume", **words)
            assert status == 0 and out.startswith(f"{folder}: {number} epochs, ")
    assert finished(tmp_path / "longer") == finished(tmp_path / "whole")


def test_everything_but_the_state_can_be_made_anew(train, unfinished):
    before = finished(unfinished)
    for path in unfinished.glob("[!.]*"):
        if path.name != "state.safetensors":
            path.unlink()
    status, out, _ = train.command("train", "--resume", "--out", "run")
    assert status == 0 and "run: 2 epochs, " in out
    assert finished(unfinished) == before


def test_where_the_system_tells_little(train, tmp_path, monkeypatch):
    """As on Windows."""
    monkeypatch.delattr(os, "sysconf")
    monkeypatch.setattr(environment, "resource", None)
    assert train("--quiet", epochs=1)[0] == 0
    (noted,) = json.loads((tmp_path / "run" / "environment.json").read_text())
    assert noted["memory_mib"] == 0


def test_news_of_tensorflow_are_left_out(capfd):
    from d2l_lite.command import train as module

    with module._without_news():
        os.write(2, b"WARNING: All log messages before absl::InitializeLog() is\n")
        os.write(2, b"I0000 00:00:1.2 port.cc:153] on. You may see\nE0000 broken\n")
    assert capfd.readouterr().err == "E0000 broken\n"


# --- several runs -------------------------------------------------------------------


@pytest.fixture
def two_runs(train):
    train("--quiet", out="one")
    train("--quiet", out="two", epochs=1, seed=1)
    return "one", "two"


def test_compare_prints_a_table(train, two_runs, tmp_path):
    status, out, _ = train.command("compare", *two_runs)
    assert status == 0
    header, one, two = (line.split() for line in out.splitlines())
    assert header[:3] == ["run", "framework", "network"]
    result = json.loads((tmp_path / "one" / "result.json").read_text())
    accuracy = f"{result['test_accuracy']:.4f}"
    assert one[:6] == ["one", "pytorch", "densenet", "fashion-mnist", "758,226", "2/2"]
    assert one[7] == accuracy
    assert two[0] == "two" and two[5] == "1/1"


def test_a_run_in_progress_has_dashes(two_runs, tmp_path):
    (tmp_path / "one" / "result.json").unlink()
    row = compare.read(tmp_path / "one").row()
    assert row["test"] == row["images/s"] == row["MiB"] == "–"
    assert row["epochs"] == "2/2"
    (tmp_path / "one" / "history.csv").unlink()
    row = compare.read(tmp_path / "one").row()
    assert (row["epochs"], row["validation"], row["s/epoch"]) == ("0/2", "–", "–")


def test_runs_of_one_name_are_called_by_their_paths(train, two_runs, tmp_path):
    (tmp_path / "other").mkdir()
    (tmp_path / "two").rename(tmp_path / "other/one")
    status, out, _ = train.command("compare", "one", "other/one")
    assert status == 0
    assert [line.split()[0] for line in out.splitlines()] == ["run", "one", "other/one"]


def test_the_suffix_says_what_a_plot_is(train, two_runs, tmp_path):
    kinds = {"c.pdf": b"%PDF", "c.SVG": b"<?xml", "c.png": b"\x89PNG"}
    for name, start in kinds.items():
        drawn = []
        for _ in range(2):
            assert train.command("plot", *two_runs, "--out", name)[0] == 0
            drawn.append((tmp_path / name).read_bytes())
        assert drawn[0] == drawn[1]
        assert drawn[0].startswith(start)
    for name in ("c.jpg", "c", ".png"):
        status, _, err = train.command("plot", *two_runs, "--out", name)
        assert status == 2
        assert f"--out {name}: end its name in .png, .svg, .pdf" in err
        assert not (tmp_path / name).exists()


def test_nothing_to_plot(train, unfinished, tmp_path):
    (unfinished / "history.csv").unlink()
    status, _, err = train.command("plot", "run")
    assert status == 1 and "no run has finished an epoch yet" in err


def test_plot_draws_every_run(train, two_runs, tmp_path):
    status, out, _ = train.command("plot", *two_runs, "--out", "curves.png")
    assert (status, out) == (0, "curves.png: curves of one, two\n")
    assert (tmp_path / "curves.png").read_bytes().startswith(b"\x89PNG")
    loss, error = compare.curves([compare.read(name) for name in two_runs]).axes
    history = History.from_csv(tmp_path / "one" / "history.csv")
    assert list(loss.lines[0].get_ydata()) == history.validation_loss
    assert list(error.lines[1].get_ydata()) == history.train_error
    # One point makes no line: the second run has one epoch.
    assert [line.get_marker() for line in loss.lines] == ["None", "None", "o", "o"]
    labels = [text.get_text() for text in error.figure.legends[0].get_texts()]
    assert labels == ["one", "two"]


@pytest.mark.parametrize("command", ["plot", "compare"])
def test_a_folder_without_a_run(command, train, tmp_path):
    (tmp_path / "other").mkdir()
    status, _, err = train.command(command, "other")
    assert status == 1
    assert "other: holds no run of `python -m d2l_lite train`" in err
    assert not (tmp_path / "curves.png").exists()


def test_damaged_records_are_named(train, two_runs, tmp_path):
    folder, rng = tmp_path / "one", np.random.default_rng(0)
    damage = {"result.json": ["{", "[]", "null", '{"epochs": 2}'], "history.csv": [""]}
    damage |= {"environment.json": ["{}", "[1]"], "options.toml": ["x", "epochs = 2"]}
    for name, texts in damage.items():
        whole = (folder / name).read_bytes()
        lines = whole.splitlines(keepends=True)
        texts = [text.encode() for text in texts]
        if name == "history.csv":
            # A line that is missing, doubled, moved.
            texts += [b"".join(lines[:2]), whole + lines[-1], b"".join(lines[::-1])]
            texts.append(lines[0] + lines[2] + lines[1])
        for text in texts:
            (folder / name).write_bytes(text)
            status, out, err = train.command("compare", *two_runs)
            assert (status, out) == (1, ""), (name, text)
            assert f"one/{name}" in err and "`train --resume` makes" in err, err
        for at in rng.integers(len(whole), size=5):
            flipped = bytes([whole[at] ^ 1 << at % 8])
            for text in (whole[:at], whole[:at] + flipped + whole[at + 1 :]):
                (folder / name).write_bytes(text)
                # Without a traceback, whatever it is.
                for words in (["compare"], ["train", "--resume", "--quiet", "--out"]):
                    assert train.command(*words, "one")[0] in (0, 1, 2)
        (folder / name).write_bytes(whole)


def test_memory_is_counted_in_mib():
    before = environment.peak_memory()
    block = np.ones(256 * 2**20, np.uint8)
    assert environment.peak_memory() >= before
    assert environment.peak_memory() >= block.nbytes >> 20


def test_what_the_documented_commands_write_is_ignored():
    text = (ROOT / "book" / "command_line.md").read_text(encoding="utf-8")
    written = re.findall(
        r"--out (\S+)|convert \S+ (\S+)|d2l\.save\(net, \"(.+?)\"", text
    )
    paths = ["".join(one) for one in written]
    assert {"runs/short", "curves.png", "net.safetensors"} < set(paths)
    command = ["git", "check-ignore", "--no-index", *paths]
    ignored = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    assert ignored.stdout.splitlines() == paths


# --- from weights that there are ----------------------------------------------------


def test_training_goes_on_from_a_file_with_frozen_features(train, tmp_path):
    assert train(epochs=1)[0] == 0
    body = tmp_path / "run" / "best.safetensors"
    status, _, errors = train(
        out="fine", weights=body, freeze="features", epochs=1, learning_rate=0.01
    )
    assert status == 0, errors
    before, after = (
        weights.load(body),
        weights.load(tmp_path / "fine" / "best.safetensors"),
    )
    changed = {name for name in before if not np.array_equal(before[name], after[name])}
    assert changed == {"classifier.weight", "classifier.bias"}
    assert chosen(tmp_path / "fine")["freeze"] == "features"
    # It goes on as it began, and is no longer the same with another part frozen.
    again = {"out": "fine", "weights": body, "epochs": 1, "learning_rate": 0.01}
    assert train("--resume", freeze="features", **again)[0] == 0
    status, _, errors = train("--resume", freeze="conv0", **again)
    assert status == 2
    assert "freeze is 'features' there, not 'conv0'" in errors


@pytest.mark.parametrize(
    "given, message",
    [
        ({"weights": "nowhere.safetensors"}, "nowhere.safetensors"),
        ({"freeze": "head"}, "--freeze head: the model has no such part"),
        ({"weights": "densenet121", "dropout": 0.2}, "--dropout 0.2: with weights"),
        ({"network": "densenet-small", "weights": "w.safetensors"}, "holds densenet,"),
    ],
)
def test_weights_and_parts_that_do_not_fit(train, tmp_path, given, message):
    d2l("pytorch").save(d2l("pytorch").build("densenet"), tmp_path / "w.safetensors")
    status, _, errors = train(**given)
    assert status in (1, 2)
    assert message in errors
    assert not list(tmp_path.glob("run/*.safetensors"))
