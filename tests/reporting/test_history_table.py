"""A history as columns."""

import pyarrow as pa

from easymtl.reporting.event_records import event_record
from easymtl.reporting.history_table import history_table
from easymtl.training import events

TOLD = [
    events.Started(0, None, {}, "FLOAT32"),
    events.Summary(1, {"loss": 2.0, "l2_loss_click": 1.5}, (0.1, 0.2), weights={"click": 1.25}),
    events.Progress(10, 0.5, 5000.0, 0.25, {"loss": 1.0}, (0.1, 0.3), None),
    events.GradientConflict(10, {"click/buy": -0.5}),
    events.Evaluated(10, {"auc_click": 0.75, "loss": float("nan")}, 10, 1.0),
    events.Gates(10, {"low/click": {"shared/expert_0": 1.0}}),
    events.Note("no step"),
    events.Summary(10, {"loss": 1.5}, (0.1, 0.3)),
]


def test_there_is_one_row_for_a_step_with_what_is_known_of_it():
    table = history_table(map(event_record, TOLD))
    assert table.to_pydict() == {
        "step": [1, 10],
        "train_loss": [2.0, 1.5],
        "train_l2_loss_click": [1.5, None],
        "weight_click": [1.25, None],
        "learning_rate_embedding": [0.1, 0.1],
        "learning_rate_dense": [0.2, 0.3],
        "examples_per_second": [None, 5000.0],
        "wait_share": [None, 0.25],
        "gradient_cosine_click/buy": [None, -0.5],
        "eval_auc_click": [None, 0.75],
        "eval_loss": [None, None],
        "gate_low/click:shared/expert_0": [None, 1.0],
    }
    assert set(table.schema.types) == {pa.int64(), pa.float64()}


def test_steps_ascend_and_a_history_of_nothing_has_no_row():
    later = [event_record(event) for event in (TOLD[2], TOLD[1])]
    assert history_table(later)["step"].to_pylist() == [1, 10]
    assert history_table([]).to_pydict() == {"step": []}


def test_of_a_record_without_some_of_its_parts_the_others_are_told():
    bare = [{"event": kind, "step": 3} for kind in ("progress", "summary", "gradient_conflict", "evaluated", "gates")]
    assert history_table(bare).num_rows == 0
    found = history_table([{"event": "progress", "losses": {"loss": 1.0}}, {**bare[0], "losses": {"loss": 2.0}}])
    assert found.to_pydict() == {"step": [3], "train_loss": [2.0]}
