"""Each mistake of `cases.py` ends as `docs/errors.md` says."""

from pathlib import Path

import pytest

from tests.errors.cases import CASES, SECTIONS, Case
from tests.errors.document import Runner, document, main, row

pytestmark = pytest.mark.usefixtures("op_by_op")

DOCUMENT = Path(__file__).parents[2] / "docs" / "errors.md"
COMMAND = "python -m tests.errors.document --out docs/errors.md"


@pytest.fixture(scope="session")
def runner(tmp_path_factory) -> Runner:
    return Runner(tmp_path_factory.mktemp("mistakes"))


@pytest.fixture(scope="session")
def documented() -> list[str]:
    return DOCUMENT.read_text(encoding="utf-8").splitlines()


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name.replace(" ", "_"))
def test_a_mistake_is_answered_as_documented(case, runner, documented):
    outcome = runner.run(case)
    assert outcome.code == 2
    assert "Traceback" not in outcome.out + outcome.message
    for words in case.says:
        assert words in outcome.message
    assert row(case, outcome) in documented, f"docs/errors.md is stale: run {COMMAND}"


def test_the_rest_of_the_document_is_what_would_be_written(documented):
    """Each row is held against its command above, so `make lint` need not run them all once more."""
    rows = [line for line in documented if line.startswith("| ") and not line.startswith("| Mistake")]
    assert [line.split(" | ")[0].removeprefix("| ") for line in rows] == [case.name for case in CASES]
    by_name = dict(zip((case.name for case in CASES), rows))
    text = document(lambda case: by_name[case.name])
    assert text.splitlines() == documented, f"docs/errors.md is stale: run {COMMAND}"


def test_names_are_unique_and_every_case_says_what_a_message_must_hold():
    assert len({case.name for case in CASES}) == len(CASES) >= 40
    assert all(case.says for case in CASES)


def test_check_fails_for_a_stale_document_and_writes_nothing(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr("tests.errors.document.SECTIONS", {"The command": SECTIONS["The command"][:2]})
    path = tmp_path / "errors.md"
    assert main(["--out", str(path), "--check"]) == 1
    assert not path.exists()
    assert f"Run: python -m tests.errors.document --out {path}" in capsys.readouterr().err
    assert main(["--out", str(path)]) == 0
    assert main(["--out", str(path), "--check"]) == 0
    path.write_text("old")
    assert main(["--out", str(path), "--check"]) == 1


def test_what_does_not_end_as_a_mistake_is_not_documented(tmp_path):
    fine = Case("Nothing is wrong", (), command="--version")
    with pytest.raises(AssertionError, match="ended with 0"):
        row(fine, Runner(tmp_path).run(fine))
