"""`easymtl follow`: train on each new part of the data, day after day, and export behind each."""

import sys
from argparse import Namespace

from easymtl.config import load_config, view
from easymtl.errors import UserError
from easymtl.following.start import ready_to_follow
from easymtl.following.wishes import Wishes, length_of
from easymtl.reporting.output import current
from easymtl.reporting.phases import begin
from easymtl.reporting.streams import say
from easymtl.verbs.stop_signals import StopSignals, tell_stop

_DEFAULT_EVERY = "10m"
_MOST_SHOWN = 20
"""Parts in a table that is printed while more are waited for."""
_ON_SIGNAL = "ending behind what is being done, a step, a batch that is scored, or an export. Once more ends at once."


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
    wishes = Wishes.of(
        config,
        every=None if options.once else _length("every", options.every or _DEFAULT_EVERY),
        settle=_length("settle", options.settle),
        until=options.until or "",
        begin=options.begin or "",
        late=options.late,
        export=options.export,
        keep=options.keep,
    )
    with ready_to_follow(config, wishes):
        from easymtl.following.follower import Follower
        from easymtl.reporting.console import Console
        from easymtl.reporting.json_training import JsonConsole
        from easymtl.reporting.outcomes import Followed
        from easymtl.reporting.part_table import print_parts
        from easymtl.training.events import PartTrained, Phase

        output, towers = current(), view.result_rows(config.pipeline)
        with (
            StopSignals(_ON_SIGNAL) as stop,
            JsonConsole(output) if output.is_json else Console(towers, config.pipeline.model_dir) as console,
        ):
            done: list[PartTrained] = []
            shown = 0

            def show(event: object) -> None:
                nonlocal shown
                if isinstance(event, Phase) and event.name == "waiting" and len(done) > shown and not output.is_json:
                    shown = len(done)
                    print_parts(console.terminal, done[-_MOST_SHOWN:], towers)

            follower = Follower(config, wishes, console, stop.is_received, [show])
            try:
                for part in follower.parts():
                    done.append(part)
            finally:
                follower.close()
                console.close()
            result = Followed(
                [part.part for part in done],
                follower.step,
                follower.trained.num_trained if follower.trained else 0,
                done[-1].export if done else "",
                stop.is_received(),
            )
        nothing = "Nothing new: no part is there that is complete and was not trained on."
        output.result(
            result,
            lambda: print_parts(console.terminal, done, towers) if done else say(nothing, sys.stdout),
        )
        if stop.is_received():
            tell_stop(stop, lambda text: None if output.is_json else say(text, sys.stdout), _where(follower.step))


def _where(step: int) -> str:
    return f" at step {step}"


def _length(option: str, text: str) -> float:
    try:
        return length_of(text)
    except ValueError as error:
        raise UserError(f"--{option}: {error}{', or never' if option == 'settle' else ''}.") from None
