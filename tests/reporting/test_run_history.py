"""What is read back of a training, whole or damaged."""

import json

import pytest

from easymtl.reporting.event_records import event_record
from easymtl.reporting.run_history import phase_seconds, read_run_history
from easymtl.training import events

EVENTS = [
    events.Started(0, 20, {"dense": 10, "embedding": 20}, "FLOAT32"),
    events.Progress(10, 0.5, 100.0, 0.25, {"a_loss_ctr": 0.5, "loss": 0.75}, (0.1, 0.1), None),
    events.Summary(10, {"a_loss_ctr": 0.5, "loss": 0.75}, (0.1, 0.1)),
    events.GradientConflict(10, {"ctr/cvr": -0.5}),
    events.Gates(10, {"ctr": {"expert_0": 0.995, "expert_1": 0.005}}),
    events.Evaluated(10, {"auc_ctr": 0.7, "auc_cvr": float("nan")}, 50, 1.5, True),
    events.Progress(20, 1.0, 200.0, 0.5, {"a_loss_ctr": 0.25, "loss": float("inf")}, (0.1, 0.1), None),
    events.Note("mind the gap"),
    events.Note("mind the gap"),
]


def write(folder, records, more=""):
    (folder / "history.jsonl").write_text("".join(json.dumps(one) + "\n" for one in records) + more)


def test_events_come_back(tmp_path):
    write(tmp_path, [event_record(one) for one in EVENTS])
    found = read_run_history(tmp_path)
    assert found.losses == {"a_loss_ctr": {10: 0.5, 20: 0.25}, "loss": {10: 0.75}}, "what is not finite is left out"
    assert found.cosines == {"ctr/cvr": {10: -0.5}} and found.gates["ctr"]["expert_1"] == {10: 0.005}
    (evaluation,) = found.evaluations
    assert (evaluation.step, evaluation.metrics, evaluation.is_best, evaluation.num_examples) == (
        10,
        {"auc_ctr": 0.7},
        True,
        50,
    )
    assert found.speed == {10: 100, 20: 200} and found.wait == {10: 0.25, 20: 0.5}
    assert found.parameters == {"dense": 10, "embedding": 20} and found.precision == "FLOAT32"
    assert found.notes == ["mind the gap"] and found.is_recorded and found.num_broken == 0


def test_a_second_evaluation_of_a_step_takes_the_place_of_the_first(tmp_path):
    records = [
        event_record(events.Evaluated(step, {"auc": value}, 5, 1.0)) for step, value in ((8, 0.5), (4, 0.25), (8, 0.75))
    ]
    write(tmp_path, records)
    assert [(one.step, one.metrics["auc"]) for one in read_run_history(tmp_path).evaluations] == [(4, 0.25), (8, 0.75)]
    write(tmp_path, reversed(records[:2]), json.dumps(records[1]))
    assert [one.step for one in read_run_history(tmp_path).evaluations] == [4, 8], "whatever their order is"


def test_a_text_may_hold_what_others_take_for_the_end_of_a_line(tmp_path):
    text = "one \u2028 and \x85 the same"
    (tmp_path / "history.jsonl").write_text(json.dumps({"event": "note", "text": text}, ensure_ascii=False) + "\n")
    found = read_run_history(tmp_path)
    assert found.notes == [text] and found.num_broken == 0


@pytest.mark.parametrize(
    "line",
    [
        '{"event": "progress", "step": 3, "los',
        "[1, 2]",
        '{"step": 1}',
        '{"event": 3}',
        "[" * 100_000,
        "\x00\x01",
    ],
    ids=["cut off", "a list", "no event", "a number", "deep", "binary"],
)
def test_lines_that_are_no_events_are_counted_and_left_out(tmp_path, line):
    write(tmp_path, [event_record(EVENTS[1])], line)
    found = read_run_history(tmp_path)
    assert found.num_broken == 1 and found.losses["loss"] == {10: 0.75}


@pytest.mark.parametrize(
    "record",
    [
        {"event": "progress", "step": "x", "losses": {"loss": 1}},
        {"event": "progress", "step": 1, "losses": [1]},
        {"event": "progress", "step": 1, "losses": {"loss": "<script>", "a": True, "b": None}},
        {"event": "gates", "step": 1, "weights": {"g": 3}},
        {"event": "gates", "step": 1, "weights": None},
        {"event": "evaluated", "step": None, "metrics": {}},
        {"event": "evaluated", "step": 10**400, "metrics": {}},
        {"event": "gradient_conflict", "step": 1, "cosines": {"a/b": {}}},
        {"event": "started", "num_parameters": 7},
        {"event": "note", "text": {}},
        {"event": "phase", "name": None, "time": "now"},
        {"event": "of a later version"},
    ],
    ids=str,
)
def test_values_of_other_types_are_left_out(tmp_path, record):
    write(tmp_path, [record])
    found = read_run_history(tmp_path)
    assert not (found.losses or found.gates or found.evaluations or found.cosines or found.notes or found.seconds)


def test_without_a_file_checkpoints_tell_the_evaluations(tmp_path):
    found = read_run_history(tmp_path)
    assert not found.is_recorded and not found.evaluations and not found.losses


def record(kind, time, **more):
    return {"event": kind, "time": time, **more}


def test_phases_last_until_the_next_one_and_evaluations_end_in_training():
    records = [
        record("phase", 0, name="building"),
        record("phase", 4, name="tracing"),
        record("started", 5),
        record("progress", 10),
        record("phase", 12, name="evaluating"),
        record("evaluated", 15),
        record("saved", 16),
        record("progress", 20),
    ]
    assert phase_seconds(records) == {"building": 4, "tracing": 1, "training": 5 + 2 + 1 + 4, "evaluating": 3}


def test_the_time_between_two_runs_is_nobodys():
    first = [record("phase", 0, name="reading"), record("started", 2), record("progress", 6), record("saved", 7)]
    second = [record("phase", 1000, name="reading"), record("phase", 1003, name="building"), record("progress", 1008)]
    assert phase_seconds([*first, *second]) == {"reading": 2 + 3, "training": 5, "building": 5}


def test_a_clock_that_goes_back_takes_no_time_away():
    assert phase_seconds([record("progress", 5), record("progress", 3), record("progress", 4)]) == {"training": 1}
