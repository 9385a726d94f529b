"""Seven days, followed: what is scored before it is trained on, and that a kill anywhere changes nothing."""

import json
import shutil
from pathlib import Path

import pytest

import easymtl
from easymtl.checkpoints.folder import CheckpointFolder
from easymtl.checkpoints.parts import Parts
from easymtl.errors import UserError
from easymtl.following.program import follow
from easymtl.reporting.part_records import read_parts
from easymtl.training import events
from tests.faults.runs import differences, state_of_training
from tests.following.days import DAYS, days_config, write_day, write_rows

pytestmark = [pytest.mark.slow, pytest.mark.usefixtures("op_by_op")]


class Killed(BaseException):
    """What a test ends a training with, in the place of SIGKILL."""


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Path:
    """A folder with seven days of which nothing is written any more."""
    folder = tmp_path_factory.mktemp("days")
    for day in range(7):
        write_day(folder, day)
    return folder


@pytest.fixture(scope="module")
def undisturbed(folder, op_by_op):
    """The parts of a training over seven days, and what it told."""
    told = []
    parts = list(follow(days_config(folder), callbacks=[told.append], verbose=False))
    return parts, told


def trained_in(model_dir) -> list[str]:
    state = CheckpointFolder(model_dir).latest().state()
    return [part.name for part in Parts.from_state(state).trained]


def records_of(model_dir) -> list[dict]:
    return [{name: value for name, value in one.items() if name != "time"} for one in read_parts(model_dir)]


def test_every_day_is_scored_by_the_model_of_the_days_before(undisturbed, folder):
    parts, told = undisturbed
    assert [part.part for part in parts] == DAYS == trained_in(folder / "model")
    assert [part.step for part in parts] == [5 * number for number in range(1, 8)]
    assert parts[0].metrics == {} and parts[0].scores == {}
    checkpoint = folder / "model" / "checkpoints" / "step-000000030"
    model = easymtl.open(folder / "model", checkpoint=30)
    assert checkpoint.is_dir()
    result = model.evaluate(str(folder / "logs" / DAYS[6]))
    assert parts[6].metrics == pytest.approx(result.metrics)
    scores = model.predict(str(folder / "logs" / DAYS[6]))
    assert parts[6].scores["ctr"] == pytest.approx(scores["probs_ctr"].mean(), rel=1e-5)
    scored = [event for event in told if isinstance(event, events.PartScored)]
    saved = [event for event in told if isinstance(event, events.Saved | events.PartScored)]
    assert [event.part for event in scored] == DAYS
    # The days before are saved when a day is scored, and nothing of the day itself is.
    steps = [(saved[place - 1].step, event.number) for place, event in enumerate(saved) if event in scored and place]
    assert steps == [(5 * (number - 1), number) for number in range(2, 8)]


def test_the_drift_of_labels_is_told_and_kept(undisturbed, folder):
    parts, told = undisturbed
    labels = [part.labels["ctr"] for part in parts]
    assert labels[-1] > labels[0] + 0.3
    moved = [text for event in told if isinstance(event, events.PartScored) for text in event.drift]
    assert any('the mean label of "ctr" is' in text for text in moved)
    assert [record["labels"]["ctr"] for record in read_parts(folder / "model")] == labels
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    board = EventAccumulator(str(folder / "model" / "summaries" / "parts")).Reload()
    assert [(one.step, one.value) for one in board.Scalars("mean_label/ctr")] == [
        (number, pytest.approx(value)) for number, value in enumerate(labels, 1)
    ]
    assert [one.step for one in board.Scalars("auc/ctr")] == list(range(2, 8))


KILLS = [
    ("easymtl.following.follower.found_in", 1, "before"),
    ("easymtl.following.follower.found_in", 2, "after"),
    ("easymtl.training.decisions.Decisions.after_step", 7, "before"),
    ("easymtl.checkpoints.folder.publish", 1, "before"),
    ("easymtl.checkpoints.folder.publish", 2, "after"),
    ("easymtl.training.decisions.Decisions.after_step", 2, "after"),
    ("easymtl.following.follower.finish_part", 1, "before"),
    ("easymtl.following.follower.finish_part", 1, "after"),
    ("easymtl.following.exports.Exports.make", 1, "before"),
    ("easymtl.following.exports.Exports.make", 2, "after"),
    ("easymtl.following.records.Records.add", 1, "before"),
    ("easymtl.following.records.Records.add", 1, "after"),
]
"""What is called when a training is killed, the how-manieth call it is, and whether it was made."""


def run_until_killed(monkeypatch, folder, place, number, when) -> bool:
    """Runs until a call, and returns whether it came to that."""
    calls = 0
    module, name = place.rsplit(".", 1)
    owner = __import__("importlib").import_module(module) if name.islower() and module.islower() else None
    if owner is None:
        module, kind = module.rsplit(".", 1)
        owner = getattr(__import__("importlib").import_module(module), kind)
    real = getattr(owner, name)

    def killing(*given, **named):
        nonlocal calls
        calls += 1
        if calls == number and when == "before":
            raise Killed
        done = real(*given, **named)
        if calls == number:
            raise Killed
        return done

    with monkeypatch.context() as patch:
        patch.setattr(owner, name, killing)
        try:
            list(follow(days_config(folder, model="killed"), verbose=False))
        except Killed:
            return True
    return False


def test_a_kill_anywhere_trains_no_day_twice_and_leaves_none_out(undisturbed, folder, monkeypatch):
    for place, number, when in KILLS:
        assert run_until_killed(monkeypatch, folder, place, number, when), (place, number, when)
    rest = list(follow(days_config(folder, model="killed"), verbose=False))
    assert rest, "kills have left something to do"
    assert trained_in(folder / "killed") == DAYS
    assert not differences(state_of_training(folder / "model"), state_of_training(folder / "killed"))
    assert records_of(folder / "killed") == records_of(folder / "model")


def test_a_stop_in_a_day_goes_on_in_it(undisturbed, folder):
    def stop(event):
        if isinstance(event, events.Progress) and event.step == 7:
            raise easymtl.StopTraining

    config = days_config(folder, "train_config.log_step_count_steps=1", model="stopped")
    first = list(follow(config, callbacks=[stop], verbose=False))
    assert [part.part for part in first] == DAYS[:1]
    told = []
    (second,) = follow(config, until=DAYS[1], callbacks=[told.append], verbose=False)
    assert second == undisturbed[0][1]
    assert not [event for event in told if isinstance(event, events.PartScored)], "it was scored before"


@pytest.fixture
def two_days(undisturbed, folder, tmp_path):
    """A copy of the data in which the first two days were trained on, and the third was begun."""
    shutil.copytree(folder / "logs", tmp_path / "logs")
    config = days_config(tmp_path, "train_config.log_step_count_steps=1")

    def stop(event):
        if isinstance(event, events.Progress) and event.step == 13:
            raise easymtl.StopTraining

    list(follow(config, callbacks=[stop], verbose=False))
    return tmp_path, config


def notes(told):
    return [event.text for event in told if isinstance(event, events.Note)]


def test_a_day_that_vanishes_half_trained_is_told_and_the_next_one_follows(two_days):
    folder, config = two_days
    (folder / "logs" / DAYS[2]).rename(folder / "logs" / f"_{DAYS[2]}")
    told = []
    parts = list(follow(config, until=DAYS[3], callbacks=[told.append], verbose=False))
    assert [(part.part, part.is_whole) for part in parts] == [(DAYS[2], False), (DAYS[3], True)]
    assert any(f"the part {DAYS[2]} was trained on in part only" in text for text in notes(told))
    shutil.rmtree(folder / "logs")
    (folder / "logs").mkdir()
    assert list(follow(config, verbose=False)) == []


def test_a_day_that_changes_half_trained_is_refused_and_nothing_is_touched(two_days):
    folder, config = two_days
    part = folder / "logs" / DAYS[2] / "part-0.csv"
    before, state = part.read_text(), state_of_training(folder / "model")
    write_rows(part, 130, 99)
    with pytest.raises(UserError, match=rf'the part "{DAYS[2]}" has changed while it was trained on: 1 changed'):
        list(follow(config, verbose=False))
    assert state_of_training(folder / "model") == state
    part.write_text(before)
    assert [one.part for one in follow(config, until=DAYS[2], verbose=False)] == [DAYS[2]]


def test_days_that_come_late_change_or_have_no_row(two_days):
    folder, config = two_days
    shutil.move(folder / "logs" / DAYS[3], folder / "late")
    write_rows(folder / "logs" / DAYS[0] / "part-0.csv", 130, 99)
    (folder / "logs" / DAYS[5] / "part-0.csv").write_text("\n")
    told = []
    parts = list(follow(config, callbacks=[told.append], verbose=False))
    assert [part.part for part in parts] == [DAYS[2], DAYS[4], DAYS[6]]
    shutil.move(folder / "late", folder / "logs" / DAYS[3])
    assert list(follow(config, callbacks=[told.append], verbose=False)) == []
    said = "\n".join(notes(told))
    assert f"the part {DAYS[0]} has changed since it was trained on" in said
    assert f"the part {DAYS[3]} came when a later one was trained on, and is left out" in said
    assert f"the part {DAYS[5]} is passed over" in said
    told.clear()
    assert list(follow(config, callbacks=[told.append], verbose=False)) == []
    assert not [text for text in notes(told) if text.startswith("Warning: the part")], "once is enough"
    (late,) = follow(config, late="train", verbose=False)
    assert late.part == DAYS[3] and late.is_late


def test_equal_files_of_two_days_are_two_days(two_days):
    folder, config = two_days
    shutil.copy(folder / "logs" / DAYS[2] / "part-0.csv", folder / "logs" / DAYS[3] / "part-0.csv")
    assert [part.step for part in follow(config, until=DAYS[3], verbose=False)] == [15, 20]


def test_a_file_that_cannot_be_read_stops_before_anything_of_its_day_is_trained_on(two_days):
    folder, config = two_days
    path = folder / "logs" / DAYS[3] / "part-0.csv"
    rows = path.read_text()
    path.write_text(rows.replace("\n", "\nx,", 100))
    parts = follow(config, verbose=False)
    assert next(parts).part == DAYS[2]
    with pytest.raises(UserError, match=f"{DAYS[3]}/part-0.csv"):
        next(parts)
    assert trained_in(folder / "model") == DAYS[:3]
    path.write_text(rows)
    assert [part.part for part in follow(config, until=DAYS[3], verbose=False)] == [DAYS[3]]


def test_a_model_of_before_is_followed_from_where_its_user_says(two_days, tmp_path):
    folder, config = two_days
    easymtl.train(config.with_paths(model_dir=str(folder / "plain")), str(folder / "logs" / DAYS[0]), verbose=False)
    plain = config.with_paths(model_dir=str(folder / "plain"))
    with pytest.raises(UserError, match=r"of a training that followed no parts.*not: begin dt=2026-01-02"):
        list(follow(plain, verbose=False))
    first, second = follow(plain, begin=DAYS[1], until=DAYS[2], verbose=False)
    assert (first.part, first.first_step, second.step) == (DAYS[1], 5, 15) and first.metrics
    # What is before stays unasked for, also where nobody says it again.
    assert list(follow(plain, until=DAYS[2], late="train", verbose=False)) == []


def test_another_training_in_between_is_told(two_days):
    folder, config = two_days
    easymtl.train(config, str(folder / "logs" / DAYS[6]), new_data=True, verbose=False)
    assert trained_in(folder / "model") == DAYS[:3]
    told = []
    parts = list(follow(config, until=DAYS[3], callbacks=[told.append], verbose=False))
    assert [(part.part, part.is_whole) for part in parts] == [(DAYS[2], False), (DAYS[3], True)]
    assert any("another command has trained on other data since" in text for text in notes(told))


def test_a_damaged_checkpoint_takes_its_records_with_it(two_days):
    folder, config = two_days
    list(follow(config, until=DAYS[3], verbose=False))
    expected, records = state_of_training(folder / "model"), records_of(folder / "model")
    newest = folder / "model" / "checkpoints" / "step-000000020"
    (newest / "weights.index").write_bytes(b"x")
    (part,) = follow(config, until=DAYS[3], verbose=False)
    assert part.part == DAYS[3]
    shutil.rmtree(newest.with_name("damaged-step-000000020"))
    assert not differences(expected, state_of_training(folder / "model"))
    assert records_of(folder / "model") == records
    assert json.loads((folder / "model" / "follow.jsonl").read_text().splitlines()[-1])["part"] == DAYS[3]


def test_a_rate_that_has_come_down_is_told_once_and_by_each_process(two_days):
    folder, _ = two_days
    rate = "cosine_decay_learning_rate { learning_rate_base: 0.01 warmup_steps: 1 total_steps: 18 }"
    falling = f"train_config.optimizer_config[0].adam_optimizer.learning_rate={{{rate}}}"
    config, told = days_config(folder, falling), []
    parts = list(follow(config, until=DAYS[4], callbacks=[told.append], verbose=False))
    assert [part.step for part in parts] == [15, 20, 25]
    low = [place for place, text in enumerate(notes(told)) if "has come down from 0.01 to 0:" in text]
    assert len(low) == 1 and "at step 20 " in notes(told)[low[0]]
    again = []
    list(follow(config, until=DAYS[5], callbacks=[again.append], verbose=False))
    assert sum("at step 25 " in text for text in notes(again)) == 1
    assert sum("has come down" in text for text in notes(again)) == 1


def test_ids_of_growing_tables_age_by_the_days_of_the_parts(tmp_path):
    for day in (0, 3, 4):
        write_day(tmp_path, day)
    item = 'input_names: "item" feature_type: IdFeature embedding_dim: 4 growing { max_rows: 20 expire_after_days: 2 }'
    told = []
    config = days_config(tmp_path, f"feature_config.features[0]={{{item}}}")
    first, second, _ = follow(config, callbacks=[told.append], verbose=False)
    gone = [text for text in notes(told) if "are gone" in text]
    assert gone == ['growing table "item": 20 ids not seen for 2 days are gone.'], "between the first two parts"
    # There are 30 items. Before there is a model they are not unseen by it, and no later share is held against that.
    assert "item" not in first.counts and 0 < second.counts["item"]["unseen"] < 130
    assert not [
        text for event in told if isinstance(event, events.PartScored) for text in event.drift if "item" in text
    ]
