"""NaN in a DOUBLE column of ids, as pandas writes what is missing."""

import pytest

pytestmark = pytest.mark.usefixtures("op_by_op")


@pytest.mark.slow
def test_nan_is_missing(report):
    project = report("nan-id-becomes-text")
    outcome = project.run("train --pipeline_config x.config")
    assert outcome.code == 0, outcome.message
    lines = [line.split() for line in outcome.out.splitlines()]
    assert ["user", "40"] in lines[lines.index(["feature", "missing"]) :]
