"""The records of "Results": complete, nobody's machine in them, of one environment."""

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
NARROW = "densenet-bc-40-12-pytorch"
RUNS = (*PLAIN.values(), NARROW)


def test_nothing_is_missing_and_nothing_else_is_there():
    found = {
        path.relative_to(FOLDER).as_posix(): path.stat().st_size
        for path in FOLDER.rglob("*")
        if path.is_file()
    }
    expected = {f"{run}/{name}" for run in RUNS for name in FILES}
    assert set(found) == expected | {"published.csv", f"{NARROW}/best.safetensors"}
    assert max(found.values()) <= 1_000_000


@pytest.mark.parametrize("run", RUNS)
@pytest.mark.parametrize("name", sorted(FILES))
def test_no_place_of_a_machine_is_told(run, name):
    text = (FOLDER / run / name).read_text(encoding="utf-8")
    # A root, a home or a drive in front of a name.
    assert not re.findall(r"(?<![\w.])[/~]+\w+|\b[A-Za-z]:\\", text)


def test_the_four_differ_in_their_framework_alone():
    found = {f: compare.read(FOLDER / name).options for f, name in PLAIN.items()}
    assert set(found["pytorch"]) <= set(NAMES)
    assert found["pytorch"]["scale"] == "full"
    for framework, chosen in found.items():
        assert chosen == found["pytorch"] | {"framework": framework}


def test_all_runs_had_the_same_versions():
    known = {}
    for run in RUNS:
        record = compare.read(FOLDER / run)
        assert record.environment
        for process in record.environment:
            versions = process["versions"]
            assert set(VERSIONED[record.options["framework"]]) < set(versions)
            for name, version in versions.items():
                assert known.setdefault(name, version) == version


def test_the_network_that_comes_along_is_the_one_of_its_record():
    arrays, metadata = weights.read(FOLDER / NARROW / "best.safetensors")
    assert metadata["framework"] == "pytorch"
    described = zoo.describe({name: array.shape for name, array in arrays.items()})
    assert described["network"] == "densenet-bc-40-12"
    assert described["arguments"]["in_channels"] == 1
    # Of a trained network: the stem's statistics have moved away from 0 and 1.
    norm = "features.denseblock1.denselayer1.norm1"
    assert (arrays[f"{norm}.running_mean"] != 0).all()
    assert (arrays[f"{norm}.running_var"] != 1).all()
