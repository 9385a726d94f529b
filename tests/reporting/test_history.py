"""The history of a training: what is kept when it goes on, is killed, fills the disk, or runs for ever."""

import json

import numpy as np
import pytest

from easymtl.errors import UserError
from easymtl.reporting.history import HISTORY_NAME, History, read_history, thinned, until_step
from easymtl.training import events


def summary(step: int, loss: float = 1.0) -> events.Summary:
    return events.Summary(step, {"loss": loss}, (0.1, 0.2))


def started(first_step: int = 0) -> events.Started:
    return events.Started(first_step, 100, {"dense": 3}, "FLOAT32")


def train(model_dir, *told: events.Event) -> None:
    with History(model_dir) as history:
        for event in told:
            history(event)


def kinds_and_steps(model_dir) -> list[tuple[str, int | None]]:
    return [(record["event"], record.get("step", record.get("first_step"))) for record in read_history(model_dir)]


def test_every_event_is_a_line_as_soon_as_it_is_told(tmp_path):
    history = History(tmp_path)
    history(events.Note("before it starts"))
    assert not (tmp_path / HISTORY_NAME).exists()
    history(started())
    history(summary(1, loss=float("nan")))
    lines = [json.loads(line) for line in (tmp_path / HISTORY_NAME).read_text().splitlines()]
    assert lines == read_history(tmp_path)
    assert [line["event"] for line in lines] == ["note", "started", "summary"]
    assert lines[0]["text"] == "before it starts" and lines[2]["losses"] == {"loss": None}
    history.close()


def test_a_continued_training_drops_what_it_makes_anew(tmp_path):
    lost = [summary(30), events.Note("of what is lost"), events.Evaluated(40, {}, 1, 1.0), events.Phase("saving")]
    train(tmp_path, started(), summary(10), events.Saved(20, tmp_path), *lost)
    train(tmp_path, events.Note("Continuing"), started(20), summary(25))
    assert kinds_and_steps(tmp_path) == [
        ("started", 0),
        ("summary", 10),
        ("saved", 20),
        ("note", None),
        ("started", 20),
        ("summary", 25),
    ]
    assert "of what is lost" not in (tmp_path / HISTORY_NAME).read_text()


def test_a_new_training_begins_a_new_history(tmp_path):
    train(tmp_path, started(), summary(10))
    train(tmp_path, started(), summary(1))
    assert kinds_and_steps(tmp_path) == [("started", 0), ("summary", 1)]


def test_a_line_that_was_being_written_is_left_out_and_then_removed(tmp_path):
    train(tmp_path, started(), summary(10))
    path = tmp_path / HISTORY_NAME
    deep = b"[" * 100_000
    for damage in (b'{"event":"torn', b'{"event":"note","text":"\xe7\x82', b"[1]\n", b"\x00\x00\x00", deep):
        path.write_bytes(path.read_bytes() + damage)
        assert kinds_and_steps(tmp_path) == [("started", 0), ("summary", 10)]
        train(tmp_path, started(10))
        assert kinds_and_steps(tmp_path).pop() == ("started", 10)
        assert damage not in path.read_bytes()
        path.write_text("".join(path.read_text().splitlines(keepends=True)[:2]))


def test_what_is_dropped_is_dropped_whole_or_not_at_all(tmp_path, monkeypatch):
    train(tmp_path, started(), summary(10), summary(20))
    before = (tmp_path / HISTORY_NAME).read_bytes()

    def killed(*_):
        raise KeyboardInterrupt

    monkeypatch.setattr("os.replace", killed)
    with pytest.raises(KeyboardInterrupt):
        train(tmp_path, started(10), summary(11))
    assert (tmp_path / HISTORY_NAME).read_bytes() == before


def test_paths_and_texts_of_any_letters_can_be_read_back(tmp_path):
    text = "点击 \ud800 \u2028 \n"
    train(tmp_path, started(), events.Note(text))
    assert read_history(tmp_path)[-1]["text"] == text


def test_without_a_history_it_says_what_to_do(tmp_path):
    with pytest.raises(UserError, match=r"history.jsonl: there is no such file.* Name the model_dir of a training"):
        read_history(tmp_path)


def test_a_folder_that_cannot_be_written_is_one_line(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(UserError, match=r"cannot be written: .* Check model_dir") as error:
        train(tmp_path / "file", started())
    assert len(str(error.value).splitlines()) == 1


def test_a_disk_that_fills_up_meanwhile_is_one_line(tmp_path):
    history = History(tmp_path)
    history(started())
    history._file = open("/dev/full", "a")  # noqa: SIM115
    with pytest.raises(UserError, match=r"history.jsonl: cannot be written: No space left on device. Check model_dir"):
        history(summary(1))
    history.close()


def test_a_history_stays_bounded(tmp_path):
    with History(tmp_path, most_lines=5000) as history:
        history(started())
        for step in range(1, 20_001):
            history(summary(step))
            if step % 1000 == 0:
                history(events.Evaluated(step, {"auc_click": 0.5}, 1, 1.0))
            assert history._num_lines <= 5000
    records = read_history(tmp_path)
    assert len(records) == history._num_lines
    assert [record["step"] for record in records if record["event"] == "evaluated"] == list(range(1000, 20_001, 1000))
    steps = [record["step"] for record in records if record["event"] == "summary"]
    assert steps[0] == 1 and steps[-1] == 20_000 and 1250 < len(steps) <= 5000
    assert np.diff(steps).max() <= 20  # Nowhere a hole, however often it was thinned.


def test_thinning_keeps_the_last_line_and_the_order(tmp_path):
    records = [{"event": "note", "text": str(index)} for index in range(1500)]
    mixed = [*records, {"event": "saved", "step": 5}, *({"event": "summary", "step": step} for step in range(6, 3006))]
    kept = thinned(mixed)
    assert {"event": "saved", "step": 5} in kept and kept[-1] == mixed[-1]
    assert [record for record in kept if record["event"] == "note"] == [records[0], records[-1]]
    steps = [record["step"] for record in kept if "step" in record]
    assert steps == sorted(steps) and len(steps) <= 1502


def test_until_step_takes_what_was_told_before_the_first_later_step():
    records = [{"event": "started", "first_step": 0}, {"event": "saved", "step": 3}, {"event": "note"}]
    assert list(until_step([*records, {"event": "saved", "step": 4}, {"event": "note"}], 3)) == records
    # A checkpoint that was written while later steps were made is there all the same.
    late = {"event": "saved", "step": 3}
    told = [*records, {"event": "progress", "step": 5}, late, {"event": "note"}]
    assert list(until_step(told, 3)) == [*records, late]
