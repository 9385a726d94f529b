"""Which share of the loss each task has, all weights applied."""

import itertools
from types import SimpleNamespace

import pytest
import tensorflow as tf
from google.protobuf import text_format

from easymtl.protos.pipeline_pb2 import Pipeline
from easymtl.protos.train_pb2 import TrainConfig
from easymtl.tasks.build import build_tasks
from easymtl.training import events
from easymtl.training.reports import Reports, is_summary_due, loss_shares
from easymtl.training.step_values import StepValues

TOWERS = """
    data_config { label_fields: ["click", "seconds"] }
    model_config { simple_multi_task {
      task_towers { tower_name: "ctr" losses { loss_type: CLASSIFICATION } losses { loss_type: PAIR_WISE_LOSS } }
      task_towers { tower_name: "stay" loss_type: L2_LOSS }
    } }"""


@pytest.fixture
def ranker():
    class Ranker:
        tasks = build_tasks(text_format.Parse(TOWERS, Pipeline()))
        parameters: dict = {}

    return Ranker()


def found(click: float, pairs: float, seconds: float, **weights: float) -> StepValues:
    losses = {"cross_entropy_loss_ctr": click, "pair_wise_loss_ctr": pairs, "l2_loss_stay": seconds, "loss": 0.0}
    return StepValues(*({name: tf.constant(value) for name, value in part.items()} for part in (losses, weights, {})))


def told(ranker, *steps: StepValues, source=None) -> list[str]:
    notes: list[events.Event] = []
    settings = TrainConfig(log_step_count_steps=2, save_summary_steps=0)
    reports = Reports(settings, ranker, notes.append)

    class Pace:
        progress = staticmethod(lambda *_: events.Note("progress"))

    for step, values in enumerate(steps, 1):
        reports.step(step, values, (0.0, 0.0), Pace())
    if source:
        reports.labels(len(steps), source)
    return [event.text for event in notes if event.text != "progress"]


@pytest.mark.parametrize(
    ("pairs", "expected"),
    [
        ((0, 0, 0, 0, 0), True),
        # One that no log step shows, at the end.
        ((0, 0, 0, 0, 0.1), False),
        ((0, 0.1, 0, 0, 0), False),
    ],
)
def test_a_loss_that_never_met_rows_to_compare_is_told(ranker, pairs, expected):
    class Labels:
        counts, source, encoder, feed = {}, SimpleNamespace(warnings=list), None, SimpleNamespace(cache=None)
        labels = SimpleNamespace(unlearnt=lambda rows: [])

        def of_all(self, _):
            return self

    Labels.encoder = SimpleNamespace(warnings=lambda counts: [])
    texts = told(ranker, *(found(1, value, 1) for value in pairs), source=Labels())
    assert len(texts) == expected
    if expected:
        assert texts == [
            'Warning: "pair_wise_loss_ctr" met no rows to compare, such as two of different labels in one session, '
            "in any step that was looked at."
        ]


def test_shares_add_up_over_the_losses_of_a_task_with_the_weights_of_balancing(ranker):
    assert loss_shares(ranker.tasks, found(1, 2, 1)) == {"ctr": 0.75, "stay": 0.25}
    assert loss_shares(ranker.tasks, found(1, 2, 1, ctr=1.0, stay=9.0)) == {"ctr": 0.25, "stay": 0.75}
    assert loss_shares(ranker.tasks, found(0, 0, 1)) == {"stay": 1.0}
    assert loss_shares(ranker.tasks, found(1, 0, float("inf"))) == {}


def test_a_share_above_90_percent_is_told_at_the_first_report_and_only_there(ranker):
    calm, loud = found(0.5, 0.2, 1.0), found(0.5, 0.2, 836.0)
    assert told(ranker, loud, calm, loud, loud) == []
    (text,) = told(ranker, calm, loud, loud, loud)
    assert text.startswith('Warning: the tower "stay" makes up 99.9 % of the loss at step 2,')
    assert "Give it a label_transform for its large numbers, a smaller weight, or" in text


def test_a_task_that_is_alone_in_having_a_loss_is_not_told(ranker):
    assert told(ranker, *[found(0, 0, 836.0)] * 2) == []


def test_curves_of_a_short_training_have_points_and_those_of_a_long_one_are_as_configured():
    steps = [step for step in range(1, 5001) if is_summary_due(step, 1000)]
    assert steps[:22] == [*range(1, 21), 22, 24]
    assert steps[-5:] == [1000, 2000, 3000, 4000, 5000] and len(steps) < 100
    assert all(later - step <= max(1, step / 10) for step, later in itertools.pairwise(steps[:-4]))
    assert [step for step in range(1, 40) if is_summary_due(step, 8)] == [1, 2, 3, 4, 5, 6, 7, 8, 16, 24, 32]
    assert not any(is_summary_due(step, 0) for step in range(1, 2000))


def summaries_of(ranker, num_steps: int, every: int, **settings) -> list[events.Summary]:
    summaries: list[events.Event] = []
    reports = Reports(TrainConfig(save_summary_steps=every, **settings), ranker, summaries.append)

    class Pace:
        progress = staticmethod(lambda *_: events.Note("progress"))

    for step in range(1, num_steps + 1):
        reports.step(step, found(step, 0.25, 0.5, ctr=2.0), (0.1, 0.2), Pace())
    reports.finish()
    return [event for event in summaries if isinstance(event, events.Summary)]


def test_the_last_step_is_a_point_once(ranker):
    told = summaries_of(ranker, num_steps=21, every=1000)
    assert [event.step for event in told] == [*range(1, 21), 21]
    assert told[-1].losses["cross_entropy_loss_ctr"] == 21 and told[-1].learning_rates == (0.1, 0.2)
    assert told[-1].weights == {"ctr": 2.0}
    assert [event.step for event in summaries_of(ranker, num_steps=20, every=1000)] == [*range(1, 21)]
    assert summaries_of(ranker, num_steps=20, every=0) == []


def test_all_variables_are_read_at_few_of_the_steps(ranker):
    class Parameter:
        read = staticmethod(lambda: tf.zeros([1]))

    ranker.parameters = {"kernel": Parameter()}
    told = summaries_of(ranker, num_steps=100, every=40, summary_model_vars=True)
    assert [event.step for event in told if event.variables] == [1, 10, 40, 80, 100]
