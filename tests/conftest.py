import pytest
from hypothesis import settings

from easymtl.extensions.installed import forget
from tests.extensions.fake_packages import Packages

pytest_plugins = ["tests.processes"]

# The same examples in every run: what a run of the tests finds must not depend on luck.
settings.register_profile("repeatable", derandomize=True)
settings.load_profile("repeatable")

_LONGEST = (
    "verbs/test_sample_configs.py",
    "launch/test_trainings.py",
    "docs/test_commands.py",
    "serving/test_request_forms.py",
    "api/test_tutorial.py",
    "following/test_follow.py",
    "verbs/test_tune.py",
    "ways/test_programs.py",
    "verbs/test_compare.py",
    "serving/test_growing.py",
    "serving/formats/test_networks.py",
)
"""Files that take longest: they go first, so that no core waits for one of them in the end."""


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Puts the longest files first."""

    def place(item: pytest.Item) -> int:
        file = item.nodeid.partition("::")[0].removeprefix("tests/")
        return _LONGEST.index(file) if file in _LONGEST else len(_LONGEST)

    items.sort(key=place)


@pytest.fixture
def packages(monkeypatch):
    """The packages that bring extensions, none at first; see `Packages`."""
    yield Packages(monkeypatch)
    monkeypatch.undo()
    forget()


@pytest.fixture(scope="module")
def op_by_op():
    """Runs steps, scores and transforms of a file op by op: a training of few steps takes a third of the time.

    For tests of what is around a step. What is traced, and learns and scores the same, is looked at in tests/parity,
    tests/verbs/test_sample_configs.py and, of tests/training, test_step.py, test_trainer.py, balancing/test_resume.py.
    """
    from tests.tracing import op_by_op

    with op_by_op():
        yield


@pytest.fixture
def score_here(monkeypatch):
    """Scores a SavedModel in this process where its being another one does not matter: it saves seconds."""
    from easymtl.serving import parity
    from easymtl.serving.proof_process import ProofProcess
    from tests.serving.scoring_here import score_here

    monkeypatch.setattr(parity, "score_apart", score_here)
    monkeypatch.setattr(ProofProcess, "ahead", lambda: None)
    return score_here
