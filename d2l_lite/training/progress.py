"""How training shows that it lives: a bar, a live curve, plain lines or nothing.

`D2L_LITE_PROGRESS` in the environment chooses where the caller did not:

- `auto` (default): `live` in a notebook, `bar` in a terminal, else `plain`;
- `bar`: a text bar on standard error, gone at the end, and a line per epoch;
  in a notebook, which must show neither standard error nor times, it means `live`;
- `live`: a curve that grows and stays as one figure, and the lines; elsewhere `bar`;
- `plain`: a line per epoch and, in a notebook, the figure at the end;
- `json`: an object per epoch, one a line, with the columns of `History`;
- `none`: silence.

All but the last two begin with a line that says on which device the training runs.
"""

import json
import os
import sys
from collections.abc import Sequence
from dataclasses import dataclass

from d2l_lite.notebook import kernel_shell
from d2l_lite.training.history import History

Results = Sequence[tuple[float, float, int]]
MODES = ("auto", "bar", "live", "plain", "json", "none")


@dataclass
class Plain:
    """A line per epoch on standard output; in a notebook the figure at the end.

    Its methods are what the training loop calls.
    """

    max_epochs: int
    images_per_epoch: int
    images_done: int = 0

    def __post_init__(self) -> None:
        """Training begins."""

    def say(self, line: str) -> None:
        """Show a line."""
        print(line, flush=True)

    def begin(self, where: str) -> None:
        """The first step comes next, on the devices that `where` names."""
        self.say(f"training on {where}")

    def step(self, epoch: int, images: int, results: Results) -> None:
        """A batch of so many images of the epoch (from 1) was trained on.

        The results are those of the epoch's steps so far, the latest perhaps missing:
        mean loss, right predictions and images of each.
        """

    def epoch(self, history: History) -> None:
        """An epoch ended; it is the history's last."""
        self.say(self.line(history))

    def finish(self, history: History) -> None:
        """Training ended without an error."""
        if kernel_shell():
            from IPython.display import display

            display(history.plot())

    def close(self) -> None:
        """Training ended, with an error or without."""

    def line(self, history: History) -> str:
        """Return the history's last epoch in one line."""
        parts = [f"epoch {history.epoch[-1]}/{self.max_epochs}"]
        for part in ("train", "validation"):
            loss = getattr(history, f"{part}_loss")[-1]
            accuracy = getattr(history, f"{part}_accuracy")[-1]
            parts.append(f"{part} loss {loss:.4f} accuracy {accuracy:.4f}")
        return "  ".join(parts)


class Silent(Plain):
    """Shows nothing."""

    def say(self, line: str) -> None:
        pass

    def finish(self, history: History) -> None:
        pass


class Json(Silent):
    """A line of JSON per epoch on standard output, for programs."""

    def epoch(self, history: History) -> None:
        row = {name: getattr(history, name)[-1] for name in History.columns()}
        print(json.dumps(row), flush=True)


class Bar(Plain):
    """A text bar over the whole training, with the last epoch's training loss."""

    def __post_init__(self) -> None:
        from tqdm import tqdm

        total = self.max_epochs * self.images_per_epoch
        self.bar = tqdm(
            total=total,
            initial=self.images_done,
            unit=" images",
            leave=False,
            dynamic_ncols=True,
        )

    def say(self, line: str) -> None:
        self.bar.write(line, file=sys.stdout)

    def step(self, epoch: int, images: int, results: Results) -> None:
        self.bar.set_description(f"epoch {epoch}/{self.max_epochs}", refresh=False)
        if results:
            # Of the last hundred steps: an epoch's mean would lag behind.
            losses, correct, sizes = map(sum, zip(*results[-100:]))
            loss, accuracy = losses / len(results[-100:]), correct / sizes
            text = f"loss {loss:.3f} accuracy {accuracy:.3f}"
            self.bar.set_postfix_str(text, refresh=False)
        self.bar.update(images)

    def close(self) -> None:
        self.bar.close()


class Live(Plain):
    """A curve redrawn in place after every epoch, over a line for each."""

    def __post_init__(self) -> None:
        from IPython.display import display

        self.handle = display(History().plot(), display_id=True)
        self.seen, self.shown = self.images_done, ""

    def step(self, epoch: int, images: int, results: Results) -> None:
        self.seen += images
        share = self.seen / self.images_per_epoch - (epoch - 1)
        percent = f"\repoch {epoch}/{self.max_epochs}  {share:4.0%}"
        if percent != self.shown:
            print(percent, end="", flush=True)
            self.shown = percent

    def epoch(self, history: History) -> None:
        self.say(f"\r{self.line(history)}")
        self.handle.update(history.plot())

    def finish(self, history: History) -> None:
        pass


def reporter(
    mode: str | None, max_epochs: int, images_per_epoch: int, images_done: int = 0
) -> Plain:
    """Return the reporter of a mode; None asks `D2L_LITE_PROGRESS`."""
    if mode is None:
        mode = os.environ.get("D2L_LITE_PROGRESS") or "auto"
    if mode not in MODES:
        raise ValueError(f"D2L_LITE_PROGRESS={mode!r}: choose from {', '.join(MODES)}")
    moving = Live if kernel_shell() else Bar
    automatic = moving if kernel_shell() or sys.stderr.isatty() else Plain
    kinds = {"auto": automatic, "plain": Plain, "json": Json, "none": Silent}
    return kinds.get(mode, moving)(max_epochs, images_per_epoch, images_done)
