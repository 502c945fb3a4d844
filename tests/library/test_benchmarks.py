"""The harness of the benchmarks: turns, comparisons, records, and what goes wrong."""

import json
import os
import sys
from dataclasses import replace
from types import SimpleNamespace

import pytest

from benchmarks import __main__ as command
from benchmarks import contender, machine, race, record
from benchmarks.races import BENCHMARKS
from benchmarks.workload import Workload

# By name what a fake contender does; in its process it is a module of contenders.
FAKE = """
import os, sys, time
from pathlib import Path
from benchmarks import contenders


def turns(log, name, values):
    values = iter(values)

    def measure():
        print("a library prints this")
        with Path(log).open("a") as file:
            file.write(name)
        return next(values)

    print("set up", file=sys.stderr)
    return measure


def given():
    threads = int(os.environ["OMP_NUM_THREADS"])
    return lambda: 10 * threads + len(os.sched_getaffinity(0))


sys.modules["benchmarks.contenders.fake"] = sys.modules[__name__]
"""


@pytest.fixture
def fake(tmp_path, monkeypatch):
    """Makes contenders that write their names into the file `log` in their turns."""
    # Python imports a module of this name in every process that starts.
    (tmp_path / "sitecustomize.py").write_text(FAKE)
    monkeypatch.setenv("PYTHONPATH", f"{tmp_path}:{race.ROOT}")

    def make(name: str, *values: float, **options) -> race.Entry:
        words = {"log": str(tmp_path / "log"), "name": name, "values": values}
        return race.Entry(name, "fake.turns", words, **options)

    return make


def fake_race(*entries: race.Entry, unit: str = "images/s", **options) -> race.Race:
    return race.Race(None, "fake", "a fake task", unit, entries, **options)


def test_contenders_take_turns_and_none_is_always_first(fake, tmp_path) -> None:
    a, b, c = fake("a", 1, 2, 3), fake("b", 4, 5, 6), fake("c", 7, 8, 9)
    reached = race.run(fake_race(a, b, c), rounds=3)
    assert (tmp_path / "log").read_text() == "abc" + "cba" + "abc"
    values = [found.values for found in reached.contenders]
    assert values == [(1, 2, 3), (4, 5, 6), (7, 8, 9)]


def test_ratios_are_taken_round_by_round(fake) -> None:
    ours, peer = fake("ours", 10, 30, 20, ours=True), fake("peer", 5, 10, 20)
    reached = race.run(fake_race(ours, peer, goal=2.5), rounds=3)
    # 10/5, 30/10 and 20/20; medians alone would say 20/10.
    assert reached.ratios == {"peer": record.Ratio(2, 1, 3, 2.5)}
    assert reached.missed() == ["peer: 2.00 of 2.5"]
    assert "ours/this 2.00 [1.00 … 3.00]" in reached.lines()[2]


def test_less_is_better_where_the_unit_says_so(fake) -> None:
    ours, peer = fake("ours", 2, 4, ours=True), fake("peer", 6, 4, goal=1.5)
    reached = race.run(fake_race(ours, peer, unit="s", goal={"at_most": 3}), rounds=2)
    # 6/2 and 4/4.
    assert reached.ratios == {"peer": record.Ratio(2, 1, 3, 1.5)}
    assert reached.missed() == []
    assert "this/ours 2.00 [1.00 … 3.00]" in reached.lines()[2]
    assert replace(reached, goal={"at_most": 2.9}).missed() == ["3 s, at most 2.9"]


def test_a_limit_does_not_compete(fake) -> None:
    ours, limit = fake("ours", 50, ours=True), fake("matmul", 100, limit=True)
    reached = race.run(fake_race(ours, limit), rounds=1)
    assert [found.name for found in reached.contenders] == ["ours"]
    assert reached.limits == {"matmul": 100}
    assert reached.ratios == {}


def test_a_contender_that_dies_is_named_with_what_it_wrote(fake) -> None:
    # The second round finds no value any more.
    with pytest.raises(race.RaceError, match="peer ended before") as raised:
        race.run(fake_race(fake("ours", 1, 2), fake("peer", 1)), rounds=2)
    assert "StopIteration" in str(raised.value)
    assert "set up" in str(raised.value)
    missing = race.Entry("nobody", "nowhere.nothing")
    with pytest.raises(race.RaceError, match="No module named 'benchmarks.contenders"):
        race.run(fake_race(missing), rounds=1)


@pytest.mark.skipif(not hasattr(os, "sched_getaffinity"), reason="Linux has it")
def test_contenders_have_the_threads_and_cores_of_their_entry(
    fake, monkeypatch
) -> None:
    monkeypatch.setenv("OMP_NUM_THREADS", "7")
    forks, before = [], os.sched_getaffinity(0)
    # JAX, which is loaded where other tests have used it, warns at each.
    os.register_at_fork(before=lambda: forks.append(True))
    usual, one = (race.Entry(str(n), "fake.given", threads=n) for n in (2, 1))
    reached = race.run(fake_race(usual, one), rounds=1)
    values = [found.values for found in reached.contenders]
    assert values == [(20 + min(2, len(before)),), (10 + 1,)]
    assert not forks
    assert os.sched_getaffinity(0) == before


def test_the_value_of_a_turn_follows_from_its_seconds(monkeypatch) -> None:
    module = SimpleNamespace(work=lambda workload: lambda: None)
    monkeypatch.setitem(sys.modules, "benchmarks.contenders.fake", module)
    # Five steps of 20 images in 0.25 s: 400 images/s, 50 ms a step.
    workload = Workload("densenet", size=32, batch_size=20, steps=5)
    clock = iter([10.0, 10.25] * 3)
    monkeypatch.setattr(contender.time, "perf_counter", lambda: next(clock))
    for unit, value in (("images/s", 400), ("s", 0.25), ("ms", 50)):
        measure = contender.set_up("fake.work", unit, {"workload": workload})
        assert measure() == value


def test_a_record_says_all(fake, tmp_path, monkeypatch, capsys) -> None:
    raced = fake_race(fake("ours", 4, 4, ours=True), fake("peer", 2, 1), goal=1)
    benchmark = race.Benchmark([raced], rounds=2, packages=("filelock",))
    monkeypatch.setitem(BENCHMARKS, "fake", benchmark)
    monkeypatch.setattr(command, "FIGURES", tmp_path / "figures")
    assert command.main(["fake", "--output", str(tmp_path)]) == 0
    assert "ours/this 3.00 [2.00 … 4.00]" in capsys.readouterr().out
    written = json.loads((tmp_path / "fake.json").read_text(encoding="utf-8"))
    assert written["command"] == "python -m benchmarks fake"
    assert written["machine"] == machine.describe()
    assert set(written["packages"]) == {"python", "numpy", "filelock"}
    assert written["races"][0]["contenders"][1]["values"] == [2, 1]
    assert written["races"][0]["ratios"]["peer"]["median"] == 3
    assert (tmp_path / "figures" / "fake.svg").stat().st_size > 0


def test_a_failure_leaves_the_record_alone(fake, tmp_path, monkeypatch, capsys) -> None:
    benchmark = race.Benchmark([fake_race(fake("ours"))], rounds=1)
    monkeypatch.setitem(BENCHMARKS, "fake", benchmark)
    assert command.main(["fake", "--output", str(tmp_path)]) == 1
    assert "fake: ours ended before" in capsys.readouterr().err
    assert not (tmp_path / "fake.json").exists()


def test_a_gpu_is_what_nvidia_smi_names(tmp_path, monkeypatch, capsys) -> None:
    asked = tmp_path / "nvidia-smi"
    monkeypatch.setenv("PATH", str(tmp_path), prepend=":")
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    monkeypatch.delenv("D2L_DRY_RUN", raising=False)

    def answers(script: str) -> dict[str, str]:
        asked.write_text(f"#!/bin/sh\n{script}\n")
        asked.chmod(0o755)
        return machine.gpu()

    two = "echo NVIDIA T4, 550.54\necho NVIDIA L4, 550.54"
    assert answers(two) == {"gpu": "NVIDIA T4", "driver": "550.54"}
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "")
    assert answers(two) == {}
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES")
    # So it is on machines that have the driver's programs only.
    assert answers("echo no devices were found; exit 6") == {}
    assert command.main(["gpu", "--output", str(tmp_path)]) == 0
    assert capsys.readouterr().out == "gpu: no GPU here, nvidia-smi names none\n"
    assert not (tmp_path / "gpu.json").exists()


def test_an_unknown_name_gets_the_known_ones(capsys) -> None:
    with pytest.raises(SystemExit) as exit:
        command.main(["quickest"])
    assert exit.value.code == 2
    assert "no benchmark 'quickest'; choose from compiling," in capsys.readouterr().err
