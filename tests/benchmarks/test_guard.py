"""What is said of two versions, by times that are made up."""

import math

import pytest

from benchmarks import guard


def test_the_interval_is_that_of_students_t():
    old, new = [1.0, 2.0, 4.0], [0.9, 2.0, 4.4]
    found = guard.verdict(old, new)
    logarithms = [math.log(0.9), 0.0, math.log(1.1)]
    mean = sum(logarithms) / 3
    error = math.sqrt(sum((each - mean) ** 2 for each in logarithms) / 2 / 3)
    # The 97.5 % point of Student's t with two degrees of freedom.
    assert found.ratio == pytest.approx(math.exp(mean))
    assert found.lowest == pytest.approx(math.exp(mean - 4.302653 * error))
    assert found.highest == pytest.approx(math.exp(mean + 4.302653 * error))
    assert found.word == "neither"


@pytest.mark.parametrize(("factor", "word"), [(0.8, "faster"), (1.25, "slower"), (1.001, "neither")])
def test_the_word_goes_by_the_interval(factor, word):
    noise = [1.0, 1.02, 0.98, 1.01, 0.99]
    assert guard.verdict(noise, [factor * each for each in reversed(noise)]).word == word


@pytest.mark.parametrize(("old", "new"), [([1.0], [1.0]), ([1.0, 1.0], [1.0]), ([1.0, 1.0], [1.0, 0.0])])
def test_too_few_pairs_and_times_of_nothing_are_refused(old, new):
    with pytest.raises(ValueError, match="two pairs of times above 0"):
        guard.verdict(old, new)


def test_versions_take_turns_and_who_begins_changes(monkeypatch):
    asked = []
    monkeypatch.setitem(guard.MEASURES, "step", lambda version: asked.append(version) or len(asked))
    ((name, times),) = guard.compare(["old", "new"], ["step"], 3)
    assert (name, asked) == ("step", ["old", "new", "new", "old", "old", "new"])
    assert times == [[1, 4, 5], [2, 3, 6]]


def test_a_commit_that_is_not_there_is_told(tmp_path, capsys):
    with pytest.raises(SystemExit, match="no_such_commit cannot be checked out"):
        guard.main(["no_such_commit", "--only", "start"])
    with pytest.raises(SystemExit):
        guard.main(["HEAD", "--rounds", "1"])
    assert "an interval takes 2 or more" in capsys.readouterr().err
