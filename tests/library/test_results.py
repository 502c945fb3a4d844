"""The records of "Results": complete, consistent, and of the pinned versions."""

import csv
import re
from pathlib import Path

import numpy as np
import pytest

from d2l_lite.command import compare, options
from d2l_lite.command.environment import VERSIONED
from d2l_lite.networks import weights, zoo
from d2l_lite.networks.summary import stages
from d2l_lite.training.schedules import one_cycle

ROOT = Path(__file__).parents[2]
FOLDER = ROOT / "chapters" / "files" / "results"
NAMES = {"options.toml", "environment.json", "history.csv", "result.json"}
PLAIN = {framework: f"densenet-{framework}" for framework in VERSIONED}
NARROW = "densenet-bc-40-12-pytorch"
RUNS = (*PLAIN.values(), NARROW)
# 55,000 images in batches of 64, the last, smaller one left out.
STEPS = 859


@pytest.fixture(params=RUNS)
def record(request):
    return compare.read(FOLDER / request.param)


def pins() -> dict[str, str]:
    text = (ROOT / "requirements.txt").read_text(encoding="utf-8")
    return dict(re.findall(r"^([\w-]+)==([\w.]+)", text, re.MULTILINE))


def test_nothing_is_missing_and_nothing_else_is_there() -> None:
    found = {
        path.relative_to(FOLDER).as_posix()
        for path in FOLDER.rglob("*")
        if path.is_file()
    }
    expected = {f"{run}/{name}" for run in RUNS for name in NAMES}
    assert found == expected | {"published.csv", f"{NARROW}/best.safetensors"}


def test_weights_are_small() -> None:
    for path in FOLDER.rglob("*.safetensors"):
        assert path.stat().st_size <= 1_000_000


@pytest.mark.parametrize("run", RUNS)
@pytest.mark.parametrize("name", sorted(NAMES))
def test_no_place_of_a_machine_is_told(run: str, name: str) -> None:
    text = (FOLDER / run / name).read_text(encoding="utf-8")
    # A root, a home or a drive in front of a name.
    assert not re.findall(r"(?<![\w.])[/~]+\w+|\b[A-Za-z]:\\", text)


def test_the_four_differ_in_their_framework_alone() -> None:
    found = {f: compare.read(FOLDER / name).options for f, name in PLAIN.items()}
    for framework, chosen in found.items():
        assert chosen == found["pytorch"] | {"framework": framework}
    assert found["pytorch"]["network"] == "densenet"
    assert found["pytorch"]["scale"] == "full"


def test_what_the_options_leave_out_is_the_recipe(record) -> None:
    shortened = {"epochs", "schedule", "precision", "compile", "checkpoint_every"}
    for name, value in options.RECIPE.items():
        if name not in shortened:
            assert record.options.get(name, value) == value


def test_the_command_asks_for_these_options(record) -> None:
    for process in record.environment:
        words = process["command"].split()
        assert words[:4] == ["python", "-m", "d2l_lite", "train"]
        for name, value in record.options.items():
            flag = options.OPTIONS[name].flag
            if flag in words and not isinstance(value, bool):
                assert words[words.index(flag) + 1] == str(value)
        assert words[words.index("--out") + 1] == record.name


def test_every_epoch_is_there(record) -> None:
    epochs = record.options["epochs"]
    assert record.history.epoch == list(range(1, epochs + 1))
    assert record.result["epochs"] == epochs
    for values in (record.history.train_loss, record.history.validation_loss):
        assert np.isfinite(values).all()
    assert min(record.history.seconds) > 0


def test_the_plain_network_had_the_epochs_of_the_chapter() -> None:
    for name in PLAIN.values():
        assert len(compare.read(FOLDER / name).history) == 20


def test_errors_are_shares_of_the_images_that_were_counted(record) -> None:
    for errors, count in (
        (record.history.train_error, STEPS * 64),
        (record.history.validation_error, 5_000),
        ([1 - record.result["test_accuracy"]], 10_000),
    ):
        wrong = count * np.array(errors)
        np.testing.assert_allclose(wrong, wrong.round(), atol=1e-6)
        assert wrong.min() > 0 and wrong.max() < count


def test_the_rate_is_that_of_each_epochs_last_step(record) -> None:
    chosen, epochs = record.options, record.options["epochs"]
    assert chosen["schedule"] == "one-cycle"
    rates = [
        chosen["learning_rate"] * one_cycle(epoch * STEPS - 1, epochs * STEPS)
        for epoch in record.history.epoch
    ]
    np.testing.assert_allclose(record.history.learning_rate, rates, rtol=1e-12)


def test_the_best_epoch_is_that_of_fewest_validation_errors(record) -> None:
    history, best = record.history, record.result["best_epoch"] - 1
    least = min(history.validation_error)
    assert history.validation_error[best] == least
    for error, loss in zip(history.validation_error, history.validation_loss):
        assert error > least or loss >= history.validation_loss[best]
    assert record.result["validation_accuracy"] == 1 - least


def test_the_result_agrees_with_options_and_history(record) -> None:
    result, chosen = record.result, record.options
    for name in ("framework", "network", "dataset"):
        assert result[name] == chosen[name]
    assert record.name == f"{chosen['network']}-{chosen['framework']}"
    seconds = sum(record.history.seconds)
    assert result["training_seconds"] == pytest.approx(seconds)
    images = STEPS * 64 * len(record.history)
    assert result["images_per_second"] == pytest.approx(images / seconds)
    parts = stages(chosen["network"], 32, in_channels=1)
    assert result["parameters"] == sum(part.parameters for part in parts)


def test_versions_are_the_pinned_ones(record) -> None:
    pinned = pins()
    assert record.environment
    for process in record.environment:
        versions = process["versions"]
        assert set(VERSIONED[record.options["framework"]]) < set(versions)
        for name in set(versions) - {"python", "d2l_lite"}:
            # "2.13.0+cpu" is a build of 2.13.0.
            assert versions[name].partition("+")[0] == pinned[name]
        assert process["cores"] == 1


def test_the_network_that_comes_along_is_the_one_of_its_record() -> None:
    arrays, metadata = weights.read(FOLDER / NARROW / "best.safetensors")
    assert metadata["framework"] == "pytorch"
    described = zoo.describe({name: array.shape for name, array in arrays.items()})
    assert described["network"] == "densenet-bc-40-12"
    assert described["arguments"]["in_channels"] == 1
    # Of a trained network: the stem's statistics have moved away from 0 and 1.
    norm = "features.denseblock1.denselayer1.norm1"
    assert (arrays[f"{norm}.running_mean"] != 0).all()
    assert (arrays[f"{norm}.running_var"] != 1).all()


def test_published_results_name_their_source() -> None:
    text = (FOLDER / "published.csv").read_text(encoding="utf-8")
    assert text.startswith("# ")
    assert "issues 10 and 153" in text.splitlines()[0]
    first, second = csv.DictReader(text.splitlines()[1:])
    assert first["network"] == "DenseNet-BC k=12 L=100"
    assert (first["test_accuracy"], second["test_accuracy"]) == ("0.9536", "0.939")
    # The zoo's network of this name is the one: 768 thousand for a single channel.
    parts = stages("densenet-bc-100-12", 32, in_channels=1)
    parameters = sum(part.parameters for part in parts)
    assert parameters // 1000 == int(first["params_thousands"])
    for row in (first, second):
        number = re.search(r"issue (\d+)$", row["source"])
        assert number and number[1] in ("10", "153")
