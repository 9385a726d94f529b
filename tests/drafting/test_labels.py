import numpy as np
import pyarrow as pa
import pytest

from easymtl.drafting.funnel import ancestors, find_parents
from easymtl.drafting.labels import find_labels, label_numbers
from easymtl.drafting.profile import read_profile
from easymtl.drafting.table import open_table
from easymtl.errors import UserError

RANDOM = np.random.default_rng(0)
ROWS = 400


def profile_of(**columns):
    return read_profile(open_table(pa.table(columns), None, []), list(columns))


def label_of(values, name="label"):
    return find_labels(profile_of(**{name: values}), [name])[0]


@pytest.mark.parametrize(
    ("values", "kind", "input_type"),
    [
        (pa.array([0, 1] * 50), "event", "INT32"),
        (pa.array([True, False, None] * 50), "event", "BOOL"),
        (pa.array([0.0, 1.0] * 50), "event", "FLOAT"),
        (pa.array(["0", "1"] * 50), "event", "INT32"),
        (pa.array(["yes", "no"] * 50), "event", "STRING"),
        (pa.array([-1, 1] * 50), "event", "STRING"),
        (pa.array(["good", "fair", "bad"] * 50), "classes", "STRING"),
        (pa.array([0, 1, 2, 3, 4, 5] * 50), "count", "INT32"),
        (pa.array([0.1, 0.5, 0.9] * 50), "rate", "FLOAT"),
        (pa.array([-3.5, 2.25, 7.0] * 50), "value", "FLOAT"),
        (pa.array([0, 1 << 40, 7] * 50), "count", "INT64"),
    ],
)
def test_kinds_of_labels(values, kind, input_type):
    label = label_of(values)
    assert (label.kind, label.input_type) == (kind, input_type)


def test_a_name_tells_classes_from_counts():
    assert label_of(pa.array([0, 1, 2] * 50), "news_category").num_classes == 3


@pytest.mark.parametrize(("most", "is_told"), [(3, True), (10, True), (11, False)])
def test_few_whole_numbers_may_be_classes(most, is_told):
    notes = label_of(pa.array(list(range(1, most + 1)) * 50), "stars").notes
    said = f'the whole numbers of the label "stars", 1 to {most}, are taken for amounts. Where they are classes, call'
    assert [note.startswith(said) for note in notes] == [True] * is_told


@pytest.mark.parametrize("values", [[0, 1], [True, False], ["no", "yes"], [1, 0]], ids=str)
def test_an_event_that_hardly_ever_happens_is_told(values):
    (note,) = label_of(pa.array(values[:1] * 300 + values[1:] * 19)).notes
    assert note.startswith('only 19 of 319 rows have the rarer value of the label "label": too few to learn it')
    assert not label_of(pa.array(values[:1] * 300 + values[1:] * 20)).notes


@pytest.mark.parametrize(
    ("texts", "happened", "is_guess"),
    [
        (["yes", "no", "no"], "yes", False),
        (["true", "true", "false"], "true", False),
        (["N", "Y", "Y"], "Y", False),
        (["50000+.", "- 50000.", "- 50000."], "50000+.", True),
    ],
)
def test_which_of_two_texts_is_1(texts, happened, is_guess):
    label = label_of(pa.array(texts * 30))
    assert label.numbers[happened] == 1 and sorted(label.numbers.values()) == [0, 1]
    assert bool(label.notes) == is_guess


def test_a_long_tail_is_skewed_and_a_normal_value_is_not():
    assert label_of(pa.array(RANDOM.lognormal(4, 1.5, 5000))).is_skewed
    assert not label_of(pa.array(RANDOM.normal(100, 10, 5000))).is_skewed
    assert not label_of(pa.array(RANDOM.lognormal(4, 1.5, 5000) - 50)).is_skewed


def test_the_deviation_is_that_of_all_rows():
    values = np.concatenate([np.zeros(900), RANDOM.normal(50, 3, 100)])
    assert label_of(pa.array(values)).deviation == pytest.approx(values.std())


@pytest.mark.parametrize(
    ("values", "problem"),
    [
        (pa.array([1, 1, 1]), "all rows have the same value"),
        (pa.nulls(3), "no row has a value"),
        (pa.array([[1], [2]]), "holds lists"),
        (pa.array([f"t{n}" for n in range(100)]), "too many for classes"),
        (pa.array([1.0, float("inf"), 2.0]), "infinite"),
        (pa.array([1, 2], pa.timestamp("s")), "holds timestamps"),
    ],
)
def test_what_cannot_be_learnt_is_refused(values, problem):
    with pytest.raises(UserError, match=problem):
        label_of(values)


def test_a_label_that_is_not_there_is_answered_with_the_nearest_one():
    with pytest.raises(UserError, match=r'no column "clik".*Did you mean "click"'):
        find_labels(profile_of(click=pa.array([0, 1])), ["clik"])


def test_numbers_of_texts_and_of_what_is_missing():
    profile = profile_of(label=pa.array(["yes", None, "no"]))
    (label,) = find_labels(profile, ["label"])
    assert label_numbers(label, profile.sample["label"]).tolist()[::2] == [1, 0]
    assert np.isnan(label_numbers(label, profile.sample["label"])[1])


def parents_of(**labels):
    profile = profile_of(**labels)
    return find_parents(profile, find_labels(profile, list(labels)))


def test_a_chain_of_events_and_what_they_are_worth():
    click = RANDOM.random(ROWS) < 0.5
    view = click & (RANDOM.random(ROWS) < 0.5)
    seconds = np.where(view, RANDOM.random(ROWS) * 100 + 1, 0.0)
    parents = parents_of(
        seconds=pa.array(seconds), view=pa.array(view.astype(int)), click=pa.array(np.where(click, "yes", "no"))
    )
    assert parents == {"seconds": "view", "view": "click"}
    assert ancestors("seconds", parents) == ["click", "view"]


def test_one_row_against_it_makes_labels_independent():
    click = np.zeros(ROWS, int)
    click[:200] = 1
    like = click.copy()
    like[:100] = 0
    assert parents_of(click=pa.array(click), like=pa.array(like)) == {"like": "click"}
    like[-1] = 1
    assert parents_of(click=pa.array(click), like=pa.array(like)) == {}


def test_nearly_equal_labels_and_what_always_happens_are_needed_by_none():
    click = np.array([1] * 200 + [0] * 200)
    like = click.copy()
    like[0] = 0
    assert parents_of(click=pa.array(click), like=pa.array(like)) == {}
    always, like = np.array([2] + [1] * (ROWS - 1)), click
    assert parents_of(always=pa.array(always), like=pa.array(like)) == {}


def test_equal_labels_do_not_need_each_other():
    values = pa.array([0, 1] * 50)
    assert parents_of(one=values, other=values) == {}


def test_one_row_against_it_counts_where_labels_are_texts_too():
    click = np.array(["yes"] * 200 + ["no"] * 200)
    like = np.array([0] * 100 + [1] * 100 + [0] * 199 + [1])
    assert parents_of(click=pa.array(click), like=pa.array(like)) == {}
    assert parents_of(click=pa.array(click[:-1]), like=pa.array(like[:-1])) == {"like": "click"}
