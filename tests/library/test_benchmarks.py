"""The harness of the benchmarks: turns, comparisons, records, and what goes wrong."""

import json
import os

import pytest

from benchmarks import __main__ as command
from benchmarks import machine, race, races, record
from benchmarks.contenders.tasks import Task, convolutions, flops
from benchmarks.entries import limits, ours, peer
from d2l_lite.networks.summary import stages

FAKE = """
import sys
from pathlib import Path
from benchmarks.contender import serve

log, name, values = Path(sys.argv[1]), sys.argv[2], iter(sys.argv[3:])

def measure():
    print("a library prints this")
    with log.open("a") as file:
        file.write(name)
    return float(next(values))

print("set up", file=sys.stderr)
serve(lambda: measure)
"""


@pytest.fixture
def entry(tmp_path, monkeypatch):
    """Makes contenders that write their names into the file `log` in their turns."""
    (tmp_path / "fake_contender.py").write_text(FAKE)
    monkeypatch.setenv("PYTHONPATH", f"{tmp_path}:{race.ROOT}")

    def make(name: str, *values: float, **options) -> race.Entry:
        words = (str(tmp_path / "log"), name, *map(str, values))
        return race.Entry(name, "fake_contender", words, **options)

    return make


def fake_race(*entries: race.Entry, unit: str = "images/s", **options) -> race.Race:
    return race.Race(None, "fake", "a fake task", unit, entries, **options)


def test_contenders_take_turns_and_none_is_always_first(entry, tmp_path) -> None:
    a, b, c = entry("a", 1, 2, 3), entry("b", 4, 5, 6), entry("c", 7, 8, 9)
    reached = race.run(fake_race(a, b, c), rounds=3)
    assert (tmp_path / "log").read_text() == "abc" + "cba" + "abc"
    assert [found.values for found in reached.contenders] == [
        (1, 2, 3),
        (4, 5, 6),
        (7, 8, 9),
    ]


def test_ratios_are_taken_round_by_round(entry) -> None:
    ours, peer = entry("ours", 10, 30, 20, ours=True), entry("peer", 5, 10, 20)
    reached = race.run(fake_race(ours, peer, goal=2.5), rounds=3)
    # 10/5, 30/10 and 20/20; medians alone would say 20/10.
    assert reached.ratios == {"peer": record.Ratio(2, 1, 3, 2.5)}
    assert reached.missed() == ["peer: 2.00 of 2.5"]


def test_less_is_better_where_the_unit_says_so(entry) -> None:
    ours, peer = entry("ours", 2, 4, ours=True), entry("peer", 6, 4, goal=1.5)
    reached = race.run(fake_race(ours, peer, unit="s", goal={"at_most": 3}), rounds=2)
    # 6/2 and 4/4.
    assert reached.ratios == {"peer": record.Ratio(2, 1, 3, 1.5)}
    assert reached.missed() == []
    strict = race.run(fake_race(ours, unit="s", goal={"at_most": 2.9}), rounds=2)
    assert strict.missed() == ["3 s, at most 2.9"]


def test_a_limit_is_no_contender_but_a_measure_of_them(entry) -> None:
    ours, limit = entry("ours", 50, ours=True), entry("matmul", 100, limit=True)
    reached = race.run(fake_race(ours, limit, flops=5e8), rounds=1)
    assert [found.name for found in reached.contenders] == ["ours"]
    assert reached.limits == {"matmul": 100}
    # 50 images of half a GFLOP each, of 100 GFLOP/s.
    assert reached.contenders[0].limit == 0.25


def test_what_a_failing_contender_wrote_is_shown(entry) -> None:
    # The second round finds no value any more.
    with pytest.raises(race.RaceError, match="peer ended before") as raised:
        race.run(fake_race(entry("ours", 1, 2), entry("peer", 1)), rounds=2)
    assert "StopIteration" in str(raised.value)
    assert "set up" in str(raised.value)
    missing = race.Entry("nobody", "no_such_module")
    with pytest.raises(race.RaceError, match="No module named no_such_module"):
        race.run(fake_race(missing), rounds=1)


def test_contenders_have_the_same_threads(monkeypatch, tmp_path) -> None:
    (tmp_path / "threads.py").write_text(
        "import os\n"
        "from benchmarks.contender import serve\n"
        "serve(lambda: lambda: int(os.environ['OMP_NUM_THREADS']))\n"
    )
    monkeypatch.setenv("PYTHONPATH", f"{tmp_path}:{race.ROOT}")
    monkeypatch.setenv("OMP_NUM_THREADS", "7")
    reached = race.run(fake_race(race.Entry("a", "threads")), rounds=1)
    assert reached.contenders[0].values == (race.THREADS,)


@pytest.mark.skipif(not hasattr(os, "sched_getaffinity"), reason="Linux has it")
def test_contenders_start_without_a_fork_and_have_the_same_cores(
    monkeypatch, tmp_path
) -> None:
    (tmp_path / "cores.py").write_text(
        "import os\n"
        "from benchmarks.contender import serve\n"
        "serve(lambda: lambda: len(os.sched_getaffinity(0)))\n"
    )
    monkeypatch.setenv("PYTHONPATH", f"{tmp_path}:{race.ROOT}")
    forks, before = [], os.sched_getaffinity(0)
    # JAX, which is loaded where other tests have used it, warns at each.
    os.register_at_fork(before=lambda: forks.append(True))
    reached = race.run(fake_race(race.Entry("a", "cores")), rounds=1)
    assert reached.contenders[0].values == (min(race.THREADS, len(before)),)
    assert not forks
    assert os.sched_getaffinity(0) == before


def test_a_record_says_all_and_reads_back(entry, tmp_path, monkeypatch, capsys) -> None:
    fake = fake_race(entry("ours", 4, 4, ours=True), entry("peer", 2, 1), goal=1)
    benchmark = race.Benchmark([fake], rounds=2, packages=("filelock",))
    monkeypatch.setattr(races, "names", lambda: ["fake"])
    monkeypatch.setattr(races, "find", {"fake": benchmark}.get)
    monkeypatch.setattr(command, "FIGURES", tmp_path / "figures")
    assert command.main(["fake", "--output", str(tmp_path)]) == 0
    assert "ours/this 3.00 [2.00 … 4.00]" in capsys.readouterr().out
    text = (tmp_path / "fake.json").read_text(encoding="utf-8")
    written = json.loads(text)
    assert written["command"] == "python -m benchmarks fake"
    assert written["machine"] == machine.describe()
    assert set(written["packages"]) == {"python", "numpy", "filelock"}
    assert written["races"][0]["ratios"]["peer"]["median"] == 3
    assert (tmp_path / "figures" / "fake.svg").stat().st_size > 0
    record.Record.read(tmp_path / "fake.json").write(tmp_path / "again.json")
    assert (tmp_path / "again.json").read_text(encoding="utf-8") == text


def test_a_failure_leaves_the_record_alone(entry, tmp_path, monkeypatch, capsys):
    benchmark = race.Benchmark([fake_race(entry("ours"))], rounds=1)
    monkeypatch.setattr(races, "names", lambda: ["fake"])
    monkeypatch.setattr(races, "find", {"fake": benchmark}.get)
    assert command.main(["--output", str(tmp_path)]) == 1
    assert "fake: ours ended before" in capsys.readouterr().err
    assert not (tmp_path / "fake.json").exists()


def test_an_unknown_name_gets_the_known_ones(capsys) -> None:
    with pytest.raises(SystemExit) as exit:
        command.main(["quickest"])
    assert exit.value.code == 2
    assert "no benchmark 'quickest'; choose from" in capsys.readouterr().err


def test_every_benchmark_can_be_run() -> None:
    for name in races.names():
        benchmark = races.find(name)
        keys = [(found.framework, found.task) for found in benchmark.races]
        assert len(keys) == len(set(keys)) > 0
        for found in benchmark.races:
            names = [entry.name for entry in found.entries]
            assert len(names) == len(set(names))
            for entry in found.entries:
                path = race.ROOT / f"{entry.module.replace('.', '/')}.py"
                assert path.is_file()


@pytest.mark.parametrize(
    ("network", "size"), [("densenet", 32), ("densenet", 96), ("densenet121", 224)]
)
def test_convolutions_are_all_of_the_networks_arithmetic(network, size) -> None:
    classifier = stages(network, size)[-1].multiply_adds
    whole = sum(stage.multiply_adds for stage in stages(network, size))
    found = convolutions(network, size)
    assert sum(c.multiply_adds for c in found) == whole - classifier
    task = Task(network, size, batch_size=1, steps=1)
    assert flops(task, training=False) == 2 * (whole - classifier)


# Alone of the four, for it starts within seconds and is there on every machine.
def test_contenders_train_in_pytorch() -> None:
    task = Task("densenet", size=32, batch_size=2, steps=1)
    entries = [
        ours("Trainer", "pytorch", "train", task),
        peer("bare loop", "pytorch", "bare", task, goal=0.98),
        limits("pytorch", "training", task)[1],
    ]
    tiny = race.Race("pytorch", "tiny", "two images", "images/s", entries)
    reached = race.run(tiny, rounds=1)
    assert all(found.values[0] > 0 for found in reached.contenders)
    assert reached.limits["convolutions"] > 0


RECORDS = sorted(record.FOLDER.glob("*.json"))


def test_records_name_no_place_of_a_machine() -> None:
    for path in RECORDS:
        text = path.read_text(encoding="utf-8")
        assert "/home" not in text and "/tmp" not in text and "/root" not in text


def test_records_are_of_todays_races_and_of_a_processor_that_can_be() -> None:
    for path in RECORDS:
        kept = record.Record.read(path)
        assert kept.benchmark == path.stem
        for reached in kept.races:
            assert all(len(c.values) == kept.rounds for c in reached.contenders)
            # Nothing computes faster than a plain matrix product.
            assert all(c.limit is None or 0 < c.limit < 1 for c in reached.contenders)
        names = {
            (found.framework, found.task): {
                e.name for e in found.entries if not e.limit
            }
            for found in races.find(path.stem).races
        }
        for reached in kept.races:
            found = {contender.name for contender in reached.contenders}
            assert found == names[reached.framework, reached.task]
