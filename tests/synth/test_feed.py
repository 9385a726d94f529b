import numpy as np
import pyarrow as pa
import pytest
from sklearn.linear_model import LogisticRegression, Ridge
from sklearn.metrics import roc_auc_score
from sklearn.preprocessing import OneHotEncoder

from easymtl.synth import best_reachable, read_batches
from easymtl.synth.catalog import NUM_CATEGORIES, NUM_ITEMS, Catalog
from easymtl.synth.data_set import block_random
from easymtl.synth.feed import Feed
from easymtl.synth.sampling import scatter

EVENTS = ("click", "like", "follow")
WATCHED = [f"watched_{name}" for name in ("items", "categories", "authors", "tags", "seconds", "hours")]
LIKED = [f"liked_{name}" for name in ("items", "categories", "authors", "seconds", "hours")]
MEMORY = {"watched": 48, "liked": 240}


@pytest.fixture(scope="module")
def table():
    return pa.Table.from_batches(read_batches("feed", 65_536, seed=2))


def lists(table, name):
    return table[name].to_pylist()


def numbers(table, name):
    return table[name].cast(pa.int64()).to_numpy()


def test_steps_of_a_history_are_as_many_in_every_column_and_null_without_any(table):
    for columns in (WATCHED, LIKED):
        lengths = [[-1 if steps is None else len(steps) for steps in lists(table, name)] for name in columns]
        assert all(found == lengths[0] for found in lengths)
        assert 0 not in lengths[0], "a user without history has null"
        assert max(lengths[0]) <= 100
    watched = np.array([len(steps or ()) for steps in lists(table, "watched_items")])
    liked = np.array([len(steps or ()) for steps in lists(table, "liked_items")])
    assert 16 < watched.mean() < 23
    assert 2 < liked.mean() < 6
    assert 0.04 < (watched == 0).mean() < 0.09
    assert (liked <= watched).all()


def test_types_are_those_of_the_guide(table):
    for name in (*WATCHED, *LIKED):
        is_number = name.endswith(("seconds", "hours"))
        assert table.schema.field(name).type == pa.list_(pa.float32() if is_number else pa.string())
    assert table.schema.names[:4] == [*EVENTS, "watch_seconds"]


def test_liked_items_are_watched_ones_and_both_are_newest_first(table):
    for items, hours, liked, liked_hours in zip(
        *(lists(table, name)[:2_000] for name in ("watched_items", "watched_hours", "liked_items", "liked_hours")),
        strict=True,
    ):
        assert hours == sorted(hours or ()) or hours is None
        assert set(zip(liked or (), liked_hours or ())) <= set(zip(items or (), hours or ()))


def test_rows_of_a_request_show_one_user_one_history_and_several_items(table):
    user = numbers(table, "user_id")
    same = np.flatnonzero(np.diff(user) == 0)
    assert 0.7 < len(same) / len(user) < 0.8
    items = lists(table, "watched_items")
    assert all(items[row] == items[row + 1] for row in same[:500])
    assert (np.diff(numbers(table, "item_id"))[same] != 0).mean() > 0.99


def test_few_users_of_the_evaluation_were_seen_in_training(table):
    evaluation = pa.Table.from_batches(read_batches("feed", 16_384, seed=2, part="eval"))
    seen = np.isin(numbers(evaluation, "user_id"), numbers(table, "user_id")).mean()
    assert seen * 1_000_000 / len(table) < 0.3
    categories = np.isin(numbers(evaluation, "item_category"), numbers(table, "item_category"))
    assert categories.all()


def test_what_an_item_is_does_not_depend_on_where_it_stands(table):
    category_of = dict(zip(lists(table, "item_id"), lists(table, "item_category"), strict=True))
    author_of = dict(zip(lists(table, "item_id"), lists(table, "item_author"), strict=True))
    tags_of = dict(zip(lists(table, "item_id"), lists(table, "item_tags"), strict=True))
    found = 0
    columns = ("watched_items", "watched_categories", "watched_authors", "watched_tags")
    for items, categories, authors, tags in zip(*(lists(table, name)[:3_000] for name in columns), strict=True):
        for place, item in enumerate(items or ()):
            if item in category_of:
                found += 1
                assert categories[place] == category_of[item]
                assert authors[place] == author_of[item]
                assert tags[place].replace(";", "|") == tags_of[item]
    assert found > 1_000


def test_the_truth_can_be_read_off_the_columns():
    """The interests, once more from the texts and lists of the file and the hidden vectors, step by step."""
    features = Feed().features(7, block_random("feed", 7, "train", 0), 400)
    rows, catalog = pa.table(features.columns), Catalog(7)
    item_of = {text: item for item, text in enumerate(scatter(np.arange(NUM_ITEMS), NUM_ITEMS).astype(str))}
    for history, (mean, deviation) in (("watched", (0.54, 0.56)), ("liked", (0.68, 0.73))):
        columns = [lists(rows, f"{history}_{name}") for name in ("items", "seconds", "hours")]
        for row, (candidate, items, seconds, hours) in enumerate(zip(lists(rows, "item_id"), *columns, strict=True)):
            expected = 0.0
            if items:
                steps = np.array([item_of[item] for item in items])
                alike = catalog.alike(np.full(len(steps), item_of[candidate]), steps).astype(np.float64)
                weights = np.exp(4 * alike) / (1 + np.array(hours) / MEMORY[history])
                values = alike + 0.7 * (np.log(seconds) - 2.6)
                expected = (weights @ values / weights.sum() - mean) / deviation
            assert features.inputs[history][row] == pytest.approx(expected, abs=1e-4)


@pytest.mark.parametrize("seed", range(3))
def test_interests_are_scaled_to_about_unit_deviation(seed):
    inputs = Feed().features(seed, block_random("feed", seed, "train", 0), 16_384).inputs
    for name in ("watched", "liked"):
        known = inputs[name][inputs[name] != 0]
        assert abs(known.mean()) < 0.15
        assert known.std() == pytest.approx(1, abs=0.15)


def test_each_label_goes_by_both_interests_in_a_ratio_of_its_own(table):
    """Little follows for a click from what was liked, and more for a follow than from what was watched."""
    inputs = Feed().features(2, block_random("feed", 2, "train", 0), Feed.block_rows).inputs
    both = np.stack([inputs["watched"], inputs["liked"], np.ones(Feed.block_rows)], axis=1)
    truth = {label: table[f"true_{label}"].to_numpy()[: Feed.block_rows].astype(float) for label in Feed.outcomes}
    ratios = {}
    for label, value in truth.items():
        mean = value if label == "click" else value / truth["click"]
        score = np.log(mean) if label == "watch_seconds" else np.log(mean / (1 - mean))
        watched, liked, _ = np.linalg.lstsq(both, score, rcond=None)[0]
        ratios[label] = liked / watched
    assert ratios == pytest.approx({"click": 0.27, "like": 1.1, "follow": 2.0, "watch_seconds": 0.33}, rel=0.2)


def plain_columns(table):
    """All that a model without histories can see, as categories: numbers in ten buckets."""
    columns = [numbers(table, name) for name in ("item_category", "item_author", "hour", "position")]
    columns += [numbers(table, "user_id") % 5_000, numbers(table, "item_id") % 5_000]
    columns += [
        table[name].combine_chunks().dictionary_encode().indices.to_numpy() for name in ("user_gender", "network")
    ]
    for name in ("user_age", "item_length", "item_likes"):
        values = table[name].to_numpy()
        columns.append(np.searchsorted(np.quantile(values, np.linspace(0.1, 0.9, 9)), values))
    return np.stack(columns, axis=1)


@pytest.mark.slow
def test_without_histories_every_task_stays_well_below_the_reachable(table):
    evaluation = pa.Table.from_batches(read_batches("feed", 65_536, seed=2, part="eval"))
    best = best_reachable(evaluation)
    encode = OneHotEncoder(handle_unknown="ignore").fit(plain_columns(table))
    inputs, eval_inputs = encode.transform(plain_columns(table)), encode.transform(plain_columns(evaluation))
    for label in EVENTS:
        model = LogisticRegression(C=0.05, max_iter=200).fit(inputs, table[label].to_numpy())
        auc = roc_auc_score(evaluation[label].to_numpy(), model.decision_function(eval_inputs))
        assert 0.6 < auc < best[f"auc_{label}"] - 0.04, label
    ridge = Ridge(alpha=50, solver="lsqr").fit(inputs, table["watch_seconds"].to_numpy())
    error = np.mean((ridge.predict(eval_inputs) - evaluation["watch_seconds"].to_numpy()) ** 2)
    assert error > 1.1 * best["mean_squared_error_watch_seconds"]


def test_attention_by_hand_says_what_is_clicked_and_the_mean_of_the_history_says_less(table):
    """Weights and values from the categories alone: how alike they are, as the hidden vectors have it."""
    vectors = Catalog(2).categories[np.argsort(scatter(np.arange(NUM_CATEGORIES), NUM_CATEGORIES))]
    columns = [lists(table, name)[:16_384] for name in ("item_category", "watched_categories", "watched_seconds")]
    scores = []
    for candidate, categories, seconds in zip(*columns, strict=True):
        alike = vectors[[int(category) for category in categories or ()]] @ vectors[int(candidate)]
        attention = np.exp(4 * alike) / np.exp(4 * alike).sum()
        values = alike + 0.7 * (np.log(seconds or ()) - 2.6)
        scores.append((attention @ values, values.mean()) if categories else (0.54, 0.0))
    click = table["click"].to_numpy()[:16_384]
    attended, averaged = (roc_auc_score(click, score) for score in np.transpose(scores))
    assert attended > averaged + 0.025
    assert averaged > 0.55
