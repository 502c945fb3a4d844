"""The options of a training: a dataclass, from words, TOML files and the recipe."""

import difflib
import json
import re
import tomllib
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Annotated, Any, Literal

import tyro

from d2l_lite import PACKAGES
from d2l_lite.checks import check_choice, check_integer
from d2l_lite.command.run_folder import (
    OPTIONS,
    STATE,
    RunError,
    read_state,
    remade,
)
from d2l_lite.data.cifar import CIFAR10, CIFAR100
from d2l_lite.data.fashion_mnist import FashionMNIST
from d2l_lite.data.image_folder import ImageFolder
from d2l_lite.data.scale import SCALES, named
from d2l_lite.data.svhn import SVHN
from d2l_lite.files import at_home, read_text, replacing
from d2l_lite.networks import zoo
from d2l_lite.networks.weights import WeightsError
from d2l_lite.training.schedules import SCHEDULES
from d2l_lite.training.trainer import Trainer

DATASETS = {
    "fashion-mnist": FashionMNIST,
    "cifar10": CIFAR10,
    "cifar100": CIFAR100,
    "svhn": SVHN,
    "folder": ImageFolder,
}
# Where the paper's recipe, section 4.2, is another: no augmentation, hence dropout, and
# more images in fewer epochs (section 4.1).
OWN = {
    "svhn": {"epochs": 40, "augment": False, "dropout": 0.2, "validation": 6000},
    "folder": {"validation": 0.1},
}


class OptionError(ValueError):
    """An option that is unknown, missing, or has a wrong value."""


@dataclass(kw_only=True)
class TrainOptions(Trainer):
    """What a training is asked for: a `Trainer`'s fields, and what it trains on what.

    The defaults are the recipe of Huang et al. 2017, section 4.2, explained in
    chapters/results.md.

    Args:
        max_epochs: times that the training images are gone through; SVHN has 40.
        momentum: of the gradients.
        nesterov: Nesterov's momentum.
        weight_decay: times the weights, added to the gradient.
        augment: mirror and shift the training images at random; SVHN's stay.
        freeze: parts of the network that stay as they are, with commas between them:
            "features", or "conv0,denseblock1".
        framework: what trains.
        network: a name of the zoo, densenet-bc-40-12 for example.
        weights: a file of weights to begin with, or a name such as densenet121 for
            the published ones; its last layer is new where the classes are others.
        dataset: what is learned.
        scale: all images, or 4,000.
        dropout: share of outputs that each layer forgets; SVHN has 0.2.
        validation: training images that are held out; SVHN has 6000, a quick run 400.
            Of a folder it is their share, 0.1, unless they have a folder of their own.
        memory_efficient: less memory, more time.
        data: folder of the data set's files, or of pictures, a folder for each class.
        size: height and width to which images are brought; a folder's have 224.

    Raises:
        ValueError: a value out of its range, no such network, or no folder of pictures.
    """

    max_epochs: Annotated[int, tyro.conf.arg(name="epochs")] = 300
    schedule: Literal[*SCHEDULES] = "step"
    augment: bool = True
    freeze: str | None = None
    progress: tyro.conf.Suppress[str | None] = None
    framework: Literal[*PACKAGES]
    network: str
    weights: Annotated[str | None, tyro.conf.arg(metavar="FILE_OR_NAME")] = None
    dataset: Literal[*DATASETS]
    scale: Literal[*SCALES] = "full"
    dropout: float = 0.0
    validation: int | float = 5000
    memory_efficient: bool = False
    data: Annotated[str | None, tyro.conf.arg(metavar="DIR")] = None
    size: int | None = None

    def __post_init__(self) -> None:
        super().__post_init__()
        changes = {"dropout": self.dropout, "memory_efficient": self.memory_efficient}
        zoo.arguments(self.network, **changes)
        if self.weights and self.dropout:
            call = f"TrainOptions(dropout={self.dropout})"
            raise ValueError(f"{call}: with weights it is what their file says")
        if self.size is not None:
            check_integer(self.size, 1, None, f"TrainOptions(size={self.size!r})")
        if self.dataset == "folder":
            call = f"TrainOptions(dataset='folder', scale={self.scale!r})"
            check_choice(self.scale, ["full"], call)
            if not self.data:
                rule = "name the folder of pictures with --data"
                raise ValueError(f"TrainOptions(dataset='folder'): {rule}")
        if self.data:
            self.data = str(at_home(self.data).resolve())

    def table(self) -> dict[str, Any]:
        """The options under the names that they have in a TOML file."""
        found = {name: getattr(self, field) for name, field in NAMES.items()}
        return {name: value for name, value in found.items() if value is not None}

    def trainer(self, progress: str | None) -> dict[str, Any]:
        """The arguments of a framework's `Trainer`."""
        found = {field.name: getattr(self, field.name) for field in fields(Trainer)}
        parts = self.freeze and self.freeze.split(",")
        return found | {"freeze": parts, "progress": progress}


# The fields under their names in a TOML file, which are those of the command line.
NAMES = {
    "epochs" if field.name == "max_epochs" else field.name: field.name
    for field in fields(TrainOptions)
    if field.name != "progress"
}

# Arguments in a message, and the call that it may begin with.
ARGUMENTS = {field: name for name, field in NAMES.items()} | {
    "root": "data",
    "epsilon": "epsilon",
}
ARGUMENT = re.compile(rf"\b({'|'.join(ARGUMENTS)})=('[^']*'|[\w.+-]*\w)")
CALL = re.compile(r"^\w+\((.*?)\)(?=: |, )")


def as_typed(message: object) -> str:
    """What is said of arguments, said of the options that the command line has.

    "Trainer(max_epochs=0): must be at least 1" becomes "--epochs 0: must be at least
    1", and so does what is said later in the message.
    """
    text = re.sub(r"^build\((?=')", "build(network=", str(message))
    text = text.removeprefix("Trainer.fit: ")
    if call := CALL.match(text):
        text = call[1].replace(", ", " ") + text[call.end() :]
    text = ARGUMENT.sub(lambda found: _word(*found.groups()), text)
    for argument, name in ARGUMENTS.items():
        # Without an underscore it may be a word of the sentence.
        if "_" in argument:
            text = re.sub(rf"(?<![\w-]){argument}\b", f"--{_flag(name)}", text)
    return text


@contextmanager
def options_named() -> Iterator[None]:
    """Have a ValueError about arguments speak of options, as an OptionError."""
    try:
        yield
    except (RunError, WeightsError):
        raise
    except ValueError as error:
        raise OptionError(as_typed(error)) from None


def _word(argument: str, value: str) -> str:
    flag = _flag(ARGUMENTS[argument])
    switch = {"True": f"--{flag}", "False": f"--no-{flag}"}
    return switch.get(value) or f"--{flag} {value.strip(chr(39))}"


def _flag(name: str) -> str:
    return name.replace("_", "-")


def recipe(dataset: str | None = None, scale: str = "full") -> dict[str, Any]:
    """The options that the paper has for a data set, by their names in a TOML file."""
    found = {name: getattr(TrainOptions, field, None) for name, field in NAMES.items()}
    found |= {"scale": scale} | OWN.get(dataset, {})
    if scale == "quick" and dataset != "folder":
        found["validation"] = 400
    return {name: value for name, value in found.items() if value is not None}


def read(path: Path) -> dict[str, Any]:
    """What a TOML file has.

    Raises:
        OptionError: it is none; the message names the file.
        OSError: the file cannot be read.
    """
    try:
        return tomllib.loads(read_text(path))
    except ValueError as error:
        raise OptionError(f"{path}: not a TOML file ({error})") from None


def of_run(folder: Path) -> dict[str, Any]:
    """The options of a run, from its file or, where there is none, from its state.

    Nothing if the folder has neither.

    Raises:
        RunError, DataError: the file is damaged, or the state.
        OSError: it cannot be read.
    """
    path, state = folder / OPTIONS, folder / STATE
    if not path.exists():
        about = read_state(state)[1]["about"] if state.exists() else {}
        return {name: about[name] for name in NAMES if name in about}
    with remade(path):
        found = _checked(path)
        if missing := {"framework", "network", "dataset", "epochs"} - found.keys():
            raise OptionError(f"{path}: has no {', '.join(sorted(missing))}")
        try:
            for name, known in {"framework": PACKAGES, "dataset": DATASETS}.items():
                check_choice(found[name], known, f"{name}={found[name]!r}")
            TrainOptions(**{NAMES[name]: value for name, value in found.items()})
        except (TypeError, ValueError) as error:
            raise OptionError(f"{path}: {as_typed(error)}") from None
    return found


def write(path: Path, options: Mapping[str, Any]) -> None:
    """Write options as the TOML file that `read` reads."""
    with replacing(path, encoding="utf-8") as file:
        for name, value in options.items():
            # Text, numbers and truth values are spelled alike in JSON and TOML.
            file.write(f"{name} = {json.dumps(value, ensure_ascii=False)}\n")


@dataclass
class Sources:
    """The words of `train` that other options depend on."""

    out: Path | None = None
    resume: Annotated[bool, tyro.conf.FlagCreatePairsOff] = False
    config: Path | None = None
    dataset: str | None = None
    scale: str | None = None
    data: str | None = None


def defaults(typed: Sequence[str]) -> list[str]:
    """Words for in front of those that were typed behind `train`, which come later.

    They are the recipe's, those of the run that is resumed, and those of a file.

    Raises:
        OptionError: a file that is no TOML, or has an option that does not exist.
        OSError: a file cannot be read.
    """
    known, _ = tyro.cli(Sources, args=typed, add_help=False, return_unknown_args=True)
    found = {}
    if known.resume and known.out:
        found |= of_run(known.out)
    if known.config:
        found |= _checked(known.config)
    known = found | {key: value for key, value in vars(known).items() if value}
    size = known.get("scale") or ("full" if "data" in known else named())
    found = recipe(known.get("dataset"), size or "full") | found
    return list(words(found))


def _checked(path: Path) -> dict[str, Any]:
    table = {key.replace("-", "_"): value for key, value in read(path).items()}
    for key in sorted(table.keys() - NAMES.keys()):
        near = ", ".join(difflib.get_close_matches(key, NAMES) or NAMES)
        raise OptionError(f"{path}: unknown option {key}; nearest names: {near}")
    return table


def words(table: Mapping[str, Any]) -> Iterator[str]:
    """Options as they are typed."""
    for name, value in table.items():
        flag = _flag(name)
        if isinstance(value, bool):
            yield f"--{flag}" if value else f"--no-{flag}"
        else:
            yield f"--{flag}={value}"
