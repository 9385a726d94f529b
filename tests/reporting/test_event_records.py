"""Events as JSON objects."""

import json
from pathlib import Path

import numpy as np

from easymtl.reporting.event_records import event_record
from easymtl.training import events
from easymtl.training.transfer import Transfer


def test_says_kind_time_and_what_the_event_has():
    event = events.Progress(100, 0.5, 2000.0, 0.0, {"loss": np.float32(0.5)}, (1e-3, 1e-2), None)
    assert event_record(event, lambda: 12.5) == {
        "event": "progress",
        "time": 12.5,
        "step": 100,
        "share": 0.5,
        "examples_per_second": 2000.0,
        "wait_share": 0.0,
        "losses": {"loss": 0.5},
        "learning_rates": [1e-3, 1e-2],
        "seconds_left": None,
        "weights": {},
    }


def test_kinds_of_several_words_have_underscores():
    assert event_record(events.GradientConflict(3, {"a/b": -0.5}), float)["event"] == "gradient_conflict"


def test_what_is_not_finite_is_null():
    record = event_record(events.Evaluated(1, {"auc_click": float("nan")}, 10, 0.5))
    assert record["metrics"] == {"auc_click": None}
    json.dumps(record, allow_nan=False)


def test_every_event_can_be_written():
    of_each = [
        events.Started(0, None, {"dense": 3}, "FLOAT32"),
        events.Summary(1, {}, (0.1, 0.1), {"kernel": lambda: None}),
        events.Gates(1, {"click": {"expert_0": 1.0}}),
        events.Saved(1, Path("m/step-1")),
        events.StartedFrom(Transfer("m/step-1", 3, ["kernel"])),
        events.Phase("reading", "3 files"),
        events.Note("A word."),
    ]
    records = [json.loads(json.dumps(event_record(event), allow_nan=False)) for event in of_each]
    assert "variables" not in records[1]
    assert records[3]["path"] == "m/step-1"
    assert [record["event"] for record in records[4:]] == ["started_from", "phase", "note"]
