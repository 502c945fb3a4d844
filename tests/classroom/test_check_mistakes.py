"""Each typical wrong answer is told what it does, at the level where it fails."""

import pytest
from frameworks import FRAMEWORKS
from mistakes import MISTAKES
from students import HOMES, answer, judged, overheard

from d2l_classroom.backward import UNBIASED
from d2l_classroom.known_mistakes import TABLES

# What Python says, or what is no part of the exercise.
TOLD_AT_ONCE = {"returns a list", "raises"}
CASES = [
    pytest.param(framework, mistake, id=f"{framework}-{mistake.task}-{mistake.name}")
    for framework in FRAMEWORKS
    for mistake in MISTAKES
    if framework in mistake.edits
]


@pytest.mark.parametrize(("framework", "mistake"), CASES)
def test_a_wrong_answer_is_told_what_it_does(framework, mistake):
    wrong = answer(framework, mistake.task, *mistake.edits[framework])
    with overheard() as messages:
        report = judged(framework, mistake.task, wrong)
    assert report.messages[0].startswith(mistake.message)
    assert 0 <= report.points < 1 and report.attempted
    assert (not messages[0].cause) == (mistake.name in TOLD_AT_ONCE)
    assert messages[0].hint != messages[0].cause
    with pytest.raises(AssertionError, match="^"):
        report.require()


@pytest.mark.parametrize("task", HOMES)
def test_the_chapters_own_code_passes(name, task, capsys):
    report = judged(name, task, answer(name, task), quiet=False)
    lines = capsys.readouterr().out.splitlines()
    assert report.messages == ()
    assert (report.passed, report.points) == (True, 1)
    assert report.require() is None
    assert "equals the book's" in lines[-1]
    remarks = [line for line in lines[:-1] if not line.startswith("✓ ")]
    # PyTorch's own batch norm, as the first of these chapters has it.
    plain = name == "pytorch" and HOMES[task][0] == "dense_blocks"
    assert len(remarks) == plain
    assert all(line.startswith(f"· {UNBIASED}, here 1.0084") for line in remarks)


def test_only_who_takes_a_maximum_reads_about_maxima():
    for table in TABLES["average"]:
        for words in table.makes:
            assert ("maximum" in table.why) == ("maximum" in words), words
