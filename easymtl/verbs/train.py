"""`easymtl train`: read, train, evaluate, checkpoint, export."""

import sys
from argparse import Namespace
from typing import TYPE_CHECKING

from easymtl.api.training import ready_to_train, run_training
from easymtl.api.working_together import Waits
from easymtl.config import load_config, view
from easymtl.reporting.output import current
from easymtl.reporting.phases import begin
from easymtl.reporting.streams import say
from easymtl.verbs.stop_signals import StopSignals, tell_stop

if TYPE_CHECKING:
    from easymtl.reporting.console import Console
    from easymtl.reporting.json_training import JsonConsole
    from easymtl.training.result import TrainingResult


def run(options: Namespace) -> int:
    """Trains the model of a config, or continues an earlier training in its model_dir.

    Evaluates at every checkpoint, into `eval_result.json`, and exports at the end what `exporter_type` names. SIGTERM
    and Ctrl-C, to any of several workers, save a checkpoint behind the step that is being made and end the command.

    Raises:
        UserError: the config or the data are wrong, the model_dir cannot be written, or another training is in it.
        PeersError: another worker did not come, or was lost.
        Interrupted: Ctrl-C has ended it, and a checkpoint is saved.
    """
    begin("reading", options.pipeline_config)
    config = load_config(options.pipeline_config, options.overrides, options.tasks)
    waits = Waits(options.join_timeout, options.peer_timeout)
    with ready_to_train(config, options.continue_train, waits, options.new_data) as worker:
        from easymtl.reporting.console import Console
        from easymtl.reporting.json_training import JsonConsole

        output = current()
        towers = view.result_rows(config.pipeline)
        open_console = JsonConsole(output) if output.is_json else Console(towers, config.pipeline.model_dir)
        with open_console as console:
            stop = StopSignals()
            result = run_training(config, console, stop, new_data=options.new_data, worker=worker)
            if result.is_stopped:
                _tell_stop(console, stop, result)
                return options.stopped_exit_code
    return 0


def _tell_stop(console: "Console | JsonConsole", stop: StopSignals, result: "TrainingResult") -> None:
    console.close()

    def tell(text: str) -> None:
        if current().is_json:
            console.summary(result)
        else:
            say(text, sys.stdout)

    tell_stop(stop, tell, f" at step {result.step}, saved in {result.checkpoint.path}")
