"""What has moved far, and what has not."""

import pytest

from easymtl.following.drift import drift


def found(rows=10_000, missing=0, label=0.2, score=0.2, deviation=0.4):
    return {
        "rows": rows,
        "counts": {"city": {"missing": missing}} if missing else {},
        "labels": {"click": [label, deviation, rows]},
        "scores": {"click": [score, 0.1, rows]},
    }


def record(**more):
    one = found(**more)
    return {**one, **{what: {"click": one[what]["click"][0]} for what in ("labels", "scores")}}


USUAL = [record()] * 7


@pytest.mark.parametrize(
    "part, says",
    [
        (found(), None),
        (found(rows=20_000), None),
        (found(rows=20_001), "20,001 rows, usually 10,000"),
        (found(rows=4_999), "4,999 rows, usually 10,000"),
        (found(missing=500), None),
        (found(missing=501), '"city": 5.0 % of the rows missing, usually 0 %'),
        (found(label=0.24), None),
        (found(label=0.241), 'the mean label of "click" is 0.24100, usually 0.20000'),
        (found(label=0.159), "the mean label"),
        (found(score=0.25), 'the mean score of "click" is 0.25000, usually 0.20000'),
    ],
)
def test_the_rules(part, says):
    texts = drift(part, USUAL)
    assert len(texts) == (says is not None)
    assert says is None or (texts[0].startswith(says) and "the median of the 7 parts before" in texts[0])


def test_what_chance_explains_is_not_told():
    few = [record(rows=100)]
    assert drift(found(rows=100, label=0.34), few) == [], "4 standard errors of 100 rows are .16"
    assert drift(found(rows=100, label=0.37), few)
    half = [record(rows=100, missing=50)]
    assert drift(found(rows=100, missing=69), half) == [], "and of a half .2"
    assert drift(found(rows=100, missing=71), half)


def test_one_odd_part_is_not_what_is_usual():
    before = [record(), record(), record(label=0.9), record()]
    assert drift(found(), before) == []
    assert drift(found(label=0.9), before)


def test_the_last_seven_parts_are_what_is_usual():
    assert drift(found(), [record(label=0.9)] * 4 + USUAL) == []
    assert "that of the part before" in drift(found(label=0.5), [record()])[0]


def test_nothing_is_known_of_the_first_part_and_no_score_of_the_second():
    assert drift(found(), []) == []
    first = {**record(), "scores": {}}
    assert drift(found(score=0.9), [first]) == []
    undefined = {**record(), "labels": {"click": None}}
    assert drift(found(), [undefined]) == []


def test_a_feature_that_was_always_missing_and_is_there_is_told():
    texts = drift(found(), [record(missing=10_000)])
    assert texts == ['"city": 0 % of the rows missing, usually 100 % (that of the part before).']


def test_ids_that_a_model_has_not_seen_are_held_against_parts_before_which_there_was_one():
    unseen = {"counts": {"item": {"unseen": 3000}}, "metrics": {"loss": 0.5}}
    first = {**record(), "metrics": {}}
    assert drift({**found(), **unseen}, [first]) == []
    second = {**record(), **unseen}
    assert drift({**found(), **unseen}, [first, second]) == []
    (text,) = drift({**found(), "metrics": {"loss": 0.5}}, [first, second])
    assert text.startswith('"item": 0 % of the rows unseen, usually 30 %')
