"""Whether a block that computes twice keeps less, where the framework can be asked."""

from typing import Any

import numpy as np

from d2l_classroom.failures import describe
from d2l_classroom.programs import dense_block
from d2l_classroom.report import Message, Results
from d2l_classroom.time_limit import TimeUp
from d2l_classroom.trial import Trial, make

LAYERS, CHANNELS, GROWTH = 4, 4, 4
READ = sum(CHANNELS + i * GROWTH for i in range(LAYERS))
FEATURES = CHANNELS + (LAYERS - 1) * GROWTH


def part(trial: Trial, answer: Any, results: Results) -> None:
    """Whether the block keeps about its features and not a copy for each layer."""
    framework = trial.framework
    program = dense_block(LAYERS, CHANNELS, GROWTH)
    program = program._replace(task="memory_efficient_block")
    images = np.ones((2, CHANNELS, 8, 8), np.float32)
    try:
        kept = framework.kept(make(framework, program, answer), images)
    except (KeyboardInterrupt, TimeUp):
        raise
    except BaseException as error:
        told = f"{describe(error)}; this happens when what it keeps is counted"
        results.wrong("memory", Message(told))
        return
    if kept is None:
        told = f"memory: {framework.title} does not tell what is kept; not checked"
        results.right("memory", told)
        return
    setting = f"DenseBlock({LAYERS}, {CHANNELS}, {GROWTH})"
    if kept < 0.75 * READ:
        results.right(
            "memory",
            f"memory: {setting} keeps {kept} channels for the backward pass, a plain "
            f"block {2 * READ} or more",
        )
        return
    if kept < 1.5 * READ:
        why = (
            f"that is a concatenation for each layer, {READ} together. Concatenate "
            "inside of what is computed twice"
        )
    else:
        why = (
            f"a plain block keeps {2 * READ} or more, the features alone are "
            f"{FEATURES}. Nothing is computed twice here"
        )
    hint = f"{setting} keeps {kept} channels"
    asked = f"a plain block keeps {2 * READ} or more; what should be made twice?"
    cause = f"{hint}: {why} (chapter “Memory”)."
    results.wrong("memory", Message(f"{hint}: {asked}", cause))
