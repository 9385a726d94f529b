"""`easymtl tune`: a search for better values of a config's fields."""

import contextlib
import os
from argparse import Namespace
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from rich.console import Console as Terminal

from easymtl.api.data_files import require_files
from easymtl.api.overwriting import require_apart, require_local
from easymtl.checkpoints.lock import TrainingLock
from easymtl.config import view
from easymtl.errors import UserError
from easymtl.peers.cluster import require_alone
from easymtl.reporting.formats import counted
from easymtl.reporting.outcomes import Tuned
from easymtl.reporting.output import current
from easymtl.reporting.phases import begin
from easymtl.reporting.study_lines import StudyLines, print_study
from easymtl.reporting.study_results import read_result
from easymtl.reporting.terminal import open_terminal, print_line
from easymtl.tuning.front_plot import FRONT_NAME, can_draw, draw_front
from easymtl.tuning.optuna_study import quiet_optuna, require_optuna
from easymtl.tuning.plan import Plan, plan_of, require_same_study
from easymtl.tuning.processes import ProcessRunner
from easymtl.tuning.search import Search
from easymtl.tuning.winner import Winner, write_winner
from easymtl.verbs.stop_signals import StopSignals, tell_stop

_AT_LEAST = {"trials": 1, "seeds": 1, "jobs": 1}


def run(options: Namespace) -> None:
    """Makes trials until the study has as many as asked for, and writes the config that won.

    The study is a folder: `study.db` of Optuna, `study.json`, a folder for each trial, `best.config` and `diff.txt`.
    The same command goes on with it. SIGTERM and Ctrl-C save the training that is being made and end the command.

    Raises:
        UserError: the config, the space or the study are wrong, or trials fail one after another.
        Interrupted: Ctrl-C has ended it.
    """
    for name, least in _AT_LEAST.items():
        if getattr(options, name) < least:
            raise UserError(f"--{name}: {getattr(options, name)} is too small; at least {least}.")
    require_alone(
        os.environ,
        "tune makes each trial in one process: each of them would make all trials by itself. Run it once, without "
        "TF_CONFIG; --jobs makes several trials at a time.",
    )
    if options.study:
        require_local("--study", options.study, "folder")
    require_optuna()
    begin("reading", f"{options.pipeline_config}, {options.space}")
    plan = plan_of(options.pipeline_config, options.space, options.overrides, options.metric, options.seeds)
    pipeline = plan.config.pipeline
    folder = Path(options.study or f"{pipeline.model_dir.rstrip('/')}_study")
    # What comes next is told of it.
    options.study = str(folder)
    require_apart(plan.config, [("--study", folder)], {"--space": None})
    require_files(view.train_input(pipeline), view.eval_input(pipeline))
    require_same_study(plan, folder)
    terminal = open_terminal()
    if not current().is_quiet:
        print_line(terminal, _first_line(plan, folder, options.trials), "bold")
    begin("starting", "Optuna")
    stop = StopSignals()
    with _alone(folder), quiet_optuna(), stop:
        _search(plan, folder, options, terminal, stop)
    if stop.is_received():
        tell_stop(stop, lambda line: print_line(terminal, line))


@contextmanager
def _alone(folder: Path) -> Iterator[None]:
    """Holds the folder of a study for one command."""
    lock = TrainingLock(folder)
    try:
        lock.__enter__()
    except UserError as error:
        text = str(error).replace("train in another model_dir (--set model_dir=...)", "name another --study")
        raise UserError(text) from None
    with contextlib.ExitStack() as stack:
        stack.push(lock.__exit__)
        yield


def _search(plan: Plan, folder: Path, options: Namespace, terminal: Terminal, stop: StopSignals) -> None:
    names = [one.name for one in plan.objectives]
    lines = StudyLines(terminal, names, options.trials, options.seeds)
    search = Search(plan, folder, ProcessRunner(stop.is_received), lines, stop.is_received)
    known = len(search.stored.ended())
    if known and not current().is_quiet:
        print_line(terminal, f"Done already: {counted(known, 'trial')} of this study.")
    search.make_trials(options.trials, options.timeout, options.jobs)
    _conclude(plan, folder, terminal)


def _first_line(plan: Plan, folder: Path, trials: int) -> str:
    goals = " and ".join(f"{'more' if one.bigger else 'less'} {_objective_text(one)}" for one in plan.objectives)
    drawn = ", ".join(draw.name for draw in plan.draws)
    return f"Searching {drawn} for {goals}: {counted(trials, 'trial')} in all; {folder}"


def _objective_text(objective) -> str:
    return f"mean {objective.name}" if len(objective.results) > 1 else objective.name


def _conclude(plan: Plan, folder: Path, terminal: Terminal) -> None:
    """Writes the winner, and tells what came of the study so far."""
    result = read_result(folder)
    assert result is not None
    winner = write_winner(plan, folder, result)
    states = [row["state"] for row in result["trials"]]
    rows = {row["number"]: row for row in result["trials"]}
    names = [one.name for one in plan.objectives]
    outcome = Tuned(
        folder,
        {state: states.count(state) for state in dict.fromkeys(states)},
        result["best"],
        [dict(zip(names, rows[number]["values"])) for number in result["best"]],
        str(winner.path) if winner else "",
        winner.diff if winner else "",
    )
    if winner and len(names) > 1 and can_draw():
        draw_front(folder / FRONT_NAME, result)
    current().result(outcome, lambda: _show(result, folder, winner, terminal))


def _show(result: dict, folder: Path, winner: Winner | None, terminal: Terminal) -> None:
    print_study(result, terminal)
    if winner is None:
        print_line(terminal, "No trial is complete yet.")
        return
    if len(result["objectives"]) > 1 and can_draw():
        print_line(terminal, f"The front is drawn in {folder / FRONT_NAME}, its configs are in {folder / 'front'}.")
    elif len(result["objectives"]) > 1:
        print_line(terminal, "The front is not drawn: that needs matplotlib, pip install 'easymtl[tune]'")
    if not winner.diff:
        print_line(terminal, "The config as it is was the best: nothing is changed.", "bold")
        return
    print_line(terminal, f"Trial {result['compromise']}, as the config {winner.path}:", "bold")
    for line in winner.diff.splitlines():
        print_line(terminal, line, {"+": "green", "-": "red"}.get(line[:1], ""))
