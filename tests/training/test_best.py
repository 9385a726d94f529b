"""Which evaluation is the best: the metric of the config, in the direction that metric has."""

import math

import pytest
from google.protobuf import text_format

from easymtl.protos.pipeline_pb2 import Pipeline
from easymtl.training.best import Best

TOWERS = """
data_config { label_fields: ["a", "b"] }
model_config { simple_multi_task {
  task_towers { tower_name: "ctr" metrics_set { auc {} } %s }
  task_towers { tower_name: "cvr" metrics_set { auc {} } }
} }
"""


def best(export: str = "", metrics: str = "") -> Best:
    return Best.from_pipeline(text_format.Parse(TOWERS % metrics + f"export_config {{ {export} }}", Pipeline()))


def test_a_bare_metric_is_the_mean_over_the_towers_that_have_it():
    compared = best()
    assert compared.metric == "auc"
    assert compared.read({"auc_ctr": 0.6, "auc_cvr": 0.8, "loss": 3.0}) == pytest.approx(0.7)


def test_a_tower_whose_metric_is_undetermined_is_left_out():
    assert best().read({"auc_ctr": 0.6, "auc_cvr": math.nan}) == pytest.approx(0.6)
    assert math.isnan(best().read({"auc_ctr": math.nan, "auc_cvr": math.nan}))


def test_an_undetermined_evaluation_is_never_the_best():
    compared = best()
    assert not compared.update(1, {"auc_ctr": math.nan, "auc_cvr": math.nan})
    assert compared.value is None


@pytest.mark.parametrize(
    ("export", "bigger"),
    [
        ("", True),
        ('best_exporter_metric: "loss"', False),
        ('best_exporter_metric: "auc_cvr" metric_bigger: false', False),
        ('best_exporter_metric: "loss" metric_bigger: true', True),
    ],
)
def test_direction(export, bigger):
    compared = best(export)
    name = compared.results[0]
    values = dict.fromkeys(compared.results, 0.5)
    assert compared.bigger is bigger
    assert compared.update(1, values)
    assert compared.update(2, {**values, name: 0.6}) is bigger
    assert compared.update(3, {**values, name: 0.4}) is not bigger


def test_an_error_counts_as_smaller_is_better():
    compared = best('best_exporter_metric: "mean_absolute_error_ctr"', "metrics_set { mean_absolute_error {} }")
    assert not compared.bigger


def test_the_name_of_a_tower_does_not_make_an_error_of_a_metric():
    compared = best(
        'best_exporter_metric: "auc_loss_of_user"',
        'metrics_set { log_loss {} } } task_towers { tower_name: "loss_of_user" metrics_set { auc {} }',
    )
    assert compared.results == ("auc_loss_of_user",)
    assert compared.bigger


def test_a_bare_error_is_smaller_is_better():
    assert not best('best_exporter_metric: "log_loss"', "metrics_set { log_loss {} }").bigger


def test_an_equal_value_is_no_better():
    compared = best()
    assert compared.update(1, {"auc_ctr": 0.5, "auc_cvr": 0.5})
    assert not compared.update(2, {"auc_ctr": 0.5, "auc_cvr": 0.5})
    assert compared.step == 1


def test_the_best_of_an_earlier_run_counts_if_it_compared_the_same():
    earlier = best()
    earlier.update(7, {"auc_ctr": 0.9, "auc_cvr": 0.9})
    same, other = best(), best('best_exporter_metric: "loss"')
    same.restore(earlier.state())
    other.restore(earlier.state())
    assert (same.value, same.step) == (pytest.approx(0.9), 7)
    assert other.value is None


def test_a_best_on_other_data_is_no_longer_the_best():
    compared = best()
    assert compared.update(1, {"auc_ctr": 0.9, "auc_cvr": 0.9}, [["easy.csv", 3, "a"]])
    again = best()
    again.restore(compared.state())
    assert again.is_comparable([["easy.csv", 3, "a"]]) and not again.is_comparable([["hard.csv", 3, "b"]])
    assert not again.update(2, {"auc_ctr": 0.6, "auc_cvr": 0.6}, [["easy.csv", 3, "a"]])
    assert again.update(3, {"auc_ctr": 0.6, "auc_cvr": 0.6}, [["hard.csv", 3, "b"]])
    assert (again.value, again.step) == (0.6, 3)
