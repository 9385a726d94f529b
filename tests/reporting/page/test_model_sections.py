"""What a page says of models: what is worth a look, what configs differ in."""

import pytest

from easymtl.config.config import parse_config
from easymtl.reporting.page.model_sections import config, worth_a_look
from easymtl.reporting.run_history import RunHistory
from easymtl.reporting.runs import Run
from easymtl.scoring.evaluation import EvaluationResult
from tests.errors.project import CONFIG


def run(name: str = "a", text: str = CONFIG, counts=None, **history) -> Run:
    evaluation = EvaluationResult({}, 200, 1.0, (), counts or {})
    return Run(name, f"m/{name}", parse_config(text, "x.config"), RunHistory(**history), evaluation=evaluation)


@pytest.mark.parametrize(
    ("history", "says"),
    [
        ({"cosines": {"ctr/cvr": {1.0: -0.5, 2.0: -0.1, 3.0: 0.5}}}, "ctr/cvr are against each other in 67 %"),
        ({"cosines": {"ctr/cvr": {1.0: -0.5, 2.0: 0.1}}}, None),
        ({"gates": {"ctr": {"expert_0": {1.0: 0.5, 2.0: 0.001}}}}, 'The gate "ctr" hardly draws on "expert_0".'),
        ({"num_broken": 2}, "2 lines of the history could not be read."),
        ({"counts": {"tags": {"missing": 190}}}, 'The feature "tags" is missing in 95 % of the evaluation rows.'),
        ({"counts": {"tags": {"missing": 189}}}, None),
        ({"counts": {"tags": {"unknown": 200}}}, 'The feature "tags" is not in its vocabulary in 100 %'),
        ({"counts": {"tags": {"clipped": 200}}}, None),
    ],
)
def test_what_is_worth_a_look(history, says):
    found = worth_a_look(run(**history))
    assert len(found) == (says is not None)
    assert says is None or says in found[0]


def test_configs_are_held_against_the_first_one():
    section = config([run(), run("b", CONFIG.replace("num_steps: 2", "num_steps: 3")), run("c")])
    gone, new = ([one.text for one in section.iter(kind)] for kind in ("del", "ins"))
    assert ([one.strip() for one in gone], [one.strip() for one in new]) == (["-  num_steps: 2"], ["+  num_steps: 3"])
    assert [one.text for one in section.iter("h3")] == ["a → b", "a → c"]
    assert [one.text for one in section.findall("p")] == ["The configs are the same."]
