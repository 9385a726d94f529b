"""The study in its file, as Optuna keeps it: what was drawn, what came of it, what is to be drawn next."""

import warnings
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING

from easymtl.errors import UserError
from easymtl.tuning.objectives import Objective
from easymtl.tuning.sampling import Drawn

if TYPE_CHECKING:
    from optuna import Study, Trial
    from optuna.trial import FrozenTrial

DATABASE = "study.db"
TRIAL = "trial_"
TRIES, RESUMES, NOTE = "tries", "resumes", "note"
_NUMBER, _REPORTED = "number", "reported"
_NAME = "easymtl"
_MOST_TRIES = 2
_STARTUP_TRIALS = 8
_TRIALS_BEFORE_PRUNING = 4
_LEAST_FOR_IMPORTANCE = 8


def require_optuna() -> None:
    """Checks that Optuna is installed.

    Raises:
        UserError: it is not.
    """
    if find_spec("optuna") is None:
        raise UserError("tune needs Optuna, which is not installed: pip install 'easymtl[tune]'")


@contextmanager
def quiet_optuna() -> Iterator[None]:
    """Leaves talking to the command: a line for each trial, and hints at what is experimental, are held back."""
    import optuna

    before = optuna.logging.get_verbosity()
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", optuna.exceptions.ExperimentalWarning)
        warnings.filterwarnings("ignore", module="optuna")
        try:
            yield
        finally:
            optuna.logging.set_verbosity(before)


class StoredStudy:
    """A study of Optuna in a file of SQLite, and the few things that a search asks of it.

    A trial that did not end, as it was interrupted, is drawn again by `resume`: for Optuna that is another trial, with
    the same values; here it keeps its number, see `number_of`.
    """

    def __init__(self, folder: Path, objectives: Sequence[Objective]):
        """Opens the study, or makes it.

        Args:
            folder: where the file is.
            objectives: what is made better.

        Raises:
            UserError: the file is no study, or cannot be written.
        """
        import optuna
        from sqlalchemy.engine import URL
        from sqlalchemy.exc import SQLAlchemyError

        path = folder / DATABASE
        # "?" and "#" in a path have a meaning in an address.
        address = URL.create("sqlite", database=str(path)).render_as_string()
        directions = ["maximize" if one.bigger else "minimize" for one in objectives]
        try:
            self.study: Study = optuna.create_study(
                storage=address, study_name=_NAME, directions=directions, load_if_exists=True, pruner=_pruner()
            )
        except (SQLAlchemyError, RuntimeError, optuna.exceptions.StorageInternalError) as error:
            lines = str(error).splitlines()
            raise UserError(
                f"{path}: this study cannot be opened: {lines[0] if lines else type(error).__name__}. Check the disk, "
                "or begin another study, --study ..."
            ) from None

    @property
    def trials(self) -> list["FrozenTrial"]:
        """Returns all trials, the oldest first."""
        return self.study.get_trials(deepcopy=False)

    def ended(self) -> list["FrozenTrial"]:
        """Returns the trials that count: judged, pruned, or failed for good."""
        gone = self._resumed()
        return [trial for trial in self.trials if trial.state.is_finished() and trial.number not in gone]

    def shown(self) -> list["FrozenTrial"]:
        """Returns the trials but those of which a later one is the same again, and those that wait."""
        from optuna.trial import TrialState

        gone = self._resumed()
        shown = [one for one in self.trials if one.number not in gone and one.state != TrialState.WAITING]
        return sorted((one for one in shown if _NUMBER in one.user_attrs), key=number_of)

    def _resumed(self) -> set[int]:
        return {trial.user_attrs[RESUMES] for trial in self.trials if RESUMES in trial.user_attrs}

    def resume(self) -> None:
        """Puts trials that were not ended back into the queue; no other process may be at the study."""
        from optuna.trial import TrialState

        for trial in self.study.get_trials(states=(TrialState.RUNNING,)):
            if trial.number in self._resumed():
                self.study.tell(trial.number, state=TrialState.FAIL)
            else:
                self.again(trial.number, is_new_try=False)

    def again(self, number: int, is_new_try: bool) -> bool:
        """Ends a trial as failed and draws its values once more, with its folder; False where it was tried enough."""
        from optuna.trial import TrialState

        trial = self.trials[number]
        tries = trial.user_attrs.get(TRIES, 1) + is_new_try
        if tries > _MOST_TRIES:
            return False
        attributes = {
            RESUMES: number,
            TRIES: tries,
            _REPORTED: {str(step): value for step, value in trial.intermediate_values.items()},
        }
        if _NUMBER in trial.user_attrs:
            attributes[_NUMBER] = trial.user_attrs[_NUMBER]
        self.study.enqueue_trial(dict(trial.params), user_attrs=attributes)
        self.study.tell(number, state=TrialState.FAIL)
        return True

    def propose(self, drawn: Mapping[str, Drawn]) -> None:
        """Lets a trial with these values come next."""
        self.study.enqueue_trial(dict(drawn))

    def ask(self, has_others: bool = False) -> "Trial":
        """Returns a new trial, whose values are still to be drawn.

        What is drawn depends on the trials before it alone, so that a study that was interrupted is what it would
        have been.

        Args:
            has_others: whether other trials are being made meanwhile.
        """
        from optuna.samplers import TPESampler

        new = 1 + max((number_of(trial) for trial in self.trials if _NUMBER in trial.user_attrs), default=-1)
        self.study.sampler = TPESampler(
            seed=new,
            n_startup_trials=_STARTUP_TRIALS,
            multivariate=True,
            constant_liar=has_others,
        )
        trial = self.study.ask()
        if _NUMBER not in trial.user_attrs:
            trial.set_user_attr(_NUMBER, new)
        for step, value in trial.user_attrs.get(_REPORTED, {}).items():
            trial.report(value, int(step))
        return trial

    def tell(self, trial: "Trial", values: Sequence[float] | None, state: str, note: str = "") -> None:
        """Ends a trial: `complete` with values, `pruned`, or `failed` with why."""
        from optuna.trial import TrialState

        if note:
            trial.set_user_attr(NOTE, note)
        states = {"complete": TrialState.COMPLETE, "pruned": TrialState.PRUNED, "failed": TrialState.FAIL}
        self.study.tell(trial, values=list(values) if values is not None else None, state=states[state])

    def best(self) -> list["FrozenTrial"]:
        """Returns the best trial, or those of the Pareto front, by their first value; none before one is complete."""
        from optuna.trial import TrialState

        if not self.study.get_trials(deepcopy=False, states=(TrialState.COMPLETE,)):
            return []
        if len(self.study.directions) == 1:
            return [self.study.best_trial]
        return sorted(self.study.best_trials, key=lambda trial: (trial.values[0], trial.number))

    def importance(self, objective: int) -> dict[str, float]:
        """Returns the share of each drawn value in what moved an objective; empty where that cannot be told yet."""
        import optuna
        from optuna.trial import TrialState

        if len(self.study.get_trials(deepcopy=False, states=(TrialState.COMPLETE,))) < _LEAST_FOR_IMPORTANCE:
            return {}
        from optuna.importance import FanovaImportanceEvaluator, get_param_importances

        try:
            return get_param_importances(
                self.study,
                evaluator=FanovaImportanceEvaluator(seed=0),
                target=lambda trial: trial.values[objective],
            )
        except (ValueError, RuntimeError, optuna.exceptions.OptunaError):
            return {}


def number_of(trial: "FrozenTrial | Trial") -> int:
    """Returns the number of a trial, counted from 0; one that was interrupted keeps its own."""
    return trial.user_attrs[_NUMBER]


def folder_name(trial: "FrozenTrial | Trial") -> str:
    """Returns the folder of a trial, in that of the study."""
    return f"{TRIAL}{number_of(trial):03}"


def _pruner():
    from optuna.pruners import MedianPruner

    return MedianPruner(n_startup_trials=_TRIALS_BEFORE_PRUNING, n_warmup_steps=0)
