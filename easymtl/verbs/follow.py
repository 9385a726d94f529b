"""`easymtl follow`: train on each new part of the data, day after day, and export behind each."""

import sys
from argparse import Namespace
from typing import TYPE_CHECKING

from easymtl.config import Config, load_config, view
from easymtl.errors import UserError
from easymtl.following.start import ready_to_follow
from easymtl.following.wishes import Wishes, length_of
from easymtl.reporting.output import current
from easymtl.reporting.phases import begin
from easymtl.reporting.streams import say
from easymtl.verbs.stop_signals import StopSignals, tell_stop

if TYPE_CHECKING:
    from rich.console import Console as Terminal

    from easymtl.training.events import Event, PartTrained

_DEFAULT_EVERY = "10m"
_ON_SIGNAL = "ending behind what is being done, a step, a batch that is scored, or an export. Once more ends at once."
_NOTHING = "Nothing new: no part is there that is complete and was not trained on."


def run(options: Namespace) -> None:
    """Trains on the parts of the data that are complete, in the order of their times, and waits for more.

    Each is scored before it is trained on, and the model exported behind it; a table and `follow.jsonl` tell of them.
    SIGTERM and Ctrl-C save and end the command. What was trained on is what the newest checkpoint says.

    Raises:
        UserError: the config or the data are wrong, the model_dir cannot be written, or another training is in it.
        Interrupted: Ctrl-C has ended it, and a checkpoint is saved.
    """
    begin("reading", options.pipeline_config)
    config = load_config(options.pipeline_config, options.overrides, options.tasks)
    wishes = _wishes(config, options)
    with ready_to_follow(config, wishes):
        from easymtl.following.follower import Follower
        from easymtl.reporting.console import Console
        from easymtl.reporting.json_training import JsonConsole
        from easymtl.reporting.outcomes import Followed

        output, towers = current(), view.result_rows(config.pipeline)
        open_console = JsonConsole(output) if output.is_json else Console(towers, config.pipeline.model_dir)
        with StopSignals(_ON_SIGNAL) as stop, open_console as console:
            tables = _Tables(console.terminal, towers)
            follower = Follower(config, wishes, console, stop.is_received, [tables])
            try:
                done = list(follower.parts())
            finally:
                follower.close()
                console.close()
        num_trained = follower.trained.num_trained if follower.trained else 0
        newest = done[-1].export if done else ""
        output.result(
            Followed([part.part for part in done], follower.step, num_trained, newest, stop.is_received()),
            lambda: tables.show() if done else say(_NOTHING, sys.stdout),
        )
        if stop.is_received():
            tell_stop(stop, lambda text: None if output.is_json else say(text, sys.stdout), f" at step {follower.step}")


class _Tables:
    """Prints a table of the parts that were trained on since the last one, whenever there is nothing more to do."""

    def __init__(self, terminal: "Terminal", towers: list[str]):
        self._terminal, self._towers = terminal, towers
        self._unshown: list[PartTrained] = []

    def __call__(self, event: "Event") -> None:
        """Remembers a part, and prints those of a round when the next one is waited for."""
        from easymtl.training.events import PartTrained, Phase

        if isinstance(event, PartTrained):
            self._unshown.append(event)
        elif isinstance(event, Phase) and event.name == "waiting" and not current().is_json:
            self.show()

    def show(self) -> None:
        """Prints those that no table has had."""
        from easymtl.reporting.part_table import print_parts

        print_parts(self._terminal, self._unshown, self._towers)
        self._unshown = []


def _wishes(config: Config, options: Namespace) -> Wishes:
    if options.once and options.every:
        raise UserError(
            f"--once does not wait for further parts: --every {options.every} would have no effect. Leave one of them "
            "out."
        )
    return Wishes.of(
        config,
        every=None if options.once else _length("every", options.every or _DEFAULT_EVERY),
        settle=_length("settle", options.settle),
        until=options.until or "",
        begin=options.begin or "",
        late=options.late,
        export=options.export,
        keep=options.keep,
    )


def _length(option: str, text: str) -> float:
    try:
        return length_of(text)
    except ValueError as error:
        raise UserError(f"--{option}: {error}{', or never' if option == 'settle' else ''}.") from None
