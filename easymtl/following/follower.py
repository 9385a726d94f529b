"""Part after part: looked for, scored, trained on, exported, told; and from the middle of each of these onwards."""

import gc
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from easymtl.api.start_hints import start_hints
from easymtl.checkpoints.folder import Checkpoint, CheckpointFolder
from easymtl.checkpoints.parts import Parts, TrainedPart
from easymtl.config import Config, view
from easymtl.data.chunks import NoRows
from easymtl.errors import UserError
from easymtl.following.drift import drift
from easymtl.following.exports import Exports
from easymtl.following.listing import Part
from easymtl.following.low_rates import low_rates
from easymtl.following.records import Records
from easymtl.following.scoring import found_in
from easymtl.following.training import EACH_TIME, finish_part, train_part
from easymtl.following.watching import Watch, marks_digest
from easymtl.following.wishes import Wishes
from easymtl.models.backbone import graph_notes
from easymtl.reporting.part_summaries import PartSummaries
from easymtl.scoring.evaluation import EvaluationStopped
from easymtl.training.events import Listener, Note, PartScored, PartTrained, Phase

if TYPE_CHECKING:
    from easymtl.reporting.console import Console
    from easymtl.reporting.json_training import JsonConsole

_SLICE_SECONDS = 0.2


class Follower:
    """A training that goes on with each new part of its data.

    What was trained on is what the newest checkpoint says, and nothing else: a process that is killed anywhere is
    followed by one that goes on where that checkpoint was, and does again what came behind it.

    Attributes:
        trained: the parts so far, as the newest checkpoint has them; None before the first.
    """

    def __init__(
        self,
        config: Config,
        wishes: Wishes,
        console: "Console | JsonConsole",
        is_stopping: Callable[[], bool],
        listeners: Sequence[Listener] = (),
        sleep: Callable[[float], None] = time.sleep,
    ):
        """Reads what the newest whole checkpoint says.

        Args:
            config: `train_input_path` is the folder or pattern of all parts. The lock of its model_dir is held.
            wishes: what is wanted.
            console: prints what happens; its `terminal` gets tables.
            is_stopping: asked all the time whether to save and end.
            listeners: are told what happens, too.
            sleep: waits some seconds.

        Raises:
            UserError: the checkpoints are damaged, or are of a training that followed no parts.
        """
        self._config, self._wishes, self._console = config, wishes, console
        self._is_stopping, self._listeners, self._sleep = is_stopping, listeners, sleep
        self._model_dir = config.pipeline.model_dir
        latest, problems = CheckpointFolder(self._model_dir).settle()
        for problem in problems:
            self._tell(Note(problem))
        self._checkpoint: Checkpoint | None = latest
        self._state: Mapping[str, Any] = latest.state() if latest else {}
        self.trained = Parts.from_state(self._state)
        if latest and not self.trained and not wishes.bounds.begin:
            raise UserError(
                f"{latest.path} is of a training that followed no parts, and does not say which of them it has seen. "
                "Say which part is the first that it has not: --from dt=2026-01-02"
            )
        self._records = Records(self._model_dir, self.trained)
        self._watch = Watch(config, wishes, self._records, self._tell)
        self._exports = Exports(self._model_dir, wishes.export, wishes.keep, console.terminal)
        begun = self.trained.num_trained if self.trained else 0
        told = begun if self._records.has(begun) else max(begun - 1, 0)
        self._summaries = PartSummaries(self._model_dir, view.result_rows(config.pipeline), told)
        self._is_first = True
        self._told_rates: set[str] = set()

    def parts(self) -> Iterator[PartTrained]:
        """Yields each part when it was trained on, exported and told; ends when nothing is left, or it is to stop.

        Raises:
            UserError: a part cannot be read, or something cannot be written; the same command goes on from there.
        """
        self._watch.look(self.trained)
        self._introduce()
        yield from self._rest_of_last()
        while not self._is_stopping():
            choice = self._watch.look(self.trained)
            if choice.part:
                yield from self._next(choice.part)
            elif choice.is_over or not self._wait(choice.seconds):
                return

    @property
    def step(self) -> int:
        """Returns the updates made in all, as the newest checkpoint has it."""
        latest = CheckpointFolder(self._model_dir).latest()
        return latest.step if latest else 0

    def close(self) -> None:
        """Closes what is open."""
        self._summaries.close()

    def _introduce(self) -> None:
        hints = start_hints(self._with_path(self._watch.any_path()))
        for note in (*self._config.notes, *(hint for hint in hints if not hint.startswith(EACH_TIME))):
            self._tell(Note(note))
        for note in graph_notes(self._config):
            self._tell(Note(note))
        if self._checkpoint:
            self._tell_rates(self._checkpoint.step)

    def _tell_rates(self, step: int) -> None:
        """Tells rates that have come down, once: nothing else would say why later parts change nothing."""
        for path, text in low_rates(self._config.pipeline, step):
            if path not in self._told_rates:
                self._told_rates.add(path)
                self._tell(Note(text))

    def _rest_of_last(self) -> Iterator[PartTrained]:
        """Does what is left of the part that was begun last."""
        trained = self.trained
        if trained is None or trained.last is None:
            return
        if trained.is_finished:
            if not self._records.has(trained.num_trained):
                yield self._complete()
            return
        name, part = trained.last.name, self._watch.listing.of(trained.last.name)
        is_there = part is not None and part.num_bytes > 0
        if self._state.get("data", {}).get("part") != name:
            why = "another command has trained on other data since"
        elif is_there:
            assert part
            self._tell(Note(f"Part {name}: going on where the training was."))
            yield from self._train(part, trained)
            return
        elif self._watch.is_empty:
            raise UserError(
                f'The part "{name}" is half trained on, and it is not in {self._watch.root}, where nothing else is '
                "either. See to it that the folder is there, and run the same command again."
            )
        else:
            why = f"it is in {self._watch.root} no more"
        self._tell(Note(f"Warning: the part {name} was trained on in part only: {why}. The rest of it is left out."))
        yield self._end_part(trained, is_whole=False)

    def _next(self, part: Part) -> Iterator[PartTrained]:
        """Scores a part and trains on it."""
        number = (self.trained.num_trained if self.trained else 0) + 1
        try:
            found = found_in(self._config.pipeline, part.path, self._checkpoint, self._is_stopping)
        except NoRows as error:
            self._records.is_told(part, "no rows")
            self._tell(Note(f"Warning: the part {part.text} is passed over: {error}"))
            return
        except EvaluationStopped:
            return
        self._tell(_scored(part.text, number, found, drift(found, self._records.trained)))
        before = self.trained or Parts()
        begin = self._wishes.bounds.begin or before.begin
        here = TrainedPart(
            part.text, part.time, len(part.files), part.num_bytes, part.changed, marks_digest(self._config, part)
        )
        yield from self._train(part, before.with_next(here, begin, found))

    def _train(self, part: Part, parts: Parts) -> Iterator[PartTrained]:
        config = self._with_path(part.path)
        result = train_part(config, parts, self._console, self._is_stopping, self._listeners, self._is_first)
        self._is_first = False
        # Graphs hold the tables of a training in circles, and the next one makes them once more.
        gc.collect()
        if not result.is_stopped:
            yield self._end_part(parts, is_whole=True)

    def _end_part(self, parts: Parts, is_whole: bool) -> PartTrained:
        self._checkpoint, self.trained = finish_part(self._model_dir, parts, is_whole)
        self._state = self._checkpoint.state()
        event = self._complete()
        self._tell_rates(self._checkpoint.step)
        return event

    def _complete(self) -> PartTrained:
        """Exports and tells of the last part, if a killed process has not."""
        trained, checkpoint = self.trained, self._checkpoint
        assert trained and trained.last and checkpoint
        part = self._watch.listing.of(trained.last.name)
        path = part.path if part and part.num_bytes else self._watch.any_path()
        self._tell(Phase("exporting", trained.last.name))
        exported = self._exports.make(self._with_path(path).pipeline, checkpoint)
        event = _trained(trained, self._state, checkpoint.step, exported)
        self._summaries(event)
        self._records.add(event)
        self._tell(event)
        return event

    def _wait(self, seconds: float) -> bool:
        """Waits until it is time to look again; returns False if there is nothing to wait for, or it is to stop."""
        if self._wishes.every is None:
            return False
        seconds = min(seconds + 1, self._wishes.every)
        end = time.monotonic() + seconds
        clock = time.strftime("%H:%M:%S", time.localtime(time.time() + seconds))
        self._tell(Phase("waiting", f"for the next part, looking again at {clock}"))
        while (left := end - time.monotonic()) > 0:
            if self._is_stopping():
                return False
            self._sleep(min(left, _SLICE_SECONDS))
        return True

    def _with_path(self, path: str) -> Config:
        return self._config.with_paths(train_input_path=path) if path else self._config

    def _tell(self, event: Any) -> None:
        for listener in (self._console, *self._listeners):
            listener(event)


def _scored(name: str, number: int, found: Mapping[str, Any], moved: Sequence[str]) -> PartScored:
    return PartScored(
        name,
        number,
        found["rows"],
        found["metrics"],
        _values(found["labels"]),
        _values(found["scores"]),
        found["counts"],
        found["skipped_rows"],
        tuple(found["warnings"]),
        tuple(moved),
    )


def _trained(parts: Parts, state: Mapping[str, Any], step: int, exported: str) -> PartTrained:
    last, found = parts.last, parts.found
    assert last and found is not None
    return PartTrained(
        last.name,
        parts.num_trained,
        state["data_step"] if state["data"].get("part") == last.name else step,
        step,
        found["rows"],
        found["metrics"],
        _values(found["labels"]),
        _values(found["scores"]),
        found["counts"],
        found["skipped_rows"],
        any(part.time > last.time for part in parts.trained),
        parts.is_whole,
        exported,
    )


def _values(means: Mapping[str, Sequence[float]]) -> dict[str, float]:
    return {task: float(of[0]) for task, of in means.items()}
