"""`python -m d2l_lite train`: the paper's recipe, in a folder that outlives a stop."""

import importlib
import os
import shlex
import sys
from collections.abc import Mapping
from contextlib import nullcontext
from functools import partial
from pathlib import Path
from types import ModuleType
from typing import Any

from d2l_lite import PACKAGES, installed
from d2l_lite.checks import check_integer
from d2l_lite.command import environment, options
from d2l_lite.command.options import OptionError
from d2l_lite.command.run_folder import (
    BEST,
    ENVIRONMENT,
    OPTIONS,
    RESULT,
    Run,
    RunError,
    locked,
)
from d2l_lite.files import read_json
from d2l_lite.networks import zoo
from d2l_lite.training.trainer import Trainer

# What those of a trainer are called here, where they are called otherwise.
TRAINER = {
    name: "epochs" if name == "max_epochs" else name
    for name in (
        "max_epochs",
        "batch_size",
        "learning_rate",
        "schedule",
        "momentum",
        "nesterov",
        "weight_decay",
        "augment",
        "seed",
        "devices",
        "sync_batch_norm",
        "precision",
        "compile",
    )
}


def train(
    given: Mapping[str, Any],
    folder: Path,
    resume: bool = False,
    progress: str | None = None,
) -> dict[str, Any]:
    """Train in a folder; returns what its `result.json` holds.

    A process that trains along with the one that keeps the run gets an empty result.

    Args:
        given: options by their names in `options`; the recipe has the others.
        folder: of the run, which is made.
        resume: go on with the run in the folder, if there is one.
        progress: a mode of `d2l_lite.training.progress`.

    Raises:
        OptionError: an option that is missing, wrong or other than the run's.
        RunError: a folder that holds something else, or is in use.
        DataError: data that are missing or damaged.
        TrainingDiverged: the last good state stays in the folder.
    """
    chosen, arguments = _chosen(given, folder)
    module = _framework(chosen)
    try:
        trainer = module.Trainer(**arguments, progress=progress)
    except ValueError as error:
        raise OptionError(error) from None
    if trainer.primary:
        _check_folder(given, folder, resume)
    with locked(folder) if trainer.primary else nullcontext():
        if result := read_json(folder / RESULT, None):
            return result
        data = _data(chosen)
        model = module.build(
            chosen["network"],
            in_channels=data.train.images.shape[1],
            num_classes=len(data.classes),
            seed=chosen["seed"],
            dropout=chosen["dropout"],
            memory_efficient=chosen["memory_efficient"],
        )
        every, begin = chosen["checkpoint_every"], lambda: None
        if trainer.primary:
            begin = partial(_note, chosen, folder, module)
        run = Run(folder, module, every, trainer.primary, begin)
        try:
            history = trainer.fit(model, data, run)
        except ValueError as error:
            if run.started:
                raise
            raise OptionError(error) from None
        if not trainer.primary:
            return {}
        loss, accuracy = trainer.evaluate(module.load(folder / BEST), data.test)
        images = trainer.epoch_images(data.train) * len(history)
        measured = {
            "framework": chosen["framework"],
            "network": chosen["network"],
            "dataset": chosen["dataset"],
            "parameters": module.count_parameters(model),
            "epochs": len(history),
            "test_loss": loss,
            "test_accuracy": accuracy,
            "images_per_second": images / sum(history.seconds),
        }
        return run.finish(history, measured)


def _note(chosen: Mapping[str, Any], folder: Path, module: ModuleType) -> None:
    """Write what was asked, and what computes it, into the run's folder."""
    options.write(folder / OPTIONS, chosen)
    command = shlex.join(["python", "-m", "d2l_lite", *sys.argv[1:]])
    described = environment.describe(chosen["framework"], module.device(), command)
    environment.note(folder / ENVIRONMENT, described)


def processes(given: Mapping[str, Any], folder: Path, resume: bool) -> int:
    """How many processes the caller has to start for this training; 0 for none.

    PyTorch has one for each device; the others have all devices in one.

    Raises:
        OptionError, RunError: as `train`.
    """
    chosen, arguments = _chosen(given, folder)
    count = arguments["devices"]
    if chosen["framework"] != "pytorch" or count == 1 or "RANK" in os.environ:
        return 0
    _check_installed("pytorch")
    _check_folder(given, folder, resume)
    return 0 if (folder / RESULT).exists() else count


def _chosen(given: Mapping[str, Any], folder: Path) -> tuple[dict, dict]:
    """All options, with those of the run in the folder, and a trainer's arguments."""
    path = folder / OPTIONS
    given = options.checked(given, "train")
    if "data" in given:
        given["data"] = str(Path(given["data"]).resolve())
    chosen = (options.read(path) if path.exists() else {}) | given
    options.check_given(chosen)
    try:
        chosen = options.effective(chosen)
        arguments = {name: chosen[TRAINER[name]] for name in TRAINER}
        Trainer(**arguments)
        changes = {name: chosen[name] for name in ("dropout", "memory_efficient")}
        zoo.arguments(chosen["network"], **changes)
        every = chosen["checkpoint_every"]
        check_integer(every, 0, None, f"checkpoint_every={every}")
    except ValueError as error:
        raise OptionError(error) from None
    return chosen, arguments


def _check_folder(given: Mapping[str, Any], folder: Path, resume: bool) -> None:
    """Refuse a folder that holds another run, or anything else."""
    path = folder / OPTIONS
    if path.exists() and resume:
        options.check_same(options.read(path), given, path)
    elif path.exists():
        raise RunError(f"{folder}: holds a run; go on with --resume, or name another")
    elif folder.is_dir() and any(folder.glob("[!.]*")):
        raise RunError(f"{folder}: is not empty and holds no run; name another folder")


def _check_installed(framework: str) -> None:
    if not installed(framework):
        remedy = f"pip install {PACKAGES[framework]}"
        raise OptionError(f"--framework {framework}: it is not installed: {remedy}")


def _framework(chosen: Mapping[str, Any]) -> ModuleType:
    name = chosen["framework"]
    _check_installed(name)
    # Before the framework starts: then it is too late for virtual devices.
    importlib.import_module(f"d2l_lite.devices.{name}").provide(chosen["devices"])
    return importlib.import_module(f"d2l_lite.{name}")


def _data(chosen: Mapping[str, Any]) -> Any:
    kind = options.DATASETS[chosen["dataset"]]
    # The paper's training set is the large one, section 4.1.
    large = chosen["dataset"] == "svhn" and chosen["scale"] == "full"
    try:
        return kind(
            scale=chosen["scale"],
            validation=chosen["validation"],
            seed=chosen["seed"],
            root=chosen.get("data"),
            **({"extra": True} if large else {}),
        )
    except ValueError as error:
        raise OptionError(error) from None
