"""How probabilities decide at each threshold, against counting row by row and scikit-learn."""

import numpy as np
import pytest
from google.protobuf import text_format
from sklearn.metrics import confusion_matrix

from easymtl.protos.pipeline_pb2 import Pipeline
from easymtl.tasks.build import build_tasks
from easymtl.tasks.evaluation import Evaluation
from easymtl.tasks.threshold_counts import NUM_THRESHOLDS, threshold_counts

RANDOM = np.random.default_rng(2)


def counted(events: np.ndarray, probabilities: np.ndarray, threshold: float) -> tuple[int, ...]:
    (tn, fp), (fn, tp) = confusion_matrix(events, probabilities >= threshold, labels=[False, True])
    return tp, fp, tn, fn


def test_counts_are_those_of_scikit_learn_at_every_threshold():
    probabilities = np.concatenate([RANDOM.random(300), [0.0, 1.0, 1.0, 0.5]]).astype(np.float32)
    events = RANDOM.random(304) < 0.3
    found = threshold_counts(events, probabilities)
    for place, threshold in enumerate(np.linspace(0, 1, NUM_THRESHOLDS)):
        of_each = (found.true_positives, found.false_positives, found.true_negatives, found.false_negatives)
        assert tuple(counts[place] for counts in of_each) == counted(events, probabilities, threshold)


def test_a_row_that_stands_for_several_counts_as_often():
    probabilities, events = RANDOM.random(200).astype(np.float32), RANDOM.random(200) < 0.3
    stands_for = np.where(events, 1, 4)
    written_out = np.repeat(np.arange(200), stands_for)
    found = threshold_counts(events, probabilities, stands_for)
    expected = threshold_counts(events[written_out], probabilities[written_out])
    for name in ("true_positives", "false_positives", "true_negatives", "false_negatives", "precision", "recall"):
        np.testing.assert_allclose(getattr(found, name), getattr(expected, name))


def test_shares_of_nothing_are_0():
    found = threshold_counts(np.zeros(3, bool), np.full(3, 0.4, np.float32))
    assert found.recall.tolist() == [0] * NUM_THRESHOLDS
    assert found.precision.tolist() == [0] * NUM_THRESHOLDS
    assert found.true_positives.sum() == 0 and found.false_positives[[0, 80, 81]].tolist() == [3, 3, 0]


TASKS = """
    data_config { label_fields: ["click", "time", "kind", "pair"] }
    model_config { simple_multi_task {
      task_towers { tower_name: "click" metrics_set { auc { } } }
      task_towers { tower_name: "time" loss_type: L2_LOSS metrics_set { mean_absolute_error { } } }
      task_towers { tower_name: "kind" loss_type: CLASSIFICATION num_class: 3 metrics_set { accuracy { } } }
      task_towers { tower_name: "pair" loss_type: CLASSIFICATION num_class: 2 metrics_set { auc { } } }
    } }"""


@pytest.mark.parametrize("is_after_result", [False, True])
def test_an_evaluation_counts_labelled_rows_of_events_over_all_batches(is_after_result):
    evaluation = Evaluation(build_tasks(text_format.Parse(TASKS, Pipeline())))
    click, pair = RANDOM.random((2, 40)).astype(np.float32)
    labels = (RANDOM.random((2, 40)) < 0.5).astype(np.float32)
    labels[0, ::5] = np.nan
    for rows in (slice(0, 25), slice(25, 40)):
        num_rows = len(click[rows])
        predictions = {
            "probs_click": click[rows],
            "y_time": np.zeros(num_rows),
            "probs_kind": np.full([num_rows, 3], 1 / 3),
            "probs_pair": np.stack([1 - pair[rows], pair[rows]], axis=1),
        }
        zeros = np.zeros(num_rows)
        numbers = {"click": labels[0, rows], "time": zeros, "kind": zeros, "pair": labels[1, rows]}
        evaluation.add(predictions, numbers)
    if is_after_result:
        evaluation.result()
    found = evaluation.thresholds()
    assert list(found) == ["click", "pair"]
    has_label = ~np.isnan(labels[0])
    for name, probabilities, events in (
        ("click", click[has_label], labels[0][has_label] > 0),
        ("pair", pair, labels[1] > 0),
    ):
        assert found[name].true_positives[100] == (events & (probabilities >= 0.5)).sum()
        assert found[name].false_negatives[100] == (events & (probabilities < 0.5)).sum()
        assert found[name].false_positives[0] == (~events).sum()


def test_predictions_that_are_not_finite_have_no_curve():
    evaluation = Evaluation(
        build_tasks(
            text_format.Parse(
                TASKS.split("task_towers")[0] + 'task_towers { tower_name: "click" metrics_set { auc { } } } } }',
                Pipeline(),
            )
        )
    )
    evaluation.add({"probs_click": np.array([0.5, np.nan])}, {"click": np.array([1.0, 0.0])})
    assert evaluation.thresholds() == {}
