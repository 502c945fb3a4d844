"""`python -m d2l_lite train`: the paper's recipe, in a folder that outlives a stop."""

import importlib
import os
from contextlib import nullcontext
from functools import partial
from pathlib import Path
from types import ModuleType
from typing import Any

from d2l_lite import devices, installation, installed
from d2l_lite.command import environment, train_options
from d2l_lite.command.run_folder import (
    BEST,
    ENVIRONMENT,
    OPTIONS,
    RESULT,
    RunError,
    RunFolder,
    best_epoch,
    locked,
)
from d2l_lite.command.train_options import DATASETS, OptionError, TrainOptions
from d2l_lite.files import read_json, write_json
from d2l_lite.training.history import History
from d2l_lite.training.trainer import Trainer

# Frameworks read these when they start; what the caller has set stays. A thread that
# waits sleeps: beside other work, PyTorch is much faster so.
SETTINGS = environment.SHARED_GPU | {"OMP_WAIT_POLICY": "PASSIVE"}


def train(
    options: TrainOptions,
    folder: Path,
    resume: bool = False,
    progress: str | None = None,
) -> dict[str, Any]:
    """Train in a folder; returns what its `result.json` holds.

    A process that trains along with the one that keeps the run gets an empty result.
    Explained in chapters/results.md.

    Args:
        options: what is trained on what.
        folder: of the run, which is made.
        resume: go on with the run in the folder, if there is one.
        progress: a mode of `d2l_lite.training.progress`.

    Raises:
        OptionError: an option that is wrong here, or other than the run's.
        RunError: a folder that holds something else, or is in use.
        DataError: data that are missing or damaged.
        TrainingDiverged: the last good state stays in the folder.
    """
    module = _framework(options)
    try:
        trainer = module.Trainer(**options.trainer(progress))
    except ValueError as error:
        raise OptionError(error) from None
    if trainer.primary:
        _check_folder(options, folder, resume)
    with locked(folder) if trainer.primary else nullcontext():
        if result := read_json(folder / RESULT, {}):
            return result
        begin = partial(_note, options, folder, module)
        run = RunFolder(folder, module, trainer.primary, begin)
        data = _data(options)
        history = _fit(options, trainer, data, run)
        return _tested(options, trainer, data, history, run) if trainer.primary else {}


def processes(options: TrainOptions) -> int:
    """How many processes the caller has to start for this training; 0 for none.

    PyTorch has one for each device; the others have all devices in one.

    Raises:
        OptionError: PyTorch is not installed.
    """
    count = options.devices
    if options.framework != "pytorch" or count == 1 or "RANK" in os.environ:
        return 0
    _check_installed("pytorch")
    return count


def _framework(options: TrainOptions) -> ModuleType:
    name = options.framework
    _check_installed(name)
    for setting, value in SETTINGS.items():
        os.environ.setdefault(setting, value)
    # Before the framework starts: then it is too late for virtual devices.
    devices.provide(name, options.devices)
    return importlib.import_module(f"d2l_lite.{name}")


def _check_installed(framework: str) -> None:
    if not installed(framework):
        needs = f"it is not installed: {installation(framework)}"
        raise OptionError(f"--framework {framework}: {needs}")


def _check_folder(options: TrainOptions, folder: Path, resume: bool) -> None:
    """Refuse a folder that holds another run, or anything else."""
    path = folder / OPTIONS
    if not path.exists():
        if folder.is_dir() and any(folder.glob("[!.]*")):
            problem = "is not empty and holds no run; name another folder"
            raise RunError(f"{folder}: {problem}")
    elif not resume:
        raise RunError(f"{folder}: holds a run; go on with --resume, or name another")
    else:
        before = train_options.read(path)
        other = [
            f"{name} is {before.get(name)!r} there, not {value!r}"
            for name, value in options.table().items()
            # The same files may be somewhere else by now.
            if name != "data" and before.get(name) != value
        ]
        if other:
            remedy = "leave it out, or train in another folder"
            raise OptionError(f"{path}: {'; '.join(other)}: {remedy}")


def _note(options: TrainOptions, folder: Path, module: ModuleType) -> None:
    """Write what was asked, and what computes it, into the run's folder."""
    train_options.write(folder / OPTIONS, options.table())
    environment.note(folder / ENVIRONMENT, options.framework, module.device())


def _data(options: TrainOptions) -> Any:
    # The paper's training set is the large one, section 4.1.
    large = options.dataset == "svhn" and options.scale == "full"
    try:
        return DATASETS[options.dataset](
            scale=options.scale,
            validation=options.validation,
            seed=options.seed,
            root=options.data,
            **({"extra": True} if large else {}),
        )
    except ValueError as error:
        raise OptionError(error) from None


def _fit(options: TrainOptions, trainer: Trainer, data: Any, run: RunFolder) -> History:
    """Train the network, or what is left of its training."""
    model = run.module.build(
        options.network,
        in_channels=data.train.images.shape[1],
        num_classes=len(data.classes),
        seed=options.seed,
        dropout=options.dropout,
        memory_efficient=options.memory_efficient,
    )
    try:
        return trainer.fit(model, data, run)
    except RunError:
        raise
    except ValueError as error:
        raise OptionError(error) from None


def _tested(
    options: TrainOptions, trainer: Trainer, data: Any, history: History, run: RunFolder
) -> dict[str, Any]:
    """Test the best network, once; write and return the result."""
    best = best_epoch(history)
    model = run.module.load(run.folder / BEST)
    loss, accuracy = trainer.evaluate(model, data.test)
    seconds = sum(history.seconds)
    result = {
        "framework": options.framework,
        "network": options.network,
        "dataset": options.dataset,
        "parameters": run.module.count_parameters(model),
        "epochs": len(history),
        "best_epoch": best,
        "validation_accuracy": history.validation_accuracy[best - 1],
        "test_loss": loss,
        "test_accuracy": accuracy,
        "training_seconds": seconds,
        "images_per_second": trainer.epoch_images(data.train) * len(history) / seconds,
        "peak_memory_mib": run.peak_memory(),
    }
    write_json(run.folder / RESULT, result)
    return result
