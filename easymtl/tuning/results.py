"""What is known of a study, as `study.json` has it: for the report, for programs, and for who reads it."""

import math
from typing import TYPE_CHECKING, Any

from easymtl.tuning.optuna_study import NOTE, StoredStudy, folder_name, number_of
from easymtl.tuning.plan import Plan
from easymtl.tuning.sampling import settings_of

if TYPE_CHECKING:
    from optuna.trial import FrozenTrial

VALUES = "values"
_STATES = {"COMPLETE": "complete", "PRUNED": "pruned", "FAIL": "failed", "RUNNING": "running"}


def result_of(plan: Plan, stored: StoredStudy, with_importance: bool = False) -> dict[str, Any]:
    """Returns what is known of a study.

    `made_of` is what has to be the same when it goes on; `objectives` have `name` and `bigger`; `trials` are
    `trial_row` each; `best` the numbers of the best trial, or of the Pareto front; `compromise` the one of these that
    `best.config` is of; `importance` the share of each drawn value in what moved an objective, by its name.

    Args:
        plan: what the study is made of.
        stored: the study.
        with_importance: whether to compute the importance, which takes a while for many trials.
    """
    best = stored.best()
    objectives = [{"name": one.name, "bigger": one.bigger} for one in plan.objectives]
    importance = {}
    if with_importance:
        importance = {one.name: stored.importance(place) for place, one in enumerate(plan.objectives)}
    return {
        "made_of": plan.made_of(),
        "config": plan.config.path,
        "objectives": objectives,
        "trials": [trial_row(plan, trial) for trial in stored.shown()],
        "best": [number_of(trial) for trial in best],
        "compromise": compromise(best, [one.bigger for one in plan.objectives]),
        "importance": {name: found for name, found in importance.items() if found},
    }


def trial_row(plan: Plan, trial: "FrozenTrial") -> dict[str, Any]:
    """Returns a trial: its number, state, settings, values with their spread over the seeds, and where it is.

    `values` of a pruned trial are its last ones; `intermediate` is what each evaluation of its first seed was worth,
    by the step.
    """
    known = trial.user_attrs.get(VALUES, {})
    is_drawn = {draw.name for draw in plan.draws} <= set(trial.params)
    reported = {str(step): value for step, value in sorted(trial.intermediate_values.items()) if math.isfinite(value)}
    values = list(trial.values) if trial.values else list(reported.values())[-1:]
    begin, end = trial.datetime_start, trial.datetime_complete
    return {
        "number": number_of(trial),
        "state": _STATES[trial.state.name],
        "settings": settings_of(plan.space, plan.config.pipeline, trial.params) if is_drawn else {},
        "drawn": dict(trial.params),
        "values": values,
        "spread": known.get("spread", []),
        "seeds": known.get("seeds", []),
        "metrics": known.get("metrics", {}),
        "intermediate": reported,
        "seconds": (end - begin).total_seconds() if begin and end else None,
        "folder": folder_name(trial),
        "note": trial.user_attrs.get(NOTE, ""),
    }


def compromise(front: list["FrozenTrial"], bigger: list[bool]) -> int | None:
    """Returns the number of the trial of a front that is nearest to the best of each objective.

    Distances are Euclidean, in shares of the length of the front in each objective.

    Args:
        front: trials with values.
        bigger: whether more is better, of each objective.
    """
    if not front:
        return None
    ends = [(min(column), max(column)) for column in zip(*(trial.values for trial in front))]

    def distance(trial: "FrozenTrial") -> float:
        losses = [
            ((high - value) if more else (value - low)) / (high - low or 1.0)
            for value, (low, high), more in zip(trial.values, ends, bigger)
        ]
        return math.hypot(*losses)

    return number_of(min(front, key=lambda trial: (distance(trial), trial.number)))
