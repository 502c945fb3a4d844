"""The records of "Results": complete, nobody's machine in them, of one environment."""

import csv
import re
from pathlib import Path

import pytest

from d2l_lite.command import compare
from d2l_lite.command.environment import VERSIONED
from d2l_lite.command.train_options import NAMES
from d2l_lite.networks import weights, zoo

ROOT = Path(__file__).parents[2]
FOLDER = ROOT / "chapters" / "files" / "results"
FILES = {"options.toml", "environment.json", "history.csv", "result.json"}
PLAIN = {framework: f"densenet-{framework}" for framework in VERSIONED}
SMALL = {framework: f"densenet-small-{framework}" for framework in VERSIONED}
TRAINED = "densenet-small-pytorch"
SEEDS = {seed: f"densenet-small-tensorflow-seed-{seed}" for seed in (1, 2)}
AGAIN = {seed: f"densenet-jax-seed-{seed}" for seed in (1, 2)}
CIFAR = (
    "cifar10-pytorch",
    "cifar10-tensorflow",
    "cifar10-small-32-pytorch",
    "cifar10-small-32-pytorch-64-epochs",
)
LONGER = {framework: f"{name}-40-epochs" for framework, name in SMALL.items()}
WIDER = "densenet-small-32-pytorch"
# The four plain networks were trained first, with the versions of that day.
LATER = (
    *SMALL.values(),
    *SEEDS.values(),
    *AGAIN.values(),
    *CIFAR,
    *LONGER.values(),
    WIDER,
    "densenet-bc-40-12-pytorch",
)
RUNS = (*PLAIN.values(), *LATER)
TABLES = {"bottleneck.csv", "published.csv", "speed.csv", "stems.csv"}


def test_nothing_is_missing_and_nothing_else_is_there():
    found = {
        path.relative_to(FOLDER).as_posix(): path.stat().st_size
        for path in FOLDER.rglob("*")
        if path.is_file()
    }
    expected = {f"{run}/{name}" for run in RUNS for name in FILES}
    assert set(found) == expected | TABLES | {f"{TRAINED}/best.safetensors"}
    assert max(found.values()) <= 1_000_000


@pytest.mark.parametrize("run", RUNS)
@pytest.mark.parametrize("name", sorted(FILES))
def test_no_place_of_a_machine_is_told(run, name):
    text = (FOLDER / run / name).read_text(encoding="utf-8")
    # A root, a home or a drive in front of a name.
    assert not re.findall(r"(?<![\w.])[/~]+\w+|\b[A-Za-z]:\\", text)


@pytest.mark.parametrize("names", [PLAIN, SMALL, LONGER])
def test_the_four_differ_in_their_framework_alone(names):
    found = {f: compare.read(FOLDER / name).options for f, name in names.items()}
    assert set(found["pytorch"]) <= set(NAMES)
    assert found["pytorch"]["scale"] == "full"
    for framework, chosen in found.items():
        assert chosen == found["pytorch"] | {"framework": framework}


@pytest.mark.parametrize(
    ("first", "seeds"), [(SMALL["tensorflow"], SEEDS), (PLAIN["jax"], AGAIN)]
)
def test_seeds_differ_in_nothing_else(first, seeds):
    options = compare.read(FOLDER / first).options
    for seed, name in seeds.items():
        assert compare.read(FOLDER / name).options == options | {"seed": seed}


def test_twice_the_work_is_spent_by_one_recipe():
    first = compare.read(FOLDER / TRAINED).options
    longer = compare.read(FOLDER / LONGER["pytorch"]).options
    assert longer == first | {"epochs": 40}
    wider = compare.read(FOLDER / WIDER).options
    assert wider == first | {"epochs": 10, "network": "densenet-small-32"}


def test_photographs_were_learned_by_one_recipe():
    records = (compare.read(FOLDER / name) for name in CIFAR)
    first, second, wide, longer = (record.options for record in records)
    assert second == first | {"framework": "tensorflow", "precision": "float32"}
    assert wide == first | {"network": "densenet-small-32", "weight_decay": 5e-4}
    assert longer == wide | {"epochs": 64}


@pytest.mark.parametrize("runs", [PLAIN.values(), LATER])
def test_runs_that_are_compared_had_the_same_versions(runs):
    known = {}
    for run in runs:
        record = compare.read(FOLDER / run)
        assert record.environment
        for process in record.environment:
            versions = process["versions"]
            assert set(VERSIONED[record.options["framework"]]) < set(versions)
            for name, version in versions.items():
                assert known.setdefault(name, version) == version


def test_the_network_that_comes_along_is_the_one_of_its_record():
    arrays, metadata = weights.read(FOLDER / TRAINED / "best.safetensors")
    assert metadata["framework"] == "pytorch"
    described = zoo.describe({name: array.shape for name, array in arrays.items()})
    assert described["network"] == "densenet-small"
    assert described["arguments"]["in_channels"] == 1
    # Of a trained network: the stem's statistics have moved away from 0 and 1.
    norm = "features.denseblock1.denselayer1.norm1"
    assert (arrays[f"{norm}.running_mean"] != 0).all()
    assert (arrays[f"{norm}.running_var"] != 1).all()


def rows_of(name):
    with (FOLDER / name).open(encoding="utf-8") as file:
        return list(csv.DictReader(line for line in file if line[0] != "#"))


def test_the_two_stems_differ_by_hand():
    # 49 and 9 weights for each of 64 maps; the small one has no norm of its own.
    photographs, small = 758_226, 758_226 - 40 * 64 - 2 * 64
    rows = rows_of("stems.csv")
    assert [(row["small_inputs"], int(row["parameters"])) for row in rows] == [
        *3 * [("False", photographs)],
        *3 * [("True", small)],
    ]
    assert [row["test_accuracy"] != "" for row in rows] == 2 * [False, False, True]


def test_speed_is_known_of_each_framework():
    rows = rows_of("speed.csv")
    assert [row["framework"] for row in rows] == list(VERSIONED)
