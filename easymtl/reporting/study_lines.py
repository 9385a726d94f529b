"""A search as told to a person at a terminal, or to the log of a job."""

from collections.abc import Mapping, Sequence
from typing import Any

from rich.console import Console as Terminal

from easymtl.reporting.formats import counted, number_text, percent_text
from easymtl.reporting.output import current
from easymtl.reporting.phases import begin
from easymtl.reporting.tables import fits, make_table
from easymtl.reporting.terminal import print_line

_MOST_ROWS = 10


class StudyLines:
    """Prints what happens to trials: a line when one begins, is evaluated and ends; how far it is, is a phase."""

    def __init__(self, terminal: Terminal, objectives: Sequence[str], num_trials: int, num_seeds: int):
        """Prints nothing yet.

        Args:
            terminal: where to.
            objectives: their names.
            num_trials: of the study in all.
            num_seeds: trainings of each trial.
        """
        self._terminal = terminal
        self._objectives = list(objectives)
        self._num_trials = num_trials
        self._num_seeds = num_seeds

    def __call__(self, event: Any) -> None:
        """Prints an event of a search."""
        if event.kind == "progress":
            share = "" if event.share is None else f" ({percent_text(event.share)})"
            text = f"{self._seed(event)}step {event.step:,}{share}"
            begin("training", f"trial {event.number} of {self._num_trials}, {text}")
            return
        style = {"complete": "bold", "evaluated": "dim", "failed": "yellow", "again": "yellow"}.get(event.kind, "")
        if not current().is_quiet or event.kind in ("failed", "again"):
            print_line(self._terminal, f"trial {event.number}: {self._text(event)}", style)
        if event.kind == "begun":
            begin("training", f"trial {event.number} of {self._num_trials}")

    def _seed(self, event: Any) -> str:
        return f"seed {event.seed} of {self._num_seeds}, " if self._num_seeds > 1 else ""

    def _text(self, event: Any) -> str:
        values = ", ".join(
            f"{name} {number_text(value)}" + (f" ± {number_text(spread)}" if self._num_seeds > 1 and spread else "")
            for name, value, spread in zip(
                self._objectives, event.values, event.spread or [0.0] * len(self._objectives)
            )
        )
        texts = {
            "begun": ", ".join(f"{name} {value}" for name, value in event.settings.items()),
            "evaluated": f"{self._seed(event)}step {event.step:,}: {values}",
            "complete": f"done: {values}",
            "pruned": f"pruned at step {event.step:,}: {values} is worse than the median of earlier trials there",
            "failed": f"failed: {event.note}",
            "again": f"{event.note}. It will be tried once more.",
            "stopped": "saved, to go on later",
        }
        return texts[event.kind]


def print_study(result: Mapping[str, Any], terminal: Terminal) -> None:
    """Prints the trials of a study, the best first, or the Pareto front, and what moved the objectives.

    Args:
        result: the content of `study.json`.
        terminal: where to.
    """
    states = [row["state"] for row in result["trials"]]
    tally = ", ".join(f"{states.count(state)} {state}" for state in dict.fromkeys(states))
    print_line(terminal, f"{counted(len(states), 'trial')}: {tally}.")
    rows = ranked(result)
    if rows:
        is_front = len(result["objectives"]) > 1
        shown = rows if is_front else rows[:_MOST_ROWS]
        print_line(terminal, "The Pareto front:" if is_front else "The best trials:", "bold")
        _print_rows(result, shown, terminal)
    for name, shares in result["importance"].items():
        parts = ", ".join(f"{what} {percent_text(share)}" for what, share in shares.items())
        print_line(terminal, f"What moved {name}: {parts}")


def ranked(result: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    """Returns the complete trials, the best first; with several objectives those of the front, by the first one."""
    rows = [row for row in result["trials"] if row["state"] == "complete"]
    if len(result["objectives"]) > 1:
        rows = [row for row in rows if row["number"] in result["best"]]
    return sorted(rows, key=lambda row: row["values"][0], reverse=result["objectives"][0]["bigger"])


def value_texts(row: Mapping[str, Any]) -> list[str]:
    """Returns the values of a trial, with their spread where it has several seeds."""
    spread = row["spread"] if len(row["seeds"]) > 1 else []
    if not spread:
        return [number_text(value) for value in row["values"]]
    return [f"{number_text(value)} ± {number_text(one)}" for value, one in zip(row["values"], spread)]


def _print_rows(result: Mapping[str, Any], rows: Sequence[Mapping[str, Any]], terminal: Terminal) -> None:
    names = list(dict.fromkeys(name for row in rows for name in row["settings"]))
    headers = ["trial", *(one["name"] for one in result["objectives"]), *names]
    cells = [
        [str(row["number"]), *value_texts(row), *(row["settings"].get(name, "") for name in names)] for row in rows
    ]
    table = make_table(headers, cells)
    if fits(terminal, table):
        terminal.print(table)
        return
    for row in rows:
        values = ", ".join(f"{name} {text}" for name, text in zip(headers[1:], value_texts(row)))
        settings = ", ".join(f"{name} {value}" for name, value in row["settings"].items())
        print_line(terminal, f"trial {row['number']}: {values}; {settings}")
