"""A small config, and trainings that are a formula."""

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from easymtl.config import parse_config
from easymtl.tuning.objectives import objectives_of
from easymtl.tuning.optuna_study import quiet_optuna
from easymtl.tuning.plan import Plan
from easymtl.tuning.search import Event, Search
from easymtl.tuning.space import parse_space
from easymtl.tuning.space_check import check_space
from easymtl.tuning.trainings import Outcome, Training
from tests.api.shop import CONFIG

RATE = "train_config.optimizer_config[0].adam_optimizer.learning_rate.constant_learning_rate.learning_rate"
SPACE = f"""
field {{ path: "model_config.mmoe.num_expert" int {{ low: 2 high: 8 }} }}
field {{ path: "{RATE}" float {{ low: 1e-4 high: 1e-1 log: true }} }}
"""
Worth = Callable[[dict[str, float], int, int], dict[str, float]]


def auc(settings: dict[str, float], step: int, seed: int) -> dict[str, float]:
    """Returns an auc that is best with 6 experts, and grows with the steps."""
    value = 0.9 - 0.02 * abs(settings["num_expert"] - 6) - 0.5 / step + 0.001 * seed
    return {"auc_click": value, "auc_buy": value - 0.1}


@dataclass
class FakeRunner:
    """Trainings that are a formula of their settings, with an evaluation every 10 of 40 steps.

    Attributes:
        worth: metrics by settings, step and seed.
        outcomes: the outcome of the n-th training in place of its own; None for its own.
        made: model_dirs, in the order of trainings.
        steps: the last step of each.
    """

    worth: Worth = auc
    outcomes: dict[int, Outcome] = field(default_factory=dict)
    made: list[Path] = field(default_factory=list)
    steps: list[int] = field(default_factory=list)

    def __call__(self, training: Training, decide, progress) -> Outcome:
        self.made.append(training.model_dir)
        self.steps.append(0)
        instead = self.outcomes.get(len(self.made))
        settings = {name: float(text) for name, text in training.settings.items()}
        seed = int(training.model_dir.name.removeprefix("seed_"))
        evaluations = []
        for step in (10, 20, 30, 40):
            self.steps[-1] = step
            metrics = self.worth(settings, step, seed)
            values = [one["metrics"]["auc_click"] for one in evaluations]
            is_best = all(metrics["auc_click"] > value for value in values)
            evaluations.append({"step": step, "metrics": metrics, "is_best": is_best})
            if not decide(evaluations[-1]):
                return Outcome(evaluations, is_stopped=True)
            if instead:
                return instead
        return Outcome(evaluations)


def plan(
    space: str = SPACE, metrics: tuple[str, ...] = (), num_seeds: int = 1, text: str = CONFIG, overrides=()
) -> Plan:
    config = parse_config(text, "shop.config", overrides)
    read = parse_space(space)
    draws = check_space(read, text, config, overrides)
    return Plan(text, config, tuple(overrides), read, draws, objectives_of(config.pipeline, metrics), num_seeds)


def search(
    folder: Path, made_of: Plan, runner: FakeRunner, events: list[Event] | None = None, stop=lambda: False
) -> Search:
    folder.mkdir(exist_ok=True)
    return Search(made_of, folder, runner, (events if events is not None else []).append, stop)


@pytest.fixture(autouse=True)
def quiet():
    with quiet_optuna():
        yield
