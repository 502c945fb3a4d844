"""The options of a training: named once, for the command line and for TOML files."""

import argparse
import difflib
import json
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from d2l_lite import PACKAGES
from d2l_lite.data import cifar, svhn
from d2l_lite.data import fashion_mnist as data
from d2l_lite.data import scale as scales
from d2l_lite.files import replacing
from d2l_lite.training.schedules import SCHEDULES
from d2l_lite.training.trainer import PRECISIONS

DATASETS = {
    "fashion-mnist": data.FashionMNIST,
    "cifar10": cifar.CIFAR10,
    "cifar100": cifar.CIFAR100,
    "svhn": svhn.SVHN,
}
# Huang et al. 2017, section 4.2, but for what a data set has of its own.
RECIPE: dict[str, Any] = {
    "epochs": 300,
    "batch_size": 64,
    "learning_rate": 0.1,
    "schedule": "step",
    "momentum": 0.9,
    "nesterov": True,
    "weight_decay": 1e-4,
    "dropout": 0.0,
    "augment": True,
    "validation": 5000,
    "seed": 0,
    "memory_efficient": False,
    "devices": 1,
    "sync_batch_norm": True,
    "precision": "float32",
    "compile": False,
    "checkpoint_every": 0,
}
# Section 4.1: no augmentation, hence dropout, and more images in fewer epochs.
RECIPES = {
    "svhn": {"epochs": 40, "augment": False, "dropout": 0.2, "validation": 6000},
}


class OptionError(ValueError):
    """An option that is unknown, missing, or has a wrong value."""


@dataclass(frozen=True)
class Option:
    """An option of type `kind`; what is learned does not depend on one `alike`."""

    name: str
    kind: type
    help: str
    choices: tuple[str, ...] = ()
    alike: bool = False

    @property
    def flag(self) -> str:
        """Its spelling on the command line."""
        return f"--{self.name.replace('_', '-')}"

    def checked(self, value: Any, place: str) -> Any:
        """The value, if it is of this option's kind; else OptionError."""
        kinds = (int, float) if self.kind is float else (self.kind,)
        if type(value) not in kinds:
            needs = {str: "text", int: "a whole number", float: "a number"}
            need = needs.get(self.kind, "true or false")
            raise OptionError(f"{place}: {self.name} = {value!r}: must be {need}")
        if self.choices and value not in self.choices:
            known = ", ".join(self.choices)
            raise OptionError(f"{place}: {self.name} = {value!r}: choose from {known}")
        return self.kind(value)


OPTIONS = {
    option.name: option
    for option in (
        Option("framework", str, "what trains", tuple(PACKAGES)),
        Option("network", str, "a name of the zoo, densenet-bc-40-12 for example"),
        Option("dataset", str, "what is learned", tuple(DATASETS)),
        Option("scale", str, "all images (default), or 4,000", scales.SCALES),
        Option("epochs", int, "times that the training images are gone through"),
        Option("batch_size", int, "images per step, those of all devices together"),
        Option("learning_rate", float, "the schedule's highest rate"),
        Option("schedule", str, "how the rate changes", tuple(SCHEDULES)),
        Option("momentum", float, "of the gradients"),
        Option("nesterov", bool, "Nesterov's momentum"),
        Option("weight_decay", float, "times the weights, added to the gradient"),
        Option("dropout", float, "share of outputs that each layer forgets"),
        Option("augment", bool, "mirror and shift the training images at random"),
        Option("validation", int, "training images that are held out"),
        Option("seed", int, "of weights, held-out images, order, augmentation"),
        Option("memory_efficient", bool, "less memory, more time"),
        Option("devices", int, "of this machine, which share each batch"),
        Option("sync_batch_norm", bool, "batch statistics over all devices"),
        Option("precision", str, "of the arithmetic, not of weights", PRECISIONS),
        Option("compile", bool, "have the framework compile the step"),
        Option(
            "checkpoint_every",
            int,
            "steps between checkpoints within an epoch, 0 for none",
            alike=True,
        ),
        Option("data", str, "folder of the data set's files", alike=True),
    )
}


def add_to(parser: argparse.ArgumentParser) -> None:
    """Add all options to a parser; those that are not given leave no trace."""
    for option in OPTIONS.values():
        default = RECIPE.get(option.name)
        text = option.help + ("" if default is None else f" (default {default})")
        settings: dict[str, Any] = {"help": text, "default": argparse.SUPPRESS}
        if option.kind is bool:
            settings["action"] = argparse.BooleanOptionalAction
            settings["help"] = option.help
        else:
            settings["type"] = option.kind
            settings["choices"] = option.choices or None
            settings["metavar"] = None if option.choices else option.kind.__name__
        parser.add_argument(option.flag, **settings)


def read(path: Path) -> dict[str, Any]:
    """The options in a TOML file.

    Raises:
        OptionError: no TOML, or what is no option; the message names the file.
        OSError: the file cannot be read.
    """
    try:
        found = tomllib.loads(path.read_text(encoding="utf-8"))
    except (UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise OptionError(f"{path}: not a TOML file ({error})") from None
    return checked(found, str(path))


def write(path: Path, options: Mapping[str, Any]) -> None:
    """Write options as the TOML file that `read` reads."""
    with replacing(path, encoding="utf-8") as file:
        for name, value in options.items():
            # Text, numbers and truth values are spelled alike in JSON and TOML.
            file.write(f"{name} = {json.dumps(value, ensure_ascii=False)}\n")


def checked(given: Mapping[str, Any], place: str) -> dict[str, Any]:
    """The options, if each is known and of its kind; else OptionError."""
    options = {}
    for key, value in given.items():
        name = key.replace("-", "_")
        if name not in OPTIONS:
            near = difflib.get_close_matches(name, OPTIONS) or OPTIONS
            raise OptionError(
                f"{place}: unknown option {key}; nearest names: {', '.join(near)}"
            )
        options[name] = OPTIONS[name].checked(value, place)
    return options


def check_given(options: Mapping[str, Any]) -> None:
    """Raise OptionError if framework, network or data set is missing."""
    for name in ("framework", "network", "dataset"):
        if name not in options:
            raise OptionError(f"{OPTIONS[name].flag}: must be given")


def effective(given: Mapping[str, Any]) -> dict[str, Any]:
    """All options of a training: those given, else the data set's, else the paper's.

    All images are trained on where neither `scale` nor D2L_LITE_SCALE says otherwise,
    and of data of one's own always. A quick run holds 400 of its images out.

    Raises:
        ValueError: D2L_LITE_SCALE is neither "quick" nor "full".
    """
    scale = "full" if "data" in given else scales.named() or "full"
    found = RECIPE | RECIPES.get(given["dataset"], {}) | {"scale": scale} | given
    if found["scale"] == "quick" and "validation" not in given:
        found["validation"] = 400
    return {name: found[name] for name in OPTIONS if name in found}


def check_same(stored: Mapping[str, Any], given: Mapping[str, Any], path: Path) -> None:
    """Raise OptionError if an option is other than before, those `alike` aside."""
    other = [
        f"{name} is {stored.get(name)!r} there, not {value!r}"
        for name, value in given.items()
        if not OPTIONS[name].alike and stored.get(name) != value
    ]
    if other:
        raise OptionError(
            f"{path}: {'; '.join(other)}: leave it out, or train in another folder"
        )
