"""`python -m d2l_lite train`: the paper's recipe, in a folder that outlives a stop."""

import hashlib
import importlib
import os
import re
import shlex
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from functools import partial
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np

from d2l_lite import devices, installation, installed
from d2l_lite.command import environment, train_options
from d2l_lite.command.run_folder import (
    BEST,
    ENVIRONMENT,
    OPTIONS,
    RESULT,
    STATE,
    RunError,
    RunFolder,
    best_epoch,
    locked,
    read_environment,
    read_result,
)
from d2l_lite.command.train_options import (
    DATASETS,
    OptionError,
    TrainOptions,
    options_named,
)
from d2l_lite.data.image_folder import ImageFolder
from d2l_lite.files import at_home, write_json
from d2l_lite.networks import weights, zoo
from d2l_lite.training.history import History
from d2l_lite.training.trainer import Trainer

# Frameworks read these when they start; what the caller has set stays. A thread that
# waits sleeps: beside other work, PyTorch is much faster so. TensorFlow logs no more
# than errors.
SETTINGS = environment.SHARED_GPU | {
    "OMP_WAIT_POLICY": "PASSIVE",
    "TF_CPP_MIN_LOG_LEVEL": "2",
}
# What TensorFlow logs as it is imported, before it has read the variable.
NEWS = re.compile(r"^(I\d{4} |WARNING: All log messages before absl::Init).*\n", re.M)
# Options that may be others when a run goes on.
MAY_DIFFER = ("data", "epochs")


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
        TrainingDiverged: the last good state, if there is one, stays in the folder.
    """
    devices.end_with_launcher()
    module = framework(options.framework, options.devices)
    with options_named():
        trainer = module.Trainer(**options.trainer(progress))
    if trainer.primary:
        _check_folder(folder, resume)
    with locked(folder) if trainer.primary else nullcontext():
        run = RunFolder(folder, module, trainer.primary)
        if trainer.primary:
            _check_same(options.table(), run)
        result, epochs = read_result(folder), options.max_epochs
        # A finished run may have lost its state, which is its largest file.
        if result and result["epochs"] == epochs and run.finished in (0, epochs):
            return result
        data = _data(options)
        run.about, run.data = options.table() | _fingerprint(data), data
        if run.kept and trainer.primary:
            _check_same(run.about, run)
            _check_epochs(options, trainer, data, run)
        run.begin = partial(_note, options, folder, module)
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


def framework(name: str, count: int = 1) -> ModuleType:
    """The library's module of a framework, which starts with `SETTINGS`.

    Raises:
        OptionError: it is not installed, or has not so many devices.
    """
    _check_installed(name)
    talks = name == "tensorflow" and "TF_CPP_MIN_LOG_LEVEL" not in os.environ
    for setting, value in SETTINGS.items():
        os.environ.setdefault(setting, value)
    if talks:
        with _without_news():
            importlib.import_module(name)
    # Before the framework starts: then it is too late for virtual devices.
    devices.provide(name, count)
    return importlib.import_module(f"d2l_lite.{name}")


@contextmanager
def _without_news() -> Iterator[None]:
    """Leave `NEWS` out of standard error; the rest comes at the end."""
    if sys.stderr is None:  # its file is closed
        yield
        return
    sys.stderr.flush()
    own = os.dup(2)
    with tempfile.TemporaryFile() as file:
        os.dup2(file.fileno(), 2)
        try:
            yield
        finally:
            sys.stderr.flush()
            os.dup2(own, 2)
            os.close(own)
            file.seek(0)
            sys.stderr.write(NEWS.sub("", file.read().decode(errors="replace")))


def _check_installed(framework: str) -> None:
    if not installed(framework):
        needs = f"it is not installed: {installation(framework)}"
        raise OptionError(f"--framework {framework}: {needs}")


def _check_folder(folder: Path, resume: bool) -> None:
    """Refuse a folder that holds another run, or anything else."""
    if (folder / OPTIONS).exists() or (folder / STATE).exists():
        if not resume:
            problem = "holds a run; go on with --resume, or name another"
            raise RunError(f"{folder}: {problem}")
    elif folder.is_dir() and any(folder.glob("[!.]*")):
        problem = "is not empty and holds no run; name another folder"
        raise RunError(f"{folder}: {problem}")


def _check_same(now: dict[str, Any], run: RunFolder) -> None:
    """Refuse to go on with other options or images than those of the run so far."""
    path, before = run.path, run.kept.get("about")
    if before is None:
        path, before = run.folder / OPTIONS, train_options.of_run(run.folder) or now
    # The same files may be somewhere else by now; for epochs see `_check_epochs`.
    other = [name for name in now if name not in MAY_DIFFER]
    other = [name for name in other if before.get(name) != now[name]]
    if other:
        found = [f"{n} is {before.get(n)!r} there, not {now[n]!r}" for n in other]
        names = [n for n in train_options.NAMES if n in other and n in before]
        words = train_options.words({name: before[name] for name in names})
        typed = shlex.join(words) or "the run's own options and images"
        remedy = f"go on with {typed}, or train in another folder"
        raise OptionError(f"{path}: {'; '.join(found)}: {remedy}")


def _check_epochs(
    options: TrainOptions, trainer: Trainer, data: Any, run: RunFolder
) -> None:
    """Refuse a number of epochs that would have changed the finished ones.

    With another number, a run is what one of that number would have been.
    """
    before, finished = run.kept["about"]["epochs"], run.finished
    if options.max_epochs < finished:
        problem = f"{finished} are finished"
    elif not trainer.same_rates(data.train, before, finished):
        problem = (
            f"the learning rates of the {finished} finished epochs follow --schedule "
            f"{options.schedule} over {before} and would have been others"
        )
    else:
        return
    remedy = f"go on with --epochs {before}, or train in another folder"
    raise OptionError(f"{run.path}: --epochs {options.max_epochs}: {problem}; {remedy}")


def _fingerprint(data: Any) -> dict[str, str]:
    """What tells images and labels from others, for each part of a data set."""
    found = {}
    parts = {"training": data.train, "validation": data.validation, "test": data.test}
    for name, part in parts.items():
        digest = hashlib.blake2b(str(part.images.shape).encode(), digest_size=8)
        for array in (part.images, part.labels):
            digest.update(np.ascontiguousarray(array))
        found[f"{name} set"] = f"{len(part)} images, digest {digest.hexdigest()}"
    return found


def _note(options: TrainOptions, folder: Path, module: ModuleType) -> None:
    """Write what was asked, and what computes it, into the run's folder."""
    now = environment.described(options.framework, module.device())
    noted = [*read_environment(folder), now]
    train_options.write(folder / OPTIONS, options.table())
    write_json(folder / ENVIRONMENT, noted)


def _data(options: TrainOptions) -> Any:
    shared = {"validation": options.validation, "seed": options.seed}
    if options.dataset == "folder":
        size = {"size": options.size} if options.size else {}
        with options_named():
            return ImageFolder(options.data, **size, **shared)
    # The paper's training set is the large one, section 4.1.
    large = options.dataset == "svhn" and options.scale == "full"
    with options_named():
        return DATASETS[options.dataset](
            scale=options.scale,
            resize=(options.size, options.size) if options.size else None,
            root=options.data,
            **shared,
            **({"extra": True} if large else {}),
        )


def _fit(options: TrainOptions, trainer: Trainer, data: Any, run: RunFolder) -> History:
    """Train the network, or what is left of its training."""
    with options_named():
        model = _model(options, data, run.module)
        return trainer.fit(model, data, run)


def _model(options: TrainOptions, data: Any, module: ModuleType) -> Any:
    """The network before its training: of the seed, or with the weights of a file."""
    shared = {
        "in_channels": data.train.images.shape[1],
        "num_classes": len(data.classes),
        "seed": options.seed,
        "memory_efficient": options.memory_efficient,
    }
    if options.weights is None:
        return module.build(options.network, dropout=options.dropout, **shared)
    # Here, for it imports Pillow.
    from d2l_lite.networks import imagenet

    path = at_home(options.weights)
    if options.weights in imagenet.FILES and not path.exists():
        path = imagenet.checkpoint(options.weights)
    arrays, metadata = weights.read(path)
    shapes = {name: array.shape for name, array in arrays.items()}
    found = zoo.describe(shapes, metadata)["network"]
    if found != options.network:
        problem = f"{path} holds {found}"
        raise OptionError(f"--network {options.network}: {problem}, not this network")
    return module.load(path, **shared)


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
