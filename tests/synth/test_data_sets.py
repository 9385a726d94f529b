import numpy as np
import pyarrow as pa
import pytest

from easymtl.synth import best_reachable, read_batches
from easymtl.synth.outcomes import Event
from easymtl.synth.writing import HIDDEN_MODELS

ROWS = 3 * 65_536
DATA_SETS = {data_set.name: data_set for data_set in HIDDEN_MODELS}


@pytest.fixture(scope="module", params=sorted(DATA_SETS))
def table(request):
    return request.param, pa.Table.from_batches(read_batches(request.param, ROWS, seed=11))


def values(table, name):
    return table[name].to_numpy().astype(np.float64)


def test_the_mean_of_a_label_is_the_mean_of_its_truth(table):
    name, rows = table
    for label in DATA_SETS[name].outcomes:
        difference = values(rows, label) - values(rows, "true_" + label)
        error = difference.std() / np.sqrt(ROWS)
        assert abs(difference.mean()) < 4 * error, label


def test_the_truth_is_calibrated_at_every_level(table):
    name, rows = table
    for label in DATA_SETS[name].outcomes:
        truth = values(rows, "true_" + label)
        difference = values(rows, label) - truth
        for part in np.array_split(np.argsort(truth), 10):
            # Where an event is so rare that none is drawn, the spread of what was drawn says nothing.
            error = 5 * difference[part].std() / np.sqrt(len(part)) + 3 / len(part)
            assert abs(difference[part].mean()) < error, label


def test_nothing_happens_without_its_parent(table):
    name, rows = table
    for label, outcome in DATA_SETS[name].outcomes.items():
        if outcome.parent:
            assert not values(rows, label)[values(rows, outcome.parent) == 0].any()
            greatest = outcome.mean(np.array([30.0]))
            assert (values(rows, "true_" + label) <= 1.0001 * greatest * values(rows, "true_" + outcome.parent)).all()
            assert rows.schema.field(label).metadata[b"parent"].decode() == outcome.parent


def test_rates_are_as_declared(table):
    name, rows = table
    for label, outcome in DATA_SETS[name].outcomes.items():
        if isinstance(outcome, Event):
            space = values(rows, outcome.parent) > 0 if outcome.parent else np.ones(ROWS, bool)
            assert values(rows, label)[space].mean() == pytest.approx(outcome.rate, rel=0.08)


def test_the_labels_can_be_told_and_not_too_well(table):
    _, rows = table
    metrics = best_reachable(rows)
    aucs = {name: value for name, value in metrics.items() if name.startswith("auc")}
    assert aucs
    assert all(0.65 < auc < 0.95 for auc in aucs.values()), aucs


def test_the_truth_beats_the_mean_by_more_than_five_percent(table):
    name, rows = table
    for metric, value in best_reachable(rows).items():
        if metric.startswith("mean_squared_error_") and "_given_" not in metric:
            assert value < 0.95 * values(rows, metric.removeprefix("mean_squared_error_")).var(), name


def test_columns_of_an_id_belong_to_it(table):
    name, rows = table
    pairs = {
        "feed": [("user_id", "user_city"), ("item_id", "item_category"), ("item_id", "item_author")],
        "funnel": [("user_id", "user_level"), ("item_id", "item_brand"), ("item_id", "item_price")],
        "livestream": [("user_id", "user_city"), ("anchor_id", "room_type"), ("user_id", "user_tags")],
        "posts": [("user_id", "user_interests"), ("post_id", "title"), ("post_id", "cover"), ("request_id", "user_id")],
        "taobao": [("user_id", "cms_segid"), ("adgroup_id", "brand"), ("campaign_id", "customer")],
        "tenrec": [("user_id", "age"), ("item_id", "video_category")],
    }
    for key, column in pairs[name]:
        by_key = rows.group_by(key).aggregate([(column, "count_distinct")])
        assert by_key[f"{column}_count_distinct"].to_numpy().max() == 1


def numbers(table, name):
    return table[name].cast(pa.int64()).to_numpy()


def test_tenrec_has_the_public_cardinalities(table):
    name, rows = table
    if name != "tenrec":
        pytest.skip("another data set")
    sizes = {"user_id": 2_633_851, "item_id": 179_280, "video_category": 5, "gender": 5, "age": 10}
    assert rows.schema.names[:10] == ["click", "follow", "like", "share", "watching_times", *sizes]
    for column, size in sizes.items():
        found = numbers(rows, column)
        assert found.min() >= 0
        assert 0.98 * size <= found.max() + 1 <= size
    times = numbers(rows, "watching_times")
    assert set(np.unique(times)) == set(range(6))
    assert ((times > 0) == (numbers(rows, "click") > 0)).all()


def test_taobao_has_the_public_columns_and_cardinalities(table):
    name, rows = table
    if name != "taobao":
        pytest.skip("another data set")
    assert rows.schema.names == [
        *("clk", "buy", "pid", "adgroup_id", "cate_id", "campaign_id", "customer", "brand", "user_id"),
        *("cms_segid", "cms_group_id", "final_gender_code", "age_level", "pvalue_level", "shopping_level"),
        *("occupation", "new_user_class_level", "tag_category_list", "tag_brand_list", "price"),
        *("true_clk", "true_buy"),
    ]
    sizes = {"user_id": 1_141_729, "adgroup_id": 846_811, "cate_id": 12_977, "campaign_id": 423_436}
    for column, size in (sizes | {"customer": 255_875, "brand": 461_497}).items():
        assert 0.98 * size <= numbers(rows, column).max() + 1 <= size
    lists = rows["tag_category_list"].to_pylist()
    assert {text.count("|") for text in lists} == {0, 1, 2, 3, 4}
    assert "" in set(rows["pvalue_level"].to_pylist())


def test_livestream_durations_are_zero_or_positive_logarithms(table):
    name, rows = table
    if name != "livestream":
        pytest.skip("another data set")
    assert len([column for column in rows.schema.names if not column.startswith(("true_", "is_"))]) == 20
    for label, event in (("view_costtime", "is_view"), ("on_mic_duration", "is_on_mic")):
        happened = values(rows, event) > 0
        assert (values(rows, label)[happened] > 0.2).all()
        assert values(rows, label)[happened].max() < 8


def test_funnel_clicks_go_to_those_who_would_order(table):
    name, rows = table
    if name != "funnel":
        pytest.skip("another data set")
    click, truth = values(rows, "true_click"), values(rows, "true_order") / values(rows, "true_click")
    logits = [np.log(p / (1 - p)) for p in (click, truth)]
    assert np.corrcoef(logits)[0, 1] == pytest.approx(0.8, abs=0.02)
    clicked = values(rows, "click") > 0
    assert truth[clicked].mean() == pytest.approx(0.2, abs=0.01)
    assert truth[~clicked].mean() < 0.6 * truth[clicked].mean()
    assert values(rows, "order")[clicked].mean() == pytest.approx(truth[clicked].mean(), abs=0.01)


def test_a_correlation_leaves_rate_and_spread_as_declared(table):
    name, rows = table
    if name != "funnel":
        pytest.skip("another data set")
    truth = values(rows, "true_order") / values(rows, "true_click")
    spread = DATA_SETS[name].outcomes["order"].spread
    assert np.log(truth / (1 - truth)).std() == pytest.approx(spread, rel=0.03)
