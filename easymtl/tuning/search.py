"""The search: draws trials, makes their trainings, prunes, and goes on where it was interrupted."""

import math
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from easymtl.config import parse_config
from easymtl.config.problems import ConfigError
from easymtl.errors import UserError
from easymtl.reporting.study_results import write_result
from easymtl.tuning.current_values import current_values
from easymtl.tuning.objectives import Evaluation
from easymtl.tuning.optuna_study import StoredStudy, folder_name, number_of
from easymtl.tuning.plan import Plan, begin_study
from easymtl.tuning.results import VALUES, result_of
from easymtl.tuning.sampling import overrides_of_drawn, settings_of
from easymtl.tuning.trainings import Outcome, Runner, Training, train, trainings_of, values_of

if TYPE_CHECKING:
    from optuna import Trial

_MOST_FAILURES = 3


@dataclass(frozen=True)
class Event:
    """Something that happens to a trial.

    Attributes:
        kind: `begun`, `progress`, `evaluated`, `complete`, `pruned`, `failed`, `again` or `stopped`.
        number: of the trial.
        settings: what it is made with.
        seed: which of its trainings, counted from 1.
        step: updates made.
        share: of the training that is done, or None.
        values: of the objectives.
        spread: of these over seeds.
        note: why it failed.
    """

    kind: str
    number: int
    settings: dict[str, str] = field(default_factory=dict)
    seed: int = 1
    step: int = 0
    share: float | None = None
    values: tuple[float, ...] = ()
    spread: tuple[float, ...] = ()
    note: str = ""


Tell = Callable[[Event], None]


class Search:
    """Makes the trials of a study, until there are enough."""

    def __init__(self, plan: Plan, folder: Path, run: Runner, tell: Tell, is_stopped: Callable[[], bool]):
        """Opens the study, or begins it.

        Args:
            plan: what it is made of.
            folder: where it is kept; no other process may be at it.
            run: makes a training.
            tell: is told what happens; from several threads where there are several jobs, one at a time.
            is_stopped: whether to end, leaving trials as they are.

        Raises:
            UserError: the study cannot be opened or written.
        """
        self._plan = plan
        self._folder = folder
        self._run = run
        self._tell = tell
        self._is_stopped = is_stopped
        self._config = begin_study(plan, folder)
        self.stored = StoredStudy(folder, plan.objectives)
        # Optuna, the study's files and the terminal are for one thread at a time.
        self._lock = threading.RLock()
        self._running: set[int] = set()
        self._failures: list[str] = []
        self._error: BaseException | None = None

    def make_trials(self, number: int, timeout: float | None = None, jobs: int = 1) -> None:
        """Makes trials until the study has a number of them; those of earlier runs count.

        Args:
            number: of trials in all.
            timeout: seconds after which no further trial begins; None for no limit.
            jobs: trials at a time.

        Raises:
            UserError: trials fail one after another, or the study cannot be written.
        """
        self.stored.resume()
        if not self.stored.trials:
            drawn = current_values(self._plan.space, self._plan.config.pipeline)
            if drawn is not None:
                self.stored.propose(drawn)
        until = math.inf if timeout is None else time.monotonic() + timeout
        threads = [threading.Thread(target=self._work, args=(number, until, jobs)) for _ in range(jobs - 1)]
        for thread in threads:
            thread.start()
        self._work(number, until, jobs)
        for thread in threads:
            thread.join()
        self.write(with_importance=True)
        if self._error:
            raise self._error

    def write(self, with_importance: bool = False) -> None:
        """Writes `study.json`."""
        write_result(self._folder, result_of(self._plan, self.stored, with_importance))

    def _work(self, number: int, until: float, jobs: int) -> None:
        try:
            while trial := self._next(number, until, jobs):
                self._make(trial)
                with self._lock:
                    self._running.discard(trial.number)
                    self.write()
        except BaseException as error:
            # Other jobs end behind their trials, and the first error is the one to tell.
            self._error = self._error or error

    def _next(self, number: int, until: float, jobs: int) -> "Trial | None":
        with self._lock:
            is_over = self._is_stopped() or self._error or time.monotonic() >= until
            if is_over or len(self.stored.ended()) + len(self._running) >= number:
                return None
            if len(self._failures) >= _MOST_FAILURES:
                raise UserError(
                    f"{len(self._failures)} trials failed one after another, the last one as {self._failures[-1]}"
                )
            trial = self.stored.ask(has_others=jobs > 1)
            self._running.add(trial.number)
            return trial

    def _say(self, kind: str, trial: "Trial", **attributes) -> None:
        with self._lock:
            self._tell(Event(kind, number_of(trial), **attributes))

    def _make(self, trial: "Trial") -> None:
        plan, pipeline = self._plan, self._plan.config.pipeline
        with self._lock:
            drawn = {draw.name: draw.draw(trial) for draw in plan.draws}
        settings = settings_of(plan.space, pipeline, drawn)
        self._say("begun", trial, settings=settings)
        overrides = [*plan.overrides, *overrides_of_drawn(plan.space, pipeline, drawn)]
        try:
            parse_config(plan.text, plan.config.path, overrides)
        except ConfigError as error:
            self._fail(trial, f"the config refuses these values together: {error.problems[0]}", is_of_config=True)
            return
        folder = self._folder / folder_name(trial)
        self._judge(trial, trainings_of(pipeline, self._config, overrides, folder, plan.num_seeds, settings))

    def _judge(self, trial: "Trial", trainings: list[Training]) -> None:
        outcomes: list[Outcome] = []
        for place, training in enumerate(trainings):
            judge = _Judge(self, trial, place)
            outcome = train(training, self._run, judge.decide, judge.progress)
            if judge.is_pruned:
                self._prune(trial)
                return
            if outcome.is_stopped:
                self._say("stopped", trial)
                return
            if outcome.error:
                self._lost(trial, outcome)
                return
            outcomes.append(outcome)
        self._complete(trial, outcomes)

    def _complete(self, trial: "Trial", outcomes: list[Outcome]) -> None:
        objectives = self._plan.objectives
        values = values_of(self._plan.config.pipeline, objectives, outcomes)
        for objective, mean in zip(objectives, values.mean):
            if not math.isfinite(mean):
                self._fail(trial, f"{objective.name} is not determined by its evaluation")
                return
        with self._lock:
            self._failures.clear()
            trial.set_user_attr(VALUES, {"spread": values.spread, "seeds": values.seeds, "metrics": values.metrics})
            self.stored.tell(trial, values.mean, "complete")
        self._say("complete", trial, values=tuple(values.mean), spread=tuple(values.spread))

    def _prune(self, trial: "Trial") -> None:
        with self._lock:
            self._failures.clear()
            reported = self.stored.trials[trial.number].intermediate_values
            self.stored.tell(trial, None, "pruned")
        step = max(reported)
        self._say("pruned", trial, step=step, values=(reported[step],))

    def _lost(self, trial: "Trial", outcome: Outcome) -> None:
        """Lets a trial that was ended from outside come again; one that failed by itself would fail once more."""
        if outcome.is_killed:
            with self._lock:
                is_again = self.stored.again(trial.number, is_new_try=True)
            if is_again:
                self._say("again", trial, note=outcome.error)
                return
        self._fail(trial, outcome.error)

    def _fail(self, trial: "Trial", note: str, is_of_config: bool = False) -> None:
        with self._lock:
            if not is_of_config:
                self._failures.append(note)
            self.stored.tell(trial, None, "failed", note)
        self._say("failed", trial, note=note)

    def prunes(self, trial: "Trial", evaluation: Evaluation) -> bool:
        """Reports what an evaluation of the first seed is worth; returns whether the trial is to be pruned."""
        if len(self._plan.objectives) > 1:
            return False
        value = self._plan.objectives[0].read(evaluation["metrics"])
        if not math.isfinite(value):
            return False
        with self._lock:
            trial.report(value, evaluation["step"])
            return trial.should_prune()

    def worth(self, evaluation: Evaluation) -> tuple[float, ...]:
        """Returns what an evaluation is worth by each objective."""
        return tuple(objective.read(evaluation["metrics"]) for objective in self._plan.objectives)


class _Judge:
    """Listens to one training of a trial."""

    def __init__(self, search: Search, trial: "Trial", place: int):
        self._search = search
        self._trial = trial
        self._place = place
        self.is_pruned = False

    def decide(self, evaluation: Evaluation) -> bool:
        """Returns whether the training shall go on; only the first of a trial is pruned."""
        values = self._search.worth(evaluation)
        self._search._say("evaluated", self._trial, seed=self._place + 1, step=evaluation["step"], values=values)
        self.is_pruned = self._place == 0 and self._search.prunes(self._trial, evaluation)
        return not self.is_pruned

    def progress(self, step: int, share: float | None) -> None:
        """Tells how far the training is."""
        self._search._say("progress", self._trial, seed=self._place + 1, step=step, share=share)
