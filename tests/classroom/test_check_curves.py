"""Diagnoses of curves beside the key."""

import pytest

from d2l_classroom import check, choices


@pytest.fixture
def key():
    """The right answers, found by trying: so the shipped key has one for each."""
    offered = choices.offered()
    return {
        letter: next(
            diagnosis
            for diagnosis in offered["diagnoses"]
            if choices.key(f"{letter}: {diagnosis}") == entry["key"]
        )
        for letter, entry in offered["curves"].items()
    }


def test_the_key_passes(key):
    assert check("curves", key).points == 1


def test_one_wrong_diagnosis_costs_its_share_and_gets_its_hint(key):
    letter = next(iter(key))
    other = next(d for d in choices.offered()["diagnoses"] if d != key[letter])
    report = check("curves", key | {letter: other}, quiet=True)
    hint = choices.offered()["curves"][letter]["hint"]
    assert report.messages == (f"curve {letter}: not “{other}”. {hint}",)
    assert report.points == pytest.approx(1 - 1 / len(key))


def test_what_fails_is_printed_with_its_own_letter(key, capsys):
    letter = next(iter(key))
    other = next(d for d in choices.offered()["diagnoses"] if d != key[letter])
    report = check("curves", key | {letter: other})
    lines = capsys.readouterr().out.splitlines()
    assert [line for line in lines if line[0] != "✓"] == [f"✗ {report.messages[0]}"]
    check("curves", ["overfitting"])
    assert capsys.readouterr().out.startswith("✗ the checker got an object of type ")


def test_a_diagnosis_that_is_not_offered_names_the_nearest(key):
    letter = next(iter(key))
    wrong = key[letter].upper().lower() + "."
    (message,) = check("curves", key | {letter: wrong}, quiet=True).messages
    assert message.endswith(f"did you mean “{key[letter]}”?")


def test_letters_missing_or_too_many(key):
    letter = next(iter(key))
    short = {k: v for k, v in key.items() if k != letter}
    (message,) = check("curves", short, quiet=True).messages
    assert message == f"curve {letter}: there is no answer yet"
    report = check("curves", key | {"?": "overfitting"}, quiet=True)
    assert report.messages == ("there is no curve ?",)
    assert report.points < 1


def test_no_dict():
    (message,) = check("curves", ["overfitting"], quiet=True).messages
    assert message.startswith("the checker got an object of type list; give it a dict")


def test_the_key_is_not_in_plain_words():
    offered = choices.offered()
    for letter, entry in offered["curves"].items():
        assert set(entry) == {"key", "hint"}
        assert not any(diagnosis in entry["key"] for diagnosis in offered["diagnoses"])
        assert len(entry["key"]) == 16, letter
