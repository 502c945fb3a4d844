"""python -m d2l_lite train, plot and compare: the recipe, the folder, every error."""

import json
import os
import tomllib

import numpy as np
import pytest
from few_images import few_images
from frameworks import FRAMEWORKS, d2l

from d2l_lite.__main__ import main
from d2l_lite.command import compare, environment, train_options
from d2l_lite.training.history import History

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
    assert found["validation"] == (6000 if digits else 5000)
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
    assert set(chosen(folder)) == set(train_options.NAMES)
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
        (["--epochs", "0"], 2, "Trainer(max_epochs=0): must be an integer, at least 1"),
        (["--batch-size", "x"], 2, "Error parsing --batch-size: "),
        (["--dropout", "1"], 2, "build(dropout=1.0): must be a number"),
        (["--validation", "80"], 2, "FashionMNIST(validation=80): must be an integer"),
        (["--epoch", "3"], 2, "Perhaps you meant: --epochs"),
        (["--devices", "-1"], 2, "Trainer(devices=-1): must be an integer, at least 1"),
        (["--devices", "3"], 2, "64 images cannot be shared equally by 3 devices"),
        (["--precision", "float16"], 2, "Trainer(precision='float16'): "),
        (["--config", "none.toml"], 1, "none.toml: No such file or directory"),
        (["--data", "nowhere"], 1, "train-images-idx3-ubyte: not found, nor "),
    ],
)
def test_wrong_options(words, status, message, train, tmp_path):
    name, value = words
    found, out, err = train(**{name[2:].replace("-", "_"): value})
    assert found == status
    # Without tyro's frame and line ends.
    assert message in " ".join(err.replace("│", " ").split())
    assert out == ""
    assert not list(tmp_path.glob("run/[!.]*"))


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


def test_divergence(train, tmp_path):
    # The first step leaves huge weights, with which the second has no loss.
    status, _, err = train(learning_rate=1e18, batch_size=16)
    assert status == 3
    assert "train: training diverged at step 2, in epoch 1: the loss is nan" in err
    assert "in another folder: this one keeps the last good state" in err
    assert not (tmp_path / "run" / "result.json").exists()


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


def test_plot_draws_every_run(train, two_runs, tmp_path):
    status, out, _ = train.command("plot", *two_runs, "--out", "curves.png")
    assert (status, out) == (0, "curves.png: curves of one, two\n")
    assert (tmp_path / "curves.png").read_bytes().startswith(b"\x89PNG")
    loss, error = compare.curves([compare.read(name) for name in two_runs]).axes
    history = History.from_csv(tmp_path / "one" / "history.csv")
    assert list(loss.lines[0].get_ydata()) == history.validation_loss
    assert list(error.lines[1].get_ydata()) == history.train_error
    labels = [text.get_text() for text in error.figure.legends[0].get_texts()]
    assert labels == ["one", "two"]


@pytest.mark.parametrize("command", ["plot", "compare"])
def test_a_folder_without_a_run(command, train, tmp_path):
    (tmp_path / "other").mkdir()
    status, _, err = train.command(command, "other")
    assert status == 1
    assert "other: holds no run of `python -m d2l_lite train`" in err
    assert not (tmp_path / "curves.png").exists()


def test_a_damaged_record_is_named(train, two_runs, tmp_path):
    (tmp_path / "one" / "result.json").write_text("{")
    status, _, err = train.command("compare", *two_runs)
    assert status == 1
    assert "result.json: not a JSON file" in err


def test_memory_is_counted_in_mib():
    before = environment.peak_memory()
    block = np.ones(256 * 2**20, np.uint8)
    assert environment.peak_memory() >= before
    assert environment.peak_memory() >= block.nbytes >> 20
