"""The folder of a training: where it stands, its networks, and what it took."""

import contextlib
import hashlib
import json
import math
from collections.abc import Callable, Iterator, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
from filelock import FileLock, Timeout

from d2l_lite import DataError
from d2l_lite.command.environment import peak_memory
from d2l_lite.files import damaged, read_json, replacing
from d2l_lite.networks import weights
from d2l_lite.training.history import History
from d2l_lite.training.state import State, Step, TrainingDiverged

# Of state.safetensors; another one is not read.
FORMAT = 3
STATE, BEST, LAST = "state.safetensors", "best.safetensors", "last.safetensors"
HISTORY, RESULT = "history.csv", "result.json"
OPTIONS, ENVIRONMENT = "options.toml", "environment.json"
# What a run writes before its first state.
OWN = (OPTIONS, ENVIRONMENT, HISTORY, BEST, LAST, ".lock")
# The numbers of result.json that are read again, and the most that each can be.
NUMBERS = {
    "parameters": math.inf,
    "epochs": math.inf,
    "best_epoch": math.inf,
    "validation_accuracy": 1,
    "test_accuracy": 1,
    "images_per_second": math.inf,
    "peak_memory_mib": math.inf,
}


class RunError(ValueError):
    """A folder that holds no run, another one, or one that is in use."""


@dataclass
class RunFolder:
    """Keeps a training after each epoch, so that it goes on when its process has ended.

    `state.safetensors` has weights, velocities, the weights of the best epoch, the
    generator, the history, what the training was asked for, and a checksum of all. It
    is replaced whole, and alone decides where the training stands; the other files
    follow it, and those that a killed process did not come to are written on `start`.

    Explained in chapters/results.md.

    Args:
        folder: of the run, which exists.
        module: the framework's, `d2l_lite.pytorch` for example.
        writes: False in a process that trains along with the one that writes.

    Attributes:
        kept: what the state in the folder says beside its arrays; empty if it is new.
        about: what the training was asked for; each state has it.
        data: the data set, for the metadata of the networks; None leaves them out.
        begin: called by the one that writes when the model is ready to be trained.

    Raises:
        RunError: the state is one of another format or framework.
        DataError: it is damaged.
    """

    folder: Path
    module: ModuleType
    writes: bool = True

    def __post_init__(self) -> None:
        self.about: dict[str, Any] = {}
        self.data: Any = None
        self.begin: Callable[[], None] = lambda: None
        self.peak = 0  # MiB, of earlier processes
        self.path = self.folder / STATE
        self.arrays, self.kept = (
            read_state(self.path) if self.path.exists() else ({}, {})
        )
        if (found := self.kept.get("framework", self._framework)) != self._framework:
            raise RunError(
                f"{self.path}: its framework is {found}, not {self._framework}"
            )

    def start(self, model: Any, step: Step, state: State) -> State:
        """Put model and velocities where the run was left; `state` if it is new.

        Raises:
            RunError: the state is one of another network, or is missing.
        """
        if not self.kept:
            self._check_new()
            if self.writes:
                self.begin()
            return state
        current, velocities, self.best = (
            _part(self.arrays, part) for part in ("weights/", "velocities/", "best/")
        )
        self.arrays = {}
        try:
            self.module.set_weights(model, current)
            weights.check(velocities, {n: a.shape for n, a in step.read().items()})
        except weights.WeightsError as error:
            raise RunError(f"{self.path}: a run of another network: {error}") from None
        step.write(velocities)
        self.peak = self.kept["peak_memory_mib"]
        history = History(**self.kept["history"])
        if self.writes:
            self.begin()
            self.module.set_weights(model, self.best)
            self.module.save(model, self.folder / BEST, self.data)
            self.module.set_weights(model, current)
            self._write_readable(model, history)
        return State(self.kept["generator"], history)

    @property
    def finished(self) -> int:
        """The number of epochs in the state that the folder had; 0 without one."""
        return len(self.kept["history"]["epoch"]) if self.kept else 0

    def _check_new(self) -> None:
        names = (BEST, LAST, HISTORY, RESULT)
        left = [name for name in names if (self.folder / name).exists()]
        if left:
            raise RunError(
                f"{self.path}: not found, and without it the training would begin anew "
                f"and overwrite {', '.join(left)}; put it back, or name another folder"
            )

    def peak_memory(self) -> int:
        """MiB held at most, by the run's earlier processes too.

        Of the accelerator's memory where the framework counts that, else the process's.
        """
        device = self.module.backend.peak_memory()
        return max(self.peak, peak_memory() if device is None else device >> 20)

    def keep(self, model: Any, step: Step, state: State) -> None:
        """Replace the state by a newer one, and the files for readers with it.

        Raises:
            TrainingDiverged: a weight or velocity is no finite number; the state stays.
        """
        # By all processes: some engines gather what they read.
        current, velocities = self.module.get_weights(model), step.read()
        if not self.writes:
            return
        history, arrays = state.history, [*current.values(), *velocities.values()]
        if not all(np.isfinite(array).all() for array in arrays):
            before = {name: column[:-1] for name, column in asdict(history).items()}
            where, problem = f"the end of epoch {len(history)}", "not all weights are "
            raise TrainingDiverged(where, problem + "finite", History(**before))
        if best_epoch(history) == len(history):
            self.best = current
        self.peak = self.peak_memory()
        parts = {"weights": current, "velocities": velocities, "best": self.best}
        arrays = {f"{p}/{n}": a for p, found in parts.items() for n, a in found.items()}
        metadata = {
            "format": FORMAT,
            "framework": self._framework,
            "about": self.about,
            "generator": state.generator,
            "history": asdict(history),
            "peak_memory_mib": self.peak,
        }
        metadata["checksum"] = _checksum(arrays, metadata)
        weights.save(self.path, arrays, metadata)
        self._write_readable(model, history)

    @property
    def _framework(self) -> str:
        return self.module.__name__.rpartition(".")[2]

    def _write_readable(self, model: Any, history: History) -> None:
        self.module.save(model, self.folder / LAST, self.data)
        if best_epoch(history) == len(history):
            with replacing(self.folder / BEST, "wb") as file:
                file.write((self.folder / LAST).read_bytes())
        history.to_csv(self.folder / HISTORY)


def read_state(path: Path) -> tuple[weights.Weights, dict[str, Any]]:
    """A state's arrays and metadata.

    Raises:
        RunError: it is of another format.
        DataError: it is not what was written.
    """
    try:
        arrays, metadata = weights.read(path)
    except ValueError as error:
        raise DataError(f"{error}; replace it by a good copy") from None
    if type(found := metadata.get("format")) is int and found < FORMAT:
        raise RunError(
            f"{path}: its format is {found}, not {FORMAT}: finish it with the version "
            "that environment.json names, or train in another folder"
        )
    if metadata.pop("checksum", None) != _checksum(arrays, metadata):
        raise damaged(path, "its content and its checksum do not agree")
    return arrays, metadata


def _checksum(arrays: weights.Weights, metadata: Mapping[str, Any]) -> str:
    """Of all names, types, shapes and numbers."""
    found = hashlib.blake2b(json.dumps(metadata, sort_keys=True).encode())
    for name, array in sorted(arrays.items()):
        found.update(f"{name} {array.dtype.name} {array.shape}".encode())
        found.update(array.tobytes())
    return found.hexdigest()


def _part(arrays: weights.Weights, prefix: str) -> dict[str, np.ndarray]:
    return {
        name.removeprefix(prefix): array
        for name, array in arrays.items()
        if name.startswith(prefix)
    }


def best_epoch(history: History) -> int:
    """The epoch of smallest validation error, of equal ones that of smaller loss."""
    rows = zip(history.validation_error, history.validation_loss, history.epoch)
    return min(rows)[2]


@contextlib.contextmanager
def remade(path: Path) -> Iterator[None]:
    """Say of a damaged file of a run, any but the state, what to do about it."""
    try:
        yield
    except (ValueError, DataError) as error:
        remedy = "where the state is, it can be removed: `train --resume` makes it anew"
        raise DataError(f"{error}; {remedy}") from None


def read_result(folder: Path) -> dict[str, Any]:
    """What a run's `result.json` holds, nothing if there is none.

    Raises:
        DataError: it is damaged.
    """
    path = folder / RESULT
    if not path.exists():
        return {}
    with remade(path):
        result = read_json(path, {})
        for name, most in NUMBERS.items():
            value = result.get(name) if isinstance(result, dict) else None
            if type(value) not in (int, float) or not 0 <= value <= most:
                raise damaged(path, f"{name} is {value!r}")
    return result


def read_environment(folder: Path) -> list[dict[str, Any]]:
    """What a run's `environment.json` holds, nothing if there is none.

    Raises:
        DataError: it is damaged.
    """
    path = folder / ENVIRONMENT
    with remade(path):
        found = read_json(path, [])
        if type(found) is not list or not all(type(one) is dict for one in found):
            raise damaged(path, "not a list of objects")
    return found


@contextlib.contextmanager
def locked(folder: Path) -> Iterator[None]:
    """Have a run's folder for this process alone; a killed process holds nothing.

    What fails before an epoch is kept leaves everything as it was.

    Raises:
        RunError: another process trains there.
        OSError: the folder cannot be made or written.
    """
    made = [path for path in (folder, *folder.parents) if not path.exists()]
    folder.mkdir(parents=True, exist_ok=True)
    before = set(folder.iterdir())
    try:
        with FileLock(folder / ".lock", timeout=0):
            # What a killed process was writing.
            for left in folder.glob(".*.part"):
                left.unlink()
            try:
                yield
            except Exception:
                if not (folder / STATE).exists():
                    _remove({folder / name for name in OWN} - before, made)
                raise
    except Timeout:
        raise RunError(f"{folder}: another process is training there") from None


def _remove(files: set[Path], folders: list[Path]) -> None:
    for remove, paths in ((Path.unlink, files), (Path.rmdir, folders)):
        for path in paths:
            # Folders may hold other files; Windows keeps the lock's while it is held.
            with contextlib.suppress(OSError):
                remove(path)
