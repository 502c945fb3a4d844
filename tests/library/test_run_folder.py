"""Runs that outlive their process: killed at every moment, they end the same."""

import multiprocessing
import os
import re
import resource
import shutil
import signal
import time
from dataclasses import asdict, replace
from functools import cache, partial
from itertools import count
from pathlib import Path

import numpy as np
import pytest
import toy
from runs import finished, stamp

from d2l_lite import DataError
from d2l_lite.command import run_folder
from d2l_lite.command.run_folder import RunError, RunFolder, best_epoch, locked
from d2l_lite.networks import weights
from d2l_lite.training.history import History
from d2l_lite.training.state import TrainingDiverged

# So many that some kills come before the end, however late a busy machine sends them.
EPOCHS = 60
# Not by fork: other tests of this process may have started a framework's threads.
SPAWN = multiprocessing.get_context("spawn")


def fit(folder, epochs=2, model=None, module=toy):
    """Train the toy in a folder, from where the folder stands."""
    with locked(folder):
        keeper = RunFolder(folder, module)
        return toy.train(model or toy.toy_model(), epochs, keeper)


def start(folder, epochs, before):
    """What a process of its own does."""
    before()
    try:
        fit(folder, epochs)
    except (OSError, RunError) as error:
        # In one line: the test that limits files limits its captured errors too.
        raise SystemExit(str(error)) from None


def started(folder, epochs, before=int):
    """A process of its own that calls `before`, then `fit`."""
    running = SPAWN.Process(target=start, args=(folder, epochs, before))
    running.start()
    return running


def status(running):
    running.join()
    return running.exitcode


@pytest.fixture(scope="module")
def uninterrupted(tmp_path_factory):
    """What a run of so many epochs leaves behind."""

    @cache
    def run(epochs):
        folder = tmp_path_factory.mktemp("whole")
        fit(folder, epochs)
        return finished(folder)

    return run


def test_killed_at_random_moments(uninterrupted, tmp_path):
    folder, rng, kills = tmp_path / "run", np.random.default_rng(0), 0
    for _ in range(500):
        before = stamp(folder)
        running = started(folder, EPOCHS)
        # From its first checkpoint on it writes most of the time.
        while running.is_alive() and stamp(folder) == before:
            time.sleep(0.001)
        time.sleep(rng.uniform(0, 0.05))
        running.kill()
        if (ended := status(running)) == 0:
            break
        assert ended == -signal.SIGKILL
        kills += 1
    assert kills >= 3
    assert finished(folder) == uninterrupted(EPOCHS)
    assert not list(folder.glob(".*.part"))


def die_at(stop):
    """Have this process die as by kill -9 at a change of a file's name.

    Of change number n the moment 2n − 1 is before it, 2n right after it.
    """
    rename, moments = Path.replace, count(1)

    def moment():
        if next(moments) == stop:
            os.kill(os.getpid(), signal.SIGKILL)

    def replace(path, target):
        moment()
        renamed = rename(path, target)
        moment()
        return renamed

    Path.replace = replace


# An epoch's end gives four files their names: both epochs have the best network so far.
@pytest.mark.parametrize("stop", range(1, 17))
def test_killed_between_any_two_files(stop, uninterrupted, tmp_path):
    assert status(started(tmp_path, 2, partial(die_at, stop))) == -signal.SIGKILL
    fit(tmp_path)
    assert finished(tmp_path) == uninterrupted(2)


def test_an_uninterrupted_run_is_what_fit_gives_without_a_folder(tmp_path):
    def trained(keeper=None):
        model = toy.toy_model()
        history = toy.train(model, 4, keeper)
        return model["weight"].tolist(), [row[:-1] for row in history.rows()]

    assert trained(RunFolder(tmp_path, toy)) == trained()


def test_a_full_disk_loses_nothing(uninterrupted, tmp_path, capfd):
    # Killed before the second epoch is kept: its state will be larger than this one.
    assert status(started(tmp_path, 2, partial(die_at, 9))) == -signal.SIGKILL
    before = (tmp_path / "state.safetensors").read_bytes()

    limit = len(before) - 1
    full = partial(resource.setrlimit, resource.RLIMIT_FSIZE, (limit, limit))
    assert status(started(tmp_path, 2, full)) == 1
    error = capfd.readouterr().err
    assert "File too large" in error and "state.safetensors" in error
    assert (tmp_path / "state.safetensors").read_bytes() == before
    assert not list(tmp_path.glob(".*.part"))
    fit(tmp_path)
    assert finished(tmp_path) == uninterrupted(2)


def test_the_state_alone_restores_the_files_for_readers(tmp_path, monkeypatch):
    # The best network is not the last: no other file than the state has it.
    monkeypatch.setattr(run_folder, "best_epoch", lambda history: 1)
    fit(tmp_path)
    before = finished(tmp_path)
    last = weights.load(tmp_path / "last.safetensors")["weight"]
    assert (weights.load(tmp_path / "best.safetensors")["weight"] != last).any()
    (tmp_path / "best.safetensors").write_bytes(b"damaged")
    for name in ("last.safetensors", "history.csv"):
        (tmp_path / name).unlink()
    model = toy.toy_model()
    fit(tmp_path, model=model)
    assert finished(tmp_path) == before
    assert (model["weight"] == last).all()


def test_a_start_that_fails_leaves_everything_as_it_was(tmp_path):
    def fail(folder, *others):
        with pytest.raises(ValueError), locked(folder):
            (folder / "options.toml").write_text("seed = 0")
            for path in others:
                path.parent.mkdir(exist_ok=True)
                path.write_text("not the run's")
            raise ValueError("batch size")

    fail(tmp_path / "runs" / "one")
    assert not list(tmp_path.iterdir())
    others = tmp_path / "runs/one/gpu.log", tmp_path / "runs/two/options.toml"
    fail(tmp_path / "runs" / "one", *others)
    left = {path for path in (tmp_path / "runs").rglob("*") if path.is_file()}
    assert left == set(others)
    shutil.rmtree(tmp_path / "runs")
    (tmp_path / "history.csv").write_text("mine")
    fail(tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["history.csv"]
    # What has been kept stays.
    (tmp_path / "history.csv").unlink()
    fit(tmp_path)
    names = {path.name for path in tmp_path.iterdir()} | {"options.toml"}
    fail(tmp_path)
    assert {path.name for path in tmp_path.iterdir()} == names


def test_one_process_at_a_time(tmp_path, capfd):
    with locked(tmp_path):
        assert status(started(tmp_path, 1)) == 1
    error = capfd.readouterr().err
    assert f"{tmp_path}: another process is training there" in error


def test_weights_that_are_no_numbers_are_not_kept(tmp_path):
    class Spoiled(toy.SoftmaxTrainer):
        """Each of its steps has a finite loss; the last leaves weights without one."""

        def prepare(self, model):
            step = super().prepare(model)

            def train(*batch):
                result = step(*batch)
                if len(self.steps()) == 2 * 8:
                    model["weight"][0, 0] = np.inf
                return result

            return replace(step, train=train)

        def evaluate(self, model, image_set):
            return 0.5, 0.5

    trainer = Spoiled(max_epochs=2, batch_size=8, progress="none")
    message = "diverged at the end of epoch 2: not all weights are finite"
    with pytest.raises(TrainingDiverged, match=message) as error:
        trainer.fit(toy.toy_model(), toy.toy_data(), RunFolder(tmp_path, toy))
    assert error.value.history.epoch == [1]
    arrays, metadata = weights.read(tmp_path / "state.safetensors")
    assert metadata["history"]["epoch"] == [1]
    assert np.isfinite(arrays["weights/weight"]).all()


# --- what cannot be continued -------------------------------------------------------


@pytest.fixture
def kept(tmp_path):
    """A folder with the state of two epochs of the toy."""
    fit(tmp_path)
    return tmp_path


def test_a_state_of_another_network(kept):
    model = {"weight": np.zeros((3, 2)), "bias": np.zeros(2)}
    with pytest.raises(RunError, match=r"another network: .*\n  bias: missing"):
        fit(kept, model=model)


def test_a_state_of_another_framework(kept):
    class Other:
        __name__ = "d2l_lite.other"

    with pytest.raises(RunError, match="its framework is toy, not other"):
        fit(kept, module=Other())


def test_a_state_of_another_format(kept):
    path = kept / "state.safetensors"
    arrays, metadata = weights.read(path)
    weights.save(path, arrays, metadata | {"format": 2})
    with pytest.raises(RunError, match="its format is 2, not 3: finish it with the ve"):
        fit(kept)


def test_no_damage_to_a_state_goes_unnoticed(kept):
    path, run = kept / "state.safetensors", RunFolder(kept, toy)
    whole, said = path.read_bytes(), re.escape(f"{path}: ")
    for at in range(0, len(whole), 5):
        path.write_bytes(whole[:at])
        with pytest.raises(DataError, match=said):
            RunFolder(kept, toy)
        flipped = bytes([whole[at] ^ 1 << at % 8])
        path.write_bytes(whole[:at] + flipped + whole[at + 1 :])
        try:
            found = RunFolder(kept, toy)
        except (DataError, RunError) as error:
            assert re.match(said, str(error))
        else:
            # A number that is spelled otherwise: 1E-05.
            assert found.kept == run.kept
            assert found.arrays.keys() == run.arrays.keys()
            for name, array in run.arrays.items():
                np.testing.assert_array_equal(found.arrays[name], array)


def test_without_its_state_a_run_is_not_begun_anew(kept):
    (kept / "state.safetensors").unlink()
    before = {path: path.read_bytes() for path in kept.iterdir()}
    with pytest.raises(RunError, match="not found, .* anew and overwrite best.safete"):
        fit(kept)
    assert {path: path.read_bytes() for path in kept.iterdir()} == before


# --- the best epoch -----------------------------------------------------------------


def test_the_best_epoch_has_the_smallest_error_then_the_smallest_loss():
    history = History()
    for epoch, (error, loss) in enumerate([(0.3, 1), (0.2, 0.9), (0.2, 0.8)], start=1):
        values = dict.fromkeys(History.columns(), 0.0)
        values |= {"validation_error": error, "validation_loss": loss}
        history.append(**values | {"epoch": epoch})
    assert best_epoch(history) == 3
    first = {name: values[:1] for name, values in asdict(history).items()}
    assert best_epoch(History(**first)) == 1


def test_memory_is_the_accelerators_where_it_counts_its_own(tmp_path, monkeypatch):
    run = RunFolder(tmp_path, toy)
    own = run.peak_memory()
    assert 10 < own < 100_000
    # 3 GiB, then less again: the most counts, also in a later process of the run.
    monkeypatch.setattr(toy.backend, "peak_memory", lambda: 3 << 30)
    fit(tmp_path, 1)
    monkeypatch.setattr(toy.backend, "peak_memory", lambda: 2 << 30)
    assert RunFolder(tmp_path, toy).peak_memory() == 2048
    later = RunFolder(tmp_path, toy)
    toy.train(toy.toy_model(), 2, later)
    assert later.peak_memory() == 3072
