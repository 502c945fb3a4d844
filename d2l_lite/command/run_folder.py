"""The folder of a training: where it stands, its networks, and what it took."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
from filelock import FileLock, Timeout

from d2l_lite.command.environment import peak_memory
from d2l_lite.files import damaged, replacing
from d2l_lite.networks import weights
from d2l_lite.training.history import History
from d2l_lite.training.state import State, Step, TrainingDiverged

# Of state.safetensors; another one is not read.
FORMAT = 2
STATE, BEST, LAST = "state.safetensors", "best.safetensors", "last.safetensors"
HISTORY, RESULT = "history.csv", "result.json"
OPTIONS, ENVIRONMENT = "options.toml", "environment.json"


class RunError(ValueError):
    """A folder that holds no run, another one, or one that is in use."""


@dataclass
class RunFolder:
    """Keeps a training after each epoch, so that it goes on when its process has ended.

    `state.safetensors` has weights, velocities, the generator and the history. It is
    replaced whole, and alone decides where the training stands; the other files follow
    it, and those that a killed process did not come to are written on `start`.

    Explained in chapters/results.md.

    Args:
        folder: of the run, which exists.
        module: the framework's, `d2l_lite.pytorch` for example.
        writes: False in a process that trains along with the one that writes.
        begin: called by the one that writes when the model is ready to be trained.
    """

    folder: Path
    module: ModuleType
    writes: bool = True
    begin: Callable[[], None] = lambda: None
    peak: int = field(default=0, init=False)  # MiB, of earlier processes

    def start(self, model: Any, step: Step, state: State) -> State:
        """Put model and velocities where the run was left; `state` if it is new.

        Raises:
            RunError: the state is one of another network, framework or format.
            DataError: it is damaged.
        """
        if self.writes:
            self.begin()
        path = self.folder / STATE
        if not path.exists():
            return state
        try:
            arrays, metadata = weights.read(path)
        except weights.WeightsError as error:
            raise damaged(path, error) from None
        own = {"format": FORMAT, "framework": self._framework}
        for key, expected in own.items():
            if (found := metadata.get(key)) != expected:
                raise RunError(f"{path}: its {key} is {found}, not {expected}")
        try:
            self.module.set_weights(model, _part(arrays, "weights/"))
            velocities = _part(arrays, "velocities/")
            weights.check(velocities, {n: a.shape for n, a in step.read().items()})
        except weights.WeightsError as error:
            raise RunError(f"{path}: a run of another network: {error}") from None
        step.write(velocities)
        self.peak = metadata["peak_memory_mib"]
        history = History(**metadata["history"])
        if self.writes:
            self._write_readable(model, history)
        return State(metadata["generator"], history)

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
        arrays = {f"weights/{n}": a for n, a in self.module.get_weights(model).items()}
        arrays |= {f"velocities/{name}": array for name, array in step.read().items()}
        if not self.writes:
            return
        if not all(np.isfinite(array).all() for array in arrays.values()):
            where = f"the end of epoch {len(state.history)}"
            raise TrainingDiverged(where, "not all weights are finite", state.history)
        self.peak = self.peak_memory()
        metadata = {
            "format": FORMAT,
            "framework": self._framework,
            "generator": state.generator,
            "history": asdict(state.history),
            "peak_memory_mib": self.peak,
        }
        weights.save(self.folder / STATE, arrays, metadata)
        self._write_readable(model, state.history)

    @property
    def _framework(self) -> str:
        return self.module.__name__.rpartition(".")[2]

    def _write_readable(self, model: Any, history: History) -> None:
        self.module.save(model, self.folder / LAST)
        if best_epoch(history) == len(history):
            with replacing(self.folder / BEST, "wb") as file:
                file.write((self.folder / LAST).read_bytes())
        history.to_csv(self.folder / HISTORY)


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


@contextmanager
def locked(folder: Path) -> Iterator[None]:
    """Have a run's folder for this process alone; a killed process holds nothing.

    Raises:
        RunError: another process trains there.
        OSError: the folder cannot be made or written.
    """
    folder.mkdir(parents=True, exist_ok=True)
    try:
        with FileLock(folder / ".lock", timeout=0):
            # What a killed process was writing.
            for left in folder.glob(".*.part"):
                left.unlink()
            yield
    except Timeout:
        raise RunError(f"{folder}: another process is training there") from None
