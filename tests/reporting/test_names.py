"""Which tower a result belongs to, with names made to be mixed up."""

import pytest

from easymtl.reporting.names import by_tower, is_metric, split_result, without_tower

TOWERS = ["mic", "on_mic", "is_on_mic", "click"]


@pytest.mark.parametrize(
    "name, parts",
    [
        ("auc_mic", ("auc", "mic")),
        ("auc_on_mic", ("auc", "on_mic")),
        ("weighted_auc_is_on_mic", ("weighted_auc", "is_on_mic")),
        ("gauc_2_click", ("gauc_2", "click")),
        ("l2_loss_on_mic_2", ("l2_loss_2", "on_mic")),
        ("loss", ("loss", None)),
        ("loss_2", ("loss_2", None)),
        ("regularization_loss", ("regularization_loss", None)),
    ],
)
def test_the_longest_tower_that_ends_the_name_counts(name, parts):
    assert split_result(name, TOWERS) == parts
    assert split_result(name, reversed(TOWERS)) == parts


def test_a_number_belongs_to_the_tower_that_has_it():
    assert split_result("l2_loss_time_2", ["time", "time_2"]) == ("l2_loss", "time_2")


def test_metrics_are_told_from_losses():
    assert all(map(is_metric, ["auc", "weighted_auc", "gauc_2", "log_loss", "precision_at_topk"]))
    assert not any(map(is_metric, ["loss", "cross_entropy_loss", "l2_loss_2", "my_auc"]))


def test_results_are_sorted_by_tower_and_losses_summed_up():
    results = {"auc_click": 0.7, "l2_loss_mic": 1.5, "l2_loss_mic_2": 0.5, "log_loss_click": 0.4, "loss": 2.0}
    assert by_tower(results, ["mic", "click", "idle"]) == {
        "mic": {"loss": 2.0},
        "click": {"auc": 0.7, "log_loss": 0.4},
        "idle": {},
    }
    assert without_tower(results, ["mic", "click"]) == {"loss": 2.0}


def test_a_metric_of_a_package_is_one(monkeypatch):
    found = {"metric": {"regret": "toy 1.0"}, "loss": {"huber": "toy 1.0"}}
    monkeypatch.setattr("easymtl.reporting.names.installed_names", lambda kind: found[kind])
    assert is_metric("regret") and is_metric("weighted_regret") and not is_metric("huber")
    assert by_tower({"regret_ctr": 0.5, "huber_ctr": 2.0}, ["ctr"]) == {"ctr": {"regret": 0.5, "loss": 2.0}}
