"""The checker's own numbers: its reference and what is recorded of the frameworks."""

import numpy as np
import pytest
from frameworks import FRAMEWORKS, d2l
from students import answer, chapter, judged

from d2l_classroom.programs import PROGRAMS
from d2l_classroom.reference import CLEAR, gradients, output, reference
from d2l_lite import PACKAGES, TITLES

RECORDED = [task for task in PROGRAMS if task != "memory_efficient_block"]


@pytest.mark.parametrize("task", RECORDED)
@pytest.mark.parametrize("framework", PACKAGES)
def test_recorded_answers_are_the_references_up_to_rounding(framework, task):
    expected = reference(task).training.output
    found = output(framework, task)
    assert found.shape == expected.shape
    assert abs(found - expected).max() < 1e-5


@pytest.mark.parametrize("task", RECORDED)
@pytest.mark.skipif("pytorch" not in FRAMEWORKS, reason="needs PyTorch")
def test_the_reference_is_the_books_block_in_double_precision(task):
    import torch

    book, checked = d2l("pytorch"), reference(task)
    program = checked.program
    given = program.arguments
    exact = "\n\n" + chapter("pytorch", "four_frameworks")
    make = answer("pytorch", task, ("", exact))
    block = (make(**given) if program.keywords else make(*given.values())).double()
    names = book.get_weights(block)
    book.set_weights(block, dict(zip(names, checked.weights.values(), strict=True)))
    X = torch.tensor(checked.images, dtype=torch.float64, requires_grad=True)
    found = block.eval()(X).detach().numpy()
    np.testing.assert_allclose(found, checked.evaluation.output, atol=1e-12)
    Y = block.train()(X)
    np.testing.assert_allclose(Y.detach().numpy(), checked.training.output, atol=1e-12)
    Y.backward(torch.tensor(checked.cotangent, dtype=torch.float64))
    recorded = gradients(program).values()
    for array, expected in zip([X, *block.parameters()], recorded, strict=True):
        np.testing.assert_allclose(array.grad.numpy(), expected, atol=1e-10)
    statistics = [a for name, a in book.get_weights(block).items() if "running" in name]
    for array, expected in zip(statistics, checked.training.statistics.values()):
        np.testing.assert_allclose(array, expected, atol=1e-12)


@pytest.mark.parametrize("task", RECORDED)
def test_images_keep_clear_of_kinks(task):
    checked = reference(task)
    for answers_ in (checked.evaluation, checked.training):
        for step in checked.program.steps:
            if step.op == "relu":
                assert abs(answers_.values[step.reads[0]]).min() > CLEAR


@pytest.mark.parametrize("against", PACKAGES)
def test_the_last_line_compares_with_the_framework_that_is_asked_for(
    name, against, capsys
):
    book = answer(name, "conv_block")
    judged(name, "conv_block", book, against=against, quiet=False)
    line = capsys.readouterr().out.splitlines()[-1]
    begin, _, apart = line.rpartition(" ")
    assert begin.endswith(f" block equals the book's {TITLES[against]} one to")
    assert float(apart.rstrip(".")) < 1e-5
