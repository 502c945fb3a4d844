"""Students' answers: the chapters' own code, with edits that make it wrong."""

import linecache
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache, partial
from itertools import count
from pathlib import Path
from unittest.mock import patch

from frameworks import d2l

from book.build.source import belongs, read_chapter, tags
from d2l_classroom import check
from d2l_classroom.report import Message, Report, Results

CHAPTERS = Path(__file__).parents[2] / "chapters"
# Where each task's answer is made, and by which name.
HOMES = {
    "conv_block": ("dense_blocks", "conv_block"),
    "dense_block": ("dense_blocks", "DenseBlock"),
    "transition_block": ("transition_layers", "transition_block"),
    "densenet": ("densenet", "DenseNet"),
    "bottleneck_block": ("bottleneck_and_compression", "conv_block"),
    "memory_efficient_block": ("memory", "DenseBlock"),
}
# The concatenation in the chapter's DenseBlock.
JOIN = {
    "pytorch": "torch.cat([X, Y], dim=1)",
    "tensorflow": "ops.concatenate([X, Y], axis=-1)",
    "jax": "jnp.concatenate([X, Y], axis=-1)",
    "mxnet": "F.np.concatenate([X, Y], axis=1)",
}
_numbers = count()


@cache
def chapter(framework: str, name: str) -> str:
    """What a chapter exports for a framework, as its reader would type it."""
    cells = read_chapter(CHAPTERS / f"{name}.md").cells
    return "\n\n".join(
        cell.source
        for cell in cells
        if cell.cell_type == "code"
        and "export" in tags(cell)
        and belongs(cell, framework)
    )


def program(framework: str, task: str, *edits: tuple[str, str]) -> str:
    """The text of an answer; an edit's old text must be in it, or be empty."""
    text = chapter(framework, HOMES[task][0])
    for old, new in edits:
        assert old in text, (framework, task, old)
        # No old text: the new one comes behind.
        text = text.replace(old, new) if old else text + new
    return text


def execute(framework: str, text: str) -> dict:
    """What a program makes; the names of the library's parts are there already."""
    module = d2l(framework)
    names = {name: getattr(module, name) for name in module.__all__}
    # As a notebook's cell: a file of no folder, whose lines tracebacks can show.
    file = f"<cell {next(_numbers)}>"
    lines = text.splitlines(keepends=True)
    linecache.cache[file] = len(text), None, lines, file
    exec(compile(text, file, "exec"), names)
    return names


def answer(framework: str, task: str, *edits: tuple[str, str]):
    """The chapter's function or class after some edits of its text."""
    made = execute(framework, program(framework, task, *edits))[HOMES[task][1]]
    if task == "bottleneck_block":
        return partial(made, bottleneck=True)
    return made


def judged(framework: str, task: str, given: object, **options) -> Report:
    """What the checker says of an answer, causes included; printed if asked for."""
    given_options = {"quiet": True, "explain": True} | options
    return check(task, given, framework=framework, **given_options)


@contextmanager
def overheard() -> Iterator[list[Message]]:
    """All messages of the checks inside, each with its hint and its cause."""
    messages: list[Message] = []
    tell = Results.wrong

    def wrong(results: Results, name: str, *told: Message) -> None:
        messages.extend(told)
        tell(results, name, *told)

    with patch.object(Results, "wrong", wrong):
        yield messages
