"""Curves, gates and gradients of a page, from histories that are known."""

import re

import pytest

from easymtl.config.config import parse_config
from easymtl.reporting.page.training_sections import are_against, gates, gradient_conflict, learning_curves, times
from easymtl.reporting.run_history import Evaluated, RunHistory
from easymtl.reporting.runs import Run
from tests.errors.project import CONFIG


def run(name: str = "a", **history) -> Run:
    return Run(name, f"m/{name}", parse_config(CONFIG, "x.config"), RunHistory(**history))


def colours(section, kind: str) -> set[str]:
    """Returns the colours of the lines of a kind."""
    parts = [one for one in section.iter("g") if any(path.get("class") == kind for path in one.findall("path"))]
    return {one.get("class") for one in parts if one.get("class") in {f"c{number}" for number in range(7)}}


@pytest.fixture
def histories():
    losses = {"loss": {float(step): 100.0 if step == 0 else 1.0 + step % 2 for step in range(100)}}
    return {"losses": losses, "evaluations": [Evaluated(50, {"loss": 1.25, "auc_ctr": 0.75})]}


def test_training_and_evaluation_are_apart_by_colour_in_one_run_and_runs_are_in_several(histories):
    alone = learning_curves([run(**histories)])
    assert colours(alone, "dashed") == {"c0"} and {"c1"} <= colours(alone, "points")
    pair = learning_curves([run("a", **histories), run("b", **histories)])
    assert colours(pair, "dashed") == {"c0", "c1"} == colours(pair, "points")
    assert {"a, training", "b, evaluation"} <= {one.text for one in pair.iter("span")} | {
        one[0].tail for one in pair.iter("span") if len(one)
    }


def test_the_first_steps_do_not_press_the_others_flat(histories):
    charts = learning_curves([run(**histories)]).iter("svg")
    (chart,) = [one for one in charts if "loss over" in (one.findtext("title") or "")]
    ticks = [one.text for one in chart.iter("text") if one.get("text-anchor") == "end"]
    assert max(float(text) for text in ticks) <= 10, "as the running mean, and not 100"


def test_how_often_gradients_are_against_each_other():
    section = gradient_conflict([run(cosines={"ctr/cvr": {1.0: -0.5, 2.0: -0.25, 3.0: -0.75, 4.0: 0.5}})])
    cells = ["".join(one.itertext()) for one in section.iter("td")]
    assert cells == ["ctr/cvr", "-0.25000", "75 %"]
    assert [one.text for one in section.iter("span") if one.get("class") == "alarm"] == ["75 %"]


def test_gradients_at_right_angles_are_not_against_each_other():
    assert are_against({1.0: -0.02, 2.0: -0.03, 3.0: 0.01})
    assert not are_against({1.0: -0.004, 2.0: -0.003, 3.0: 0.001}), "noise about 0"
    assert not are_against({1.0: -0.9, 2.0: 0.1, 3.0: 0.1}), "a single step"


def test_gradients_that_were_not_compared_are_told():
    alone = "".join(gradient_conflict([run()]).itertext())
    assert "not measured: train_config.log_gradient_conflict_every" in alone
    both = gradient_conflict([run("a"), run("b", cosines={"ctr/cvr": {1.0: 0.5}})])
    assert "not measured in a: train_config.log_gradient_conflict_every" in "".join(both.itertext())


def test_an_expert_is_judged_by_its_last_weight():
    section = gates([run(gates={"ctr": {"a": {1.0: 0.001, 2.0: 0.995}, "b": {1.0: 0.999, 2.0: 0.005}}})])
    (row,) = section.iter("tbody")
    assert ["".join(one.itertext()) for one in row.iter("td")] == ["ctr", "100 %", "0.5 % dead"]


def test_times_are_shares_of_their_sum():
    section = times([run(seconds={"reading": 15.0, "training": 45.0})])
    assert ["".join(one.itertext()) for one in section.iter("td")] == [
        *("training", "0:45", "75 %"),
        *("reading", "0:15", "25 %"),
    ]
    assert [re.match(r"flex: ([\d.]+)", one.get("style"))[1] for one in section.iter("span") if one.get("style")] == [
        "0.75000",
        "0.25000",
    ]
    assert times([run()]) is None
