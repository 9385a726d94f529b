"""Searches over trainings that are a formula: what is found, pruned, resumed, retried and refused."""

import json
import math

import pytest

from easymtl.config import ConfigError, parse_config
from easymtl.config.problems import Problem
from easymtl.errors import UserError
from easymtl.reporting.study_results import read_result
from easymtl.tuning.plan import require_same_study
from easymtl.tuning.trainings import Outcome
from easymtl.tuning.winner import write_winner
from tests.api.shop import CONFIG
from tests.tuning.conftest import RATE, SPACE, FakeRunner, auc, plan, search


def numbers(result: dict, state: str) -> list[int]:
    return [row["number"] for row in result["trials"] if row["state"] == state]


def test_the_best_of_the_trials_is_found_and_the_config_itself_is_the_first(tmp_path):
    made_of, runner, events = plan(), FakeRunner(), []
    search(tmp_path, made_of, runner, events).make_trials(16)
    result = read_result(tmp_path)
    assert len(result["trials"]) == 16 and result["trials"][0]["settings"] == {
        "num_expert": "2",
        "learning_rate": "0.01",
    }
    best = next(row for row in result["trials"] if row["number"] == result["best"][0])
    assert best["settings"]["num_expert"] == "6"
    assert best["values"] == [pytest.approx(0.9 - 0.05 - 0.5 / 40 + 0.005)], "the mean of both towers at the last step"
    assert result["importance"]["auc"]["num_expert"] > 0.75, "the learning rate is in no formula"
    assert json.loads((tmp_path / "study.json").read_text()) == result


def test_bad_trials_are_pruned_at_an_evaluation_and_count(tmp_path):
    made_of, runner, events = plan(), FakeRunner(), []
    search(tmp_path, made_of, runner, events).make_trials(12)
    result = read_result(tmp_path)
    pruned = numbers(result, "pruned")
    assert pruned and min(pruned) >= 4, "the first four tell what is usual"
    assert len(pruned) + len(numbers(result, "complete")) == 12
    assert {step for number, step in enumerate(runner.steps) if number in pruned} == {10}
    medians = sorted(row["intermediate"]["10"] for row in result["trials"] if row["number"] < pruned[0])
    first = next(row for row in result["trials"] if row["number"] == pruned[0])
    assert first["values"][0] < medians[len(medians) // 2]


def test_a_study_goes_on_as_if_it_had_never_been_interrupted(tmp_path):
    whole = FakeRunner()
    search(tmp_path / "whole", plan(), whole, []).make_trials(9)
    part = FakeRunner()
    for number in (2, 5, 9):
        search(tmp_path / "parts", plan(), part, []).make_trials(number)
    rows = [
        [(row["settings"], row["values"], row["state"]) for row in read_result(tmp_path / name)["trials"]]
        for name in ("whole", "parts")
    ]
    assert rows[0] == rows[1] and len(part.made) == 9
    assert len({settings["learning_rate"] for settings, _, _ in rows[0]}) == 9, "each trial draws anew"
    search(tmp_path / "parts", plan(), part, []).make_trials(9)
    assert len(part.made) == 9, "nothing is left to do"


def test_a_trial_that_was_stopped_goes_on_in_its_folder_with_its_values(tmp_path):
    stopped, events = FakeRunner(outcomes={3: Outcome(is_stopped=True)}), []
    stops = []
    runs = search(tmp_path, plan(num_seeds=2), stopped, events, lambda: len(stopped.made) >= 3 and not stops.append(1))
    runs.make_trials(4)
    assert [event.kind for event in events][-1] == "stopped"
    before = read_result(tmp_path)
    assert numbers(before, "running") == [1]
    going = FakeRunner()
    search(tmp_path, plan(num_seeds=2), going, []).make_trials(4)
    after = read_result(tmp_path)
    assert [row["number"] for row in after["trials"]] == [0, 1, 2, 3] and len(numbers(after, "complete")) == 4
    again = after["trials"][1]
    assert again["folder"] == "trial_001" and again["settings"] == before["trials"][1]["settings"]
    assert [path.parent.name for path in going.made[:2]] == ["trial_001", "trial_001"]


def test_a_trial_can_be_interrupted_any_number_of_times(tmp_path):
    for _ in range(3):
        stopped = FakeRunner(outcomes={1: Outcome(is_stopped=True)})
        search(tmp_path, plan(), stopped, [], lambda: bool(stopped.made)).make_trials(1)  # noqa: B023
    seen = []

    def go_on(training, decide, progress):
        seen.append(training.model_dir)
        evaluation = {"step": 40, "metrics": {"auc_click": 0.8, "auc_buy": 0.6}, "is_best": True}
        assert decide(evaluation)
        return Outcome([evaluation])

    search(tmp_path, plan(), go_on, []).make_trials(1)
    (row,) = read_result(tmp_path)["trials"]
    assert row["state"] == "complete" and seen == [tmp_path / "trial_000" / "seed_5"]
    assert list(row["intermediate"]) == ["10", "40"], "what it was worth before counts for those that come later"


def test_seeds_that_are_done_are_not_trained_again(tmp_path):
    first = FakeRunner(outcomes={2: Outcome(is_stopped=True)})
    search(tmp_path, plan(num_seeds=2), first, [], lambda: len(first.made) >= 2).make_trials(1)
    second = FakeRunner()
    search(tmp_path, plan(num_seeds=2), second, []).make_trials(1)
    assert [path.name for path in first.made] == ["seed_5", "seed_6"] and [path.name for path in second.made] == [
        "seed_6"
    ]
    row = read_result(tmp_path)["trials"][0]
    expected = [0.9 - 0.08 - 0.5 / 40 + 0.001 * seed - 0.05 for seed in (5, 6)]
    assert row["values"] == [pytest.approx(sum(expected) / 2)]
    assert row["spread"] == [pytest.approx(0.001 / math.sqrt(2))], "the standard deviation of a sample"
    assert [value for (value,) in row["seeds"]] == pytest.approx(expected)


def test_a_training_that_was_killed_is_tried_once_more(tmp_path):
    killed = Outcome(error="the training was ended by SIGKILL", is_killed=True)
    runner, events = FakeRunner(outcomes={1: killed, 3: killed, 4: killed}), []
    search(tmp_path, plan(), runner, events).make_trials(2)
    kinds = [event.kind for event in events if event.kind not in ("evaluated", "begun", "progress")]
    assert kinds == ["again", "complete", "again", "failed"]
    result = read_result(tmp_path)
    assert [(row["state"], row["folder"]) for row in result["trials"]] == [
        ("complete", "trial_000"),
        ("failed", "trial_001"),
    ]
    assert "SIGKILL" in result["trials"][1]["note"]


def test_trials_that_fail_one_after_another_end_the_study(tmp_path):
    failed = Outcome(error="x.config:3: no such file")
    with pytest.raises(UserError, match=r"3 trials failed one after another.*no such file"):
        search(tmp_path, plan(), FakeRunner(outcomes=dict.fromkeys(range(1, 9), failed)), []).make_trials(8)
    assert len(numbers(read_result(tmp_path), "failed")) == 3


def test_trials_that_fail_now_and_then_do_not_end_the_study(tmp_path):
    failed = Outcome(error="a disk that is full now and then")
    search(tmp_path, plan(), FakeRunner(outcomes=dict.fromkeys((1, 2, 4, 5), failed)), []).make_trials(6)
    assert numbers(read_result(tmp_path), "failed") == [0, 1, 3, 4]


def test_values_that_the_config_refuses_together_fail_and_the_search_goes_on(tmp_path, monkeypatch):
    def refuse(text, path, overrides):
        raise ConfigError(path, [Problem("x.config:3", "dropout_ratio has 2 values, and there are 3 layers.")])

    monkeypatch.setattr("easymtl.tuning.search.parse_config", refuse)
    search(tmp_path, plan(), FakeRunner(), []).make_trials(5)
    result = read_result(tmp_path)
    assert numbers(result, "failed") == [0, 1, 2, 3, 4]
    note = result["trials"][0]["note"]
    assert note.startswith("the config refuses these values together: x.config:3") and "dropout_ratio" in note


def test_a_trial_that_is_pruned_has_not_failed(tmp_path):
    failed = Outcome(error="a disk that is full now and then")
    runner = FakeRunner(outcomes=dict.fromkeys((5, 6, 8, 9), failed))
    runner.worth = lambda settings, step, seed: dict.fromkeys(
        ("auc_click", "auc_buy"), 0.7 - 0.1 * (len(runner.made) == 7)
    )
    search(tmp_path, plan(), runner, []).make_trials(10)
    result = read_result(tmp_path)
    assert numbers(result, "pruned") == [6] and numbers(result, "failed") == [4, 5, 7, 8]


def test_a_result_that_is_not_determined_fails_the_trial(tmp_path):
    runner = FakeRunner(lambda settings, step, seed: {"auc_click": 0.7, "auc_buy": None})
    search(tmp_path, plan(), runner, []).make_trials(1)
    row = read_result(tmp_path)["trials"][0]
    assert row["state"] == "failed" and "auc is not determined" in row["note"]


def trade(settings: dict[str, float], step: int, seed: int) -> dict[str, float]:
    """Returns two results that exclude each other, and are worse where the experts are not 6."""
    loss = 0.01 * abs(settings.get("num_expert", 6) - 6)
    share = settings["weight of click"] / 2
    return {"auc_click": 0.6 + 0.3 * share - loss, "log_loss_buy": 0.2 + 0.3 * share**2 + loss}


TOWERS = CONFIG.replace(
    'label_name: "buy" dnn { hidden_units: 4 } metrics_set { auc {} }',
    'label_name: "buy" dnn { hidden_units: 4 } metrics_set { auc {} } metrics_set { log_loss {} }',
)
BOTH = 'field { path: "model_config.mmoe.num_expert" int { low: 2 high: 8 } } task_weights { simplex { least: 0.1 } }'


def test_several_metrics_give_a_front_that_no_trial_is_better_than(tmp_path):
    made_of = plan(BOTH, ["auc_click", "log_loss_buy"], text=TOWERS)
    assert [one.bigger for one in made_of.objectives] == [True, False]
    search(tmp_path, made_of, FakeRunner(trade), []).make_trials(14)
    result = read_result(tmp_path)
    rows = {row["number"]: row["values"] for row in result["trials"]}
    assert len(rows) == 14 and not numbers(result, "pruned")

    def dominated(values):
        return any(other[0] >= values[0] and other[1] <= values[1] and other != values for other in rows.values())

    assert sorted(result["best"]) == sorted(number for number, values in rows.items() if not dominated(values))
    assert len(result["best"]) >= 3
    front = [rows[number] for number in result["best"]]
    low, high = min(value for value, _ in front), max(value for value, _ in front)
    least, most = min(value for _, value in front), max(value for _, value in front)
    distances = {
        number: math.hypot((high - rows[number][0]) / (high - low), (rows[number][1] - least) / (most - least))
        for number in result["best"]
    }
    assert result["compromise"] == min(distances, key=distances.__getitem__)
    winner = write_winner(made_of, tmp_path, result)
    assert {path.stem for path in (tmp_path / "front").iterdir()} == {f"trial_{number:03}" for number in result["best"]}
    weights = [
        tower.weight for tower in parse_config(winner.path.read_text(), "x").pipeline.model_config.mmoe.task_towers
    ]
    assert sum(weights) == pytest.approx(2, abs=1e-3)


def test_the_winner_is_the_authors_text_with_other_values_and_the_diff_says_which(tmp_path):
    text = CONFIG.replace("num_expert: 2", "num_expert: 2  # as ever")
    made_of = plan(text=text, overrides=("train_config.num_steps=30",))
    search(tmp_path, made_of, FakeRunner(), []).make_trials(8)
    result = read_result(tmp_path)
    settings = next(row for row in result["trials"] if row["number"] == result["best"][0])["settings"]
    winner = write_winner(made_of, tmp_path, result)
    best = winner.path.read_text()
    assert f"num_expert: {settings['num_expert']}  # with 2: as ever" in best and "  num_steps: 30\n" in best
    changed = parse_config(best, "best.config").pipeline
    wanted = [f"model_config.mmoe.num_expert={settings['num_expert']}", f"{RATE}={settings['learning_rate']}"]
    assert changed == parse_config(text, "x", [*wanted, "train_config.num_steps=30"]).pipeline
    lines = winner.diff.splitlines()
    assert lines[:2] == ["--- shop.config", f"+++ {winner.path}"]
    assert "-    num_expert: 2  # as ever" in lines and "+  num_steps: 30" in lines
    assert (tmp_path / "diff.txt").read_text() == winner.diff


@pytest.mark.parametrize(
    ("other", "says"),
    [
        ({"text": CONFIG.replace("seed: 5", "seed: 6")}, ["another config", "-  seed: 5", "+  seed: 6"]),
        ({"space": SPACE.replace("high: 8", "high: 9")}, ["another space", "high: 8", "high: 9"]),
        ({"num_seeds": 2}, ["another --seeds", "-1", "+2"]),
        ({"metrics": ["auc_buy"]}, ["another --metric", "-auc", "+auc_buy"]),
    ],
)
def test_another_study_in_the_folder_is_refused_with_what_differs(tmp_path, other, says):
    search(tmp_path, plan(), FakeRunner(), []).make_trials(1)
    with pytest.raises(UserError) as error:
        require_same_study(plan(**other), tmp_path)
    assert all(part in str(error.value) for part in (*says, "--study")), error.value


def test_comments_and_another_model_dir_are_the_same_study(tmp_path):
    search(tmp_path, plan(), FakeRunner(), []).make_trials(1)
    require_same_study(plan(text="# words\n" + CONFIG, space="# words\n" + SPACE), tmp_path)
    require_same_study(plan(overrides=("model_dir=elsewhere",)), tmp_path)


@pytest.mark.parametrize("gone", [("study.json",), ("study.db",), ("study.json", "study.db")])
def test_what_is_left_of_a_study_is_not_taken_for_another_one(tmp_path, gone):
    search(tmp_path, plan(), FakeRunner(), []).make_trials(1)
    model_dir = tmp_path / "trial_000" / "seed_5"
    assert model_dir.with_suffix(".json").is_file(), "which would be the result of the first trial of any study there"
    for name in gone:
        (tmp_path / name).unlink()
    with pytest.raises(UserError, match=rf"its {gone[0]} is gone.*--study \.\.\., or remove"):
        require_same_study(plan(overrides=("train_config.num_steps=30",)), tmp_path)


def test_a_folder_without_trials_can_begin_a_study(tmp_path):
    require_same_study(plan(), tmp_path / "new")
    (tmp_path / "trial_of_mine").mkdir()
    (tmp_path / "front").mkdir()
    require_same_study(plan(), tmp_path)


def test_a_timeout_begins_no_further_trial(tmp_path):
    runner = FakeRunner()
    search(tmp_path, plan(), runner, []).make_trials(5, timeout=1e-9)
    assert runner.made == []


def test_two_jobs_make_as_many_trials_as_one(tmp_path):
    runner = FakeRunner()
    search(tmp_path, plan(), runner, []).make_trials(7, jobs=2)
    result = read_result(tmp_path)
    assert len(result["trials"]) == 7 and len({path.parent for path in runner.made}) == 7
    assert not numbers(result, "running") and not numbers(result, "failed")


@pytest.mark.parametrize(
    ("names", "says"),
    [
        (["auc_clik"], 'Did you mean "auc_click"?'),
        (["auc", "auc"], "twice"),
    ],
)
def test_a_metric_that_no_evaluation_has_is_refused(names, says):
    with pytest.raises(UserError, match="--metric") as error:
        plan(metrics=names)
    assert says in str(error.value)


def test_a_training_is_judged_by_the_checkpoint_that_is_exported(tmp_path):
    def overfits(settings, step, seed):
        return {name: value - 0.002 * step for name, value in auc(settings, step, seed).items()}

    for kind, step in (("none", 40), ("best", 20)):
        made_of = plan(text=CONFIG.replace('exporter_type: "none"', f'exporter_type: "{kind}"'))
        search(tmp_path / kind, made_of, FakeRunner(overfits), []).make_trials(1)
        row = read_result(tmp_path / kind)["trials"][0]
        assert row["values"] == [pytest.approx(0.9 - 0.08 - 0.5 / step + 0.005 - 0.05 - 0.002 * step)]
        assert row["metrics"]["auc_click"] == pytest.approx(row["values"][0] + 0.05)
