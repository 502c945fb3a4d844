"""Records of races: read as they were written, and told without a wrong number."""

import json
from pathlib import Path

import pytest

from d2l_lite import DataError, speed

LONG = "a name that is longer than its column"


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """Ours 200 images/s against 100 and 190; and against 4000 s, ours 2."""

    def contender(name, ours, *values):
        return {"name": name, "ours": ours, "values": list(values), "peak": None}

    def ratio(median, low, high):
        return {"median": median, "low": low, "high": high, "goal": None}

    rate = {
        "framework": "jax",
        "task": "rate",
        "title": "images in a second",
        "unit": "images/s",
        "goal": 1.0,
        "flops": 1e6,
        "limits": {"matmul": 1000.0},
        "contenders": [
            contender("ours", True, 190.0, 210.0, 200.0),
            contender("peer", False, 100.0, 90.0, 110.0),
            contender(LONG, False, 190.0, 190.0, 190.0),
        ],
        "ratios": {"peer": ratio(2.0, 1.727, 2.333), LONG: ratio(1.05, 1.0, 1.1)},
    }
    start = {
        "framework": None,
        "task": "start",
        "title": "seconds",
        "unit": "s",
        "contenders": [contender("ours", True, 2.0), contender("peer", False, 4000.0)],
        "ratios": {"peer": ratio(2000.0, 2000.0, 2000.0)},
    }
    content = {
        "benchmark": "step",
        "command": "python -m benchmarks step",
        "date": "2026-11-22",
        "machine": {
            "processor": "P",
            "cores": 2,
            "memory": 8 * 2**30,
            "system": "Linux",
        },
        "packages": {"jax": "0.7.1"},
        "threads": 2,
        "rounds": 3,
        "limits": {"matmul": 1000.0},
        "races": [rate, start],
    }
    path = tmp_path / "step.json"
    path.write_text(json.dumps(content))
    return path


def test_what_was_measured_is_found_by_task_framework_and_name(path):
    record = speed.read_all(path.parent)["step"]
    race = record.of("rate")["jax"]
    assert race.ours.name == "ours" and race.ours.median == 200
    assert race["peer"].median == 100
    assert race.limits == {"matmul": 1000}
    assert record.of("start")[None]["peer"].median == 4000
    with pytest.raises(KeyError, match="no contender 'other'; there are ours, peer"):
        race["other"]


def test_a_table_has_medians_and_ratios_and_fits_a_telephone(path):
    lines = speed.table(speed.read(path).races).splitlines()
    assert max(map(len, lines)) <= 42
    assert [line.split() for line in lines] == [
        ["images", "in", "a", "second"],
        ["JAX", "images/s", "ours/this"],
        ["ours", "200"],
        ["peer", "100", "2.00", "1.73–2.33"],
        LONG.split(),
        ["190", "1.05", "1.00–1.10"],
        [],
        ["seconds"],
        ["s", "ours/this"],
        ["ours", "2.00"],
        ["peer", "4,000", "2000", "2000–2000"],
    ]


def test_races_of_one_title_stand_together(path):
    rate, start = speed.read(path).races
    lines = speed.table([rate, start, rate]).splitlines()
    assert lines.count("images in a second") == 1
    heads = [line.split()[0] for line in lines if "ours/this" in line]
    assert heads == ["JAX", "JAX", "s"]


def test_a_record_says_where_it_comes_from(path):
    assert str(speed.read(path)).splitlines() == [
        "python -m benchmarks step",
        "2026-11-22, 3 rounds, 2 threads",
        "P, 2 cores, 8 GiB",
        "jax 0.7.1",
    ]


@pytest.mark.parametrize(
    "value, text",
    [(123456, "123,000"), (1043.2, "1,040"), (99.96, "100"), (9.996, "10.0"),
     (0.98765, "0.988"), (0.01234, "0.012"), (0.0, "0.000")],
)  # fmt: skip
def test_numbers_have_three_digits(value, text):
    assert speed.number(value) == text


def test_bars_are_as_long_as_medians(path):
    figure = speed.bars(speed.read(path).races)
    rate, start = figure.axes
    assert [bar.get_width() for bar in rate.patches] == [200, 100, 190]
    assert [bar.get_width() for bar in start.patches] == [2, 4000]
    assert rate.get_title() == "JAX" and start.get_title() == "seconds"


@pytest.mark.parametrize("text", ["{", "{}", "[]", '{"races": [{}]}'])
def test_a_file_that_is_no_record_is_named(path, text):
    path.write_text(text)
    with pytest.raises(DataError, match="step.json: .*good copy"):
        speed.read(path)
