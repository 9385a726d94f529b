"""The losses of a pass are those of all rows at once, however the rows are cut into batches."""

import numpy as np
import pytest
import tensorflow as tf
from google.protobuf import text_format

from easymtl.protos.loss_pb2 import Loss
from easymtl.protos.pipeline_pb2 import Pipeline
from easymtl.scoring.pass_losses import BatchLosses, PassLosses
from easymtl.tasks import reach
from easymtl.tasks.build import build_tasks
from easymtl.tasks.labelled import Labelled
from easymtl.tasks.losses import LOSSES, reach_of
from easymtl.tasks.reach import EACH_ROW, ROWS_OF_A_BLOCK, Reach, Together
from easymtl.tasks.sums import Sum
from easymtl.tasks.task import Task
from tests.tasks import test_losses, test_losses_pairwise
from tests.tasks.loss_checks import Rows, random_rows, task_of

SIZES = (1, 7, 4096)
WIDTHS = {"ZILN_LOSS": 3, "JRC_LOSS": 2}
SESSION = 'session_name: "session"'


def losses_of(tasks: list[Task], logits: dict, numbers: dict, keys: dict, size: int) -> dict[str, float]:
    """Returns the losses of a pass in batches of some size, as an evaluation computes them."""
    losses = PassLosses(tasks)
    num_rows = len(next(iter(numbers.values())))
    for begin in range(0, num_rows, size):
        parts = [
            {name: tf.constant(column[begin : begin + size]) for name, column in columns.items()}
            for columns in (logits, numbers, keys)
        ]
        labelled = Labelled(*parts[1:])
        sums = {task.name: task.sums(parts[0], labelled, EACH_ROW) for task in tasks}
        losses.add(BatchLosses(sums, parts[0], labelled))
    return losses.result()


def loss_of_rows(task: Task, rows: Rows, size: int) -> float:
    numbers = {"y": rows.labels, "w": rows.weights, "in": rows.inside}
    numbers = {name: column.astype(np.float32) for name, column in numbers.items()}
    return losses_of([task], {"t": rows.logits.astype(np.float32)}, numbers, {"session": rows.sessions}, size)["loss"]


def rounded(rows: Rows) -> Rows:
    """Returns the rows as float32 has them."""
    numbers = (rows.logits.astype(np.float32), rows.labels.astype(np.float32), rows.weights)
    return Rows(*numbers, rows.sessions, rows.inside)


def pair_case(name: str, session: str):
    *_, options, loss = test_losses_pairwise.CASES[name]
    rows = rounded(random_rows(60, labels="numbers" if "hinge" in name or "label" in name else "grades"))
    expected = test_losses_pairwise.reference(rows, loss, by_session=bool(session), **options)
    return task_of(test_losses_pairwise.loss_text(name, session)), rows, expected


def row_case(name: str):
    loss_type, parameters, labels, reference = test_losses.CASES[name]
    width = WIDTHS.get(loss_type, 0)
    task = task_of(f"losses {{ loss_type: {loss_type} {parameters} }}", f"num_class: {width or 1}")
    rows = rounded(random_rows(60, labels=labels, width=width))
    return task, rows, reference(rows)


CASES = {
    **{f"{name} of rows": lambda name=name: row_case(name) for name in test_losses.CASES},
    **{f"{name} in sessions": lambda name=name: pair_case(name, SESSION) for name in test_losses_pairwise.CASES},
    **{f"{name} of all": lambda name=name: pair_case(name, "") for name in test_losses_pairwise.CASES},
}


@pytest.mark.parametrize("case", CASES)
def test_every_loss_is_that_of_all_rows_whatever_the_size_of_a_batch(case):
    task, rows, reference = CASES[case]()
    found = [loss_of_rows(task, rows, size) for size in SIZES]
    np.testing.assert_allclose(found, found[-1], rtol=1e-6)
    np.testing.assert_allclose(found[-1], reference(rows.logits), rtol=5e-6)


@pytest.mark.parametrize("loss_type", LOSSES)
def test_every_loss_that_compares_rows_says_so(loss_type):
    """One that did not would be added up row by row."""
    kind, loss = LOSSES[loss_type], Loss(loss_type=loss_type)
    fields = getattr(loss, kind.parameters).DESCRIPTOR.fields_by_name if kind.parameters else ()
    assert (reach_of(loss) != EACH_ROW) == ("session_name" in fields)


FUNNEL = """
    data_config {{
      label_fields: ["click", "buy"] sample_weight: "w"
      input_fields {{ input_name: "teacher" input_type: FLOAT }} input_fields {{ input_name: "session" }}
    }}
    model_config {{
      loss_reduction: {reduction}
      aitm {{
        calibration_weight: 0.5
        task_towers {{ tower_name: "ctr" label_name: "click" weight: 2 }}
        task_towers {{
          tower_name: "cvr" label_name: "buy" task_space_indicator_label: "click" out_task_space_weight: 0
          losses {{ loss_type: CLASSIFICATION weight: 3 }}
          losses {{ loss_type: PAIR_WISE_LOSS weight: 0.1 pairwise_loss {{ session_name: "session" }} }}
        }}
      }}
      kd {{ loss_name: "kd" pred_name: "logits_ctr" soft_label_name: "teacher" loss_type: L2_LOSS loss_weight: 0.7 }}
      kd {{
        loss_name: "kd_pairs" pred_name: "logits_ctr" soft_label_name: "teacher" loss_type: PAIR_WISE_LOSS
        pairwise_loss {{ session_name: "session" }}
      }}
    }}"""


@pytest.mark.parametrize("reduction", ["NONZERO_WEIGHT_MEAN", "BATCH_MEAN", "SUM"])
def test_losses_that_count_other_rows_than_the_label_does(reduction):
    tasks = build_tasks(text_format.Parse(FUNNEL.format(reduction=reduction), Pipeline()))
    random = np.random.default_rng(1)
    click = random.integers(0, 2, 50).astype(np.float32)
    numbers = {
        "click": click,
        "buy": click * random.integers(0, 2, 50).astype(np.float32),
        "w": random.choice([0, 1, 2], 50).astype(np.float32),
        "teacher": np.where(random.random(50) < 0.7, random.normal(size=50), np.nan).astype(np.float32),
    }
    keys = {"session": random.integers(0, 6, 50)}
    logits = {name: random.normal(size=50).astype(np.float32) for name in ("ctr", "cvr")}
    found = [losses_of(tasks, logits, numbers, keys, size) for size in (1, 7, 16, 4096)]
    for losses in found[:-1]:
        assert losses == pytest.approx(found[-1], rel=1e-6)
    s, w, t = logits["ctr"].astype(float), numbers["w"].astype(float), numbers["teacher"].astype(float)
    is_there = ~np.isnan(t)
    p = {name: 1 / (1 + np.exp(-values.astype(float))) for name, values in logits.items()}
    inside = w * click
    expected = {
        "kd": (0.7 * np.sum((w * (s - t) ** 2)[is_there]), np.sum((w != 0) & is_there)),
        "cross_entropy_loss_cvr": (
            3 * -np.sum(inside * np.log(np.where(numbers["buy"] > 0, p["cvr"], 1 - p["cvr"]))),
            np.sum(inside != 0),
        ),
        "calibration_loss_cvr": (0.5 * np.sum(inside * np.maximum(p["cvr"] - p["ctr"], 0)), np.sum(inside != 0)),
    }
    for name, (total, count) in expected.items():
        divisor = {"SUM": 1, "BATCH_MEAN": 50, "NONZERO_WEIGHT_MEAN": count}[reduction]
        assert found[-1][name] == pytest.approx(total / divisor, rel=5e-6), name
    assert set(found[0]) == {name for task in tasks for name in task.loss_names} | {"loss"}


def test_pairs_without_a_session_are_those_of_blocks_of_a_size_of_their_own():
    task = task_of(test_losses_pairwise.loss_text("pair_wise", ""), model="loss_reduction: SUM")
    random = np.random.default_rng(0)
    number = ROWS_OF_A_BLOCK + 300
    rows = rounded(Rows(random.normal(size=number), random.random(number) < 0.01))
    whole = [rows.take(slice(begin, begin + ROWS_OF_A_BLOCK)) for begin in (0, ROWS_OF_A_BLOCK)]
    expected = sum(loss_of_rows(task, part, number) for part in whole)
    assert loss_of_rows(task, rows, 1000) == pytest.approx(expected, rel=1e-6)


@pytest.mark.parametrize("at_once", [1, 10, 25, 1000])
def test_parts_of_sessions_are_whole_and_hold_every_row_once(monkeypatch, at_once):
    monkeypatch.setattr(reach, "SESSION_ROWS_AT_ONCE", at_once)
    keys = np.random.default_rng(3).integers(-4, 4, 60) * 10**17
    parts = list(Reach(Together.SESSION, "user").parts(60, {"user": keys}))
    assert sorted(np.concatenate(parts)) == list(range(60))
    for part in parts:
        assert np.isin(keys, keys[part]).sum() == len(part)
    assert (len(parts) > 1) == (at_once < 60)
    assert all(len(part) >= min(at_once, 60) for part in parts[:-1])


def test_without_a_batch_there_is_no_loss():
    assert PassLosses([task_of("losses { loss_type: CLASSIFICATION }")]).result() == {}


def test_losses_of_layers_are_the_mean_over_the_rows_of_all_batches():
    losses = PassLosses([])
    for value, count in ((1.0, 6.0), (3.0, 2.0)):
        losses.add(BatchLosses({}, {}, Labelled({}, {}), {"aux_l2_loss": Sum(value * count, count, count)}))
    assert losses.result() == {"aux_l2_loss": 1.5, "loss": 1.5}
