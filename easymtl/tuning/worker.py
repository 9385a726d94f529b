"""One training of a trial, in a process of its own.

Standard input brings one line of JSON with what to train, then a line for each evaluation: `go`, or anything else to
stop. Standard output gives lines of JSON: `progress`, `evaluated`, and at last `ended` or `failed`. What a training
prints goes to standard error.
"""

import json
import os
import signal
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import IO, Any

from easymtl.checkpoints.lock import HeldError, TrainingLock
from easymtl.config import Config, load_config, view
from easymtl.errors import StopTraining, UserError
from easymtl.tuning.objectives import Evaluation

GO = "go"
EXIT_FAILED = 2
_PATIENCE_SECONDS = 600.0
_POLL_SECONDS = 0.2


class Told:
    """A callback of training that tells the process which has started this one, and does what that says."""

    def __init__(self, answers: IO[str], channel: IO[str]):
        self._answers = answers
        self._channel = channel
        self._is_ended = False
        self._starter = os.getppid()
        self.is_judged = False

    def end(self, *signal_and_frame: object) -> None:
        """Asks the training to save and end at the next event."""
        self._is_ended = True

    def require_wanted(self) -> None:
        """Checks that somebody is there who wants the training.

        Raises:
            StopTraining: it was told to end, or the process that started this one is gone.
        """
        if self._is_ended or os.getppid() != self._starter:
            raise StopTraining

    def say(self, **record: Any) -> None:
        """Writes a line; where nobody reads any more, the training ends."""
        try:
            print(json.dumps(record, allow_nan=False), file=self._channel, flush=True)
        except OSError:
            raise StopTraining from None

    def __call__(self, event: Any) -> None:
        """Tells of progress and of evaluations; after one it waits for the answer."""
        from easymtl.reporting.event_records import event_record
        from easymtl.training import events

        if self._is_ended:
            raise StopTraining
        if isinstance(event, events.Progress):
            self.say(event="progress", step=event.step, share=event.share)
        elif isinstance(event, events.Evaluated):
            self.say(**{"event": "evaluated", **_evaluation(event_record(event))})
            if self._answers.readline().strip() != GO:
                self.is_judged = not self._is_ended
                raise StopTraining


def _evaluation(record: dict[str, Any]) -> Evaluation:
    return {name: record[name] for name in ("step", "metrics", "is_best")}


def evaluations_of(model_dir: Path) -> list[Evaluation]:
    """Returns the evaluations of a training, also of what it did before it was continued."""
    from easymtl.reporting.history import read_history

    return [_evaluation(record) for record in read_history(model_dir) if record["event"] == "evaluated"]


def main() -> int:
    """Trains; returns the exit code."""
    channel = os.fdopen(os.dup(1), "w", encoding="utf-8")
    # The console of a training prints to standard output, which is what the other process reads.
    os.dup2(2, 1)
    told = Told(sys.stdin, channel)
    signal.signal(signal.SIGTERM, told.end)
    wish = json.loads(sys.stdin.readline())
    try:
        config = load_config(wish["config"], wish["overrides"])
        is_stopped = _train(config, told)
        model_dir = Path(config.pipeline.model_dir)
        evaluations = evaluations_of(model_dir)
        if not is_stopped or told.is_judged:
            _write_hparams(config, wish["settings"], evaluations)
        told.say(event="ended", is_stopped=is_stopped, evaluations=evaluations)
    except UserError as error:
        print(error, file=sys.stderr)
        told.say(event="failed", text=str(error))
        return EXIT_FAILED
    except StopTraining:
        return EXIT_FAILED
    return 0


def _train(config: Config, told: Told) -> bool:
    from easymtl.api.training import train

    wait_for_the_one_before(Path(config.pipeline.model_dir), told)
    return train(config, callbacks=[told]).is_stopped


def wait_for_the_one_before(model_dir: Path, told: Told) -> None:
    """Waits while a process trains in a model_dir that a command has left there which was killed.

    That process saves and ends as soon as it has something to say, since nobody listens any more.

    Raises:
        StopTraining: this training is not wanted any more, either.
    """
    until = time.monotonic() + _PATIENCE_SECONDS
    while True:
        told.require_wanted()
        try:
            with TrainingLock(model_dir):
                return
        except HeldError:
            if time.monotonic() > until:
                raise
        time.sleep(_POLL_SECONDS)


def _write_hparams(config: Config, settings: dict[str, str], evaluations: Sequence[Evaluation]) -> None:
    from easymtl.reporting.hparams import write_hparams
    from easymtl.reporting.tensorboard import FOLDER, tagged

    if not evaluations:
        return
    last = evaluations[-1]
    metrics = {name: value for name, value in last["metrics"].items() if value is not None}
    folder = Path(config.pipeline.model_dir) / FOLDER / "eval"
    params = {name: _number_or_text(text) for name, text in settings.items()}
    write_hparams(folder, params, tagged(metrics, view.result_rows(config.pipeline)), last["step"])


def _number_or_text(text: str) -> float | str:
    try:
        return float(text)
    except ValueError:
        return text


if __name__ == "__main__":
    sys.exit(main())
