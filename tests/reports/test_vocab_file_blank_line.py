"""An editor leaves an empty line at the end of a vocabulary."""

import pytest

pytestmark = pytest.mark.usefixtures("op_by_op")

CHECK = "check --pipeline_config x.config"


@pytest.fixture
def project(report):
    return report("vocab-file-blank-line")


def test_an_empty_line_at_the_end_is_no_value(project):
    outcome = project.run(CHECK)
    assert (outcome.code, outcome.message) == (0, "")


def test_an_empty_line_in_the_middle_is_an_error_of_check(project):
    project.replace("vocab.txt", ("u5\n", "u5\n\n"))
    outcome = project.run(CHECK)
    assert outcome.code == 2
    assert "vocab_file vocab.txt:7: the line is empty" in outcome.message


@pytest.mark.usefixtures("score_here")
@pytest.mark.slow
def test_training_exports_the_vocabulary_without_it(project):
    outcome = project.run("train --pipeline_config x.config")
    assert (outcome.code, outcome.message) == (0, "")
    assert project.run("export --pipeline_config x.config").code == 0
    (asset,) = (project.folder / "model/export/final").glob("*/assets/vocab.txt")
    assert asset.read_text() == "".join(f"u{number}\n" for number in range(20))
