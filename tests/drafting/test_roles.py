import numpy as np
import pyarrow as pa
import pytest

from easymtl.drafting import names
from easymtl.drafting.labels import find_labels
from easymtl.drafting.profile import read_profile
from easymtl.drafting.roles import find_roles
from easymtl.drafting.table import open_table
from easymtl.drafting.telling import follows, is_never_without, tells

RANDOM = np.random.default_rng(0)
ROWS = 2000
CLICK = RANDOM.integers(0, 2, ROWS)


def roles_of(ignore=(), **columns):
    profile = read_profile(open_table(pa.table({"click": pa.array(CLICK), **columns}), None, []), ["click"])
    return find_roles(profile, find_labels(profile, ["click"]), dict.fromkeys(["user", "session", "time"]), ignore)


@pytest.mark.parametrize("name", ["user_id", "uid", "userId", "customer_id", "member_id", "UserID"])
def test_users_by_name(name):
    assert roles_of(**{name: pa.array(RANDOM.integers(0, 100, ROWS))}).user == name


@pytest.mark.parametrize("name", ["user_age", "users", "paid", "liquid", "id", "user_tags"])
def test_what_is_no_user(name):
    assert not names.is_user(name)


def test_a_column_without_a_name_is_left_out_aloud():
    roles = roles_of(**{"": pa.array(RANDOM.normal(size=ROWS)), "age": pa.array(RANDOM.integers(0, 90, ROWS))})
    assert "an index that pandas wrote" in roles.left_out[""]


def test_requests_are_no_feature():
    roles = roles_of(request_id=pa.array(RANDOM.integers(0, 300, ROWS)))
    assert roles.session == "request_id" and "requests" in roles.left_out["request_id"]


@pytest.mark.parametrize(
    ("name", "values"),
    [
        ("event_time", pa.array(RANDOM.integers(1_600_000_000, 1_700_000_000, ROWS))),
        ("ts", pa.array(RANDOM.integers(1_600_000_000_000, 1_700_000_000_000, ROWS))),
        ("happened", pa.array(RANDOM.integers(0, 10**9, ROWS), pa.timestamp("s"))),
        ("day", pa.array([f"2026-01-{day:02}" for day in RANDOM.integers(1, 28, ROWS)])),
    ],
)
def test_times_by_type_or_name(name, values):
    assert roles_of(**{name: values}).time == name


@pytest.mark.parametrize(
    ("name", "values"),
    [
        ("view_time", pa.array(RANDOM.integers(0, 5000, ROWS))),
        ("birthday", pa.array(RANDOM.integers(0, 10_000, ROWS).astype(np.int32), pa.date32())),
    ],
)
def test_what_is_no_time_of_a_row(name, values):
    assert not roles_of(**{name: values}).time


@pytest.mark.parametrize(
    ("name", "values", "reason"),
    [
        ("row_id", pa.array([f"r{n}" for n in range(ROWS)]), "a key of rows"),
        ("number", pa.array(range(ROWS)), "a key of rows"),
        ("constant", pa.array(["x"] * ROWS), "the same in every row"),
        ("empty", pa.array([""] * ROWS), "no row has a value"),
        ("nested", pa.array([{"a": 1}] * ROWS), "nothing reads such values"),
        ("blob", pa.array([b"\xff"] * ROWS), "bytes that are no text"),
        ("true_click", pa.array(RANDOM.random(ROWS)), 'an answer to "click"'),
        ("click_prob", pa.array(RANDOM.random(ROWS)), 'an answer to "click"'),
        ("survey_weight", pa.array(RANDOM.random(ROWS)), "a weight of rows"),
        ("was_clicked", pa.array(np.where(CLICK, "y", "n")), 'gives the label "click" away'),
        ("score", pa.array(CLICK + 0.1 * RANDOM.random(ROWS)), 'gives the label "click" away'),
    ],
)
def test_what_is_left_out_and_why(name, values, reason):
    assert reason in roles_of(**{name: values}).left_out[name]


@pytest.mark.parametrize(
    ("name", "values"),
    [
        ("amount", pa.array(RANDOM.random(ROWS))),
        ("weight", pa.array(RANDOM.random(ROWS))),
        ("click_count", pa.array(RANDOM.integers(0, 50, ROWS))),
        ("half_missing", pa.array(["x", None] * (ROWS // 2))),
        ("near", pa.array(CLICK + RANDOM.normal(size=ROWS))),
    ],
)
def test_what_is_kept(name, values):
    assert name not in roles_of(**{name: values}).left_out


def test_a_column_that_nearly_tells_the_label_is_noted():
    wrong = np.arange(ROWS) % 101 == 0
    (note,) = roles_of(hint=pa.array(np.where(wrong, 1 - CLICK, CLICK))).notes
    assert "--ignore hint" in note


def test_sample_weights_are_used_and_what_is_ignored_is_not():
    roles = roles_of(ignore=["a"], sample_weight=pa.array(RANDOM.random(ROWS)), a=pa.array(RANDOM.random(ROWS)))
    assert roles.sample_weight == "sample_weight" and set(roles.left_out) == {"a"}


def test_how_much_a_column_tells_is_the_auc_of_other_rows():
    label = RANDOM.integers(0, 2, 20_000).astype(float)
    noise = pa.array(RANDOM.integers(0, 10_000, 20_000).astype(str).tolist())
    assert tells(noise, label, True) == pytest.approx(0.5, abs=0.03)
    # An AUC of 1 - rate for an answer that is wrong at this rate.
    wrong = pa.array(np.where(RANDOM.random(20_000) < 0.2, 1 - label, label))
    assert tells(wrong, label, True) == pytest.approx(0.8, abs=0.02)
    value = RANDOM.normal(size=20_000)
    assert tells(pa.array(3 * value + RANDOM.normal(size=20_000)), value, False) == pytest.approx(0.9, abs=0.02)


@pytest.mark.parametrize(
    ("name", "words"),
    [("watchedItems_2", ["watched", "item", "2"]), ("HTTPCategories", ["http", "category"]), ("address", ["address"])],
)
def test_words_of_names(name, words):
    assert names.words_of(name) == words


@pytest.mark.parametrize(
    "values",
    [
        # Seconds of watching, of a third of the clicks: alone it tells no click.
        pa.array(np.where(CLICK & (RANDOM.random(ROWS) < 0.3), RANDOM.lognormal(3, 1, ROWS), 0)),
        pa.array([str(n) if click and n % 3 == 0 else None for n, click in enumerate(CLICK)]),
        pa.array([str(n % 7) if click else "0" for n, click in enumerate(CLICK)]),
        pa.array((CLICK > 0) & (RANDOM.random(ROWS) < 0.2)),
    ],
    ids=["seconds", "orders", "texts of numbers", "true and false"],
)
def test_what_is_only_there_after_an_event_is_left_out_and_told(values):
    roles = roles_of(later=values, other=pa.array(RANDOM.random(ROWS)))
    assert "known afterwards" in roles.left_out["later"] or "give" in roles.left_out["later"]
    assert any("later" in note for note in roles.notes) and "other" not in roles.left_out


def test_what_is_rare_may_be_without_an_event_by_chance():
    event = np.arange(100) < 50
    rare = np.zeros(100, bool)
    rare[:19] = True
    assert not is_never_without(rare, event)
    rare[19] = True
    assert is_never_without(rare, event)
    rare[99] = True
    assert not is_never_without(rare, event)
    assert not is_never_without(np.zeros(0, bool), np.zeros(0, bool))


def test_rows_whose_event_is_not_known_and_negative_numbers_say_nothing_of_what_follows():
    event = np.where(np.arange(100) < 50, 1.0, 0.0)
    values = event.copy()
    assert follows(pa.array(values), event)
    values[99], event[99] = 5, np.nan
    assert follows(pa.array(values), event)
    values[98] = -1
    assert not follows(pa.array(values), event)
