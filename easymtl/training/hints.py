"""What a colleague would say on seeing a training: one class for each hint, one row of `HINTS`.

A hint is told the events of a training, and yields a sentence when something is to be said; `finish` is asked at its
end. It has to be computed from what happens, and to keep still where it is not sure.
"""

import math
import statistics
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from itertools import pairwise

from easymtl.config import view
from easymtl.config.falling_rates import misfits
from easymtl.layers.gate_weights import HANDED_ON
from easymtl.protos.pipeline_pb2 import Pipeline
from easymtl.training import events
from easymtl.training.result import TrainingResult

FEW_STEPS = 50
"""Steps below which a model has seen too little to be judged."""

UNUSED_WEIGHT = 0.01
"""Mean weight of an expert, in every gate, below which nobody uses it."""

_SMALLEST_GAP = 0.01
_FEWEST_LOGS = 12
_MOST_WINDOW = 10
# Standard errors, share of the loss. The least window is one of many, so that more is asked of a rise above it.
_ABOVE_FIRST = (5.0, 0.05)
_ABOVE_LEAST = (6.0, 0.5)


@dataclass(frozen=True)
class TrainingAuc:
    """How well rows that were trained on are ordered.

    Attributes:
        tower: the task.
        value: the AUC.
        positives: rows with the event.
        negatives: rows without.
    """

    tower: str
    value: float
    positives: int
    negatives: int


class Hint:
    """One thing to watch for; says nothing unless a subclass does."""

    def __init__(self, pipeline: Pipeline):
        self.pipeline = pipeline

    def __call__(self, event: events.Event) -> Iterable[str]:
        """Returns what is to be said of an event, a sentence each."""
        return ()

    def finish(self, result: TrainingResult) -> Iterable[str]:
        """Returns what is to be said of a training that has come to its end."""
        return ()


class FewSteps(Hint):
    """A handful of steps only."""

    def finish(self, result: TrainingResult) -> Iterable[str]:
        """Says how to make more of them."""
        if not 0 < result.step < FEW_STEPS:
            return
        settings, data = self.pipeline.train_config, self.pipeline.data_config
        if 0 < settings.num_steps <= result.step:
            advice = f"raise train_config.num_steps ({settings.num_steps})"
        else:
            advice = (
                f"raise data_config.num_epochs ({data.num_epochs}) or take a smaller data_config.batch_size "
                f"({data.batch_size:,})"
            )
        steps = "1 step was" if result.step == 1 else f"{result.step} steps were"
        yield f"Hint: only {steps} made in all, too few to learn from: {advice}."


class WorseThanChance(Hint):
    """An AUC below that of chance."""

    def finish(self, result: TrainingResult) -> Iterable[str]:
        """Looks at the last evaluation."""
        return worse_than_chance(self.pipeline, result.metrics, self._num_examples, result.step)

    _num_examples = 0

    def __call__(self, event: events.Event) -> Iterable[str]:
        """Remembers how many rows the last evaluation had."""
        if isinstance(event, events.Evaluated):
            self._num_examples = event.num_examples
        return ()


def worse_than_chance(pipeline: Pipeline, metrics: Mapping[str, float], num_examples: int, step: int) -> Iterator[str]:
    """Yields a sentence for each AUC that is so far below .5 that chance does not explain it.

    The standard error of an AUC of .5 is about sqrt(1 / (12 * positives)) where these are rare; positives are taken as
    one row in twenty, and three standard errors as enough. A model of a few steps says nothing.
    """
    if num_examples <= 0 or step < FEW_STEPS:
        return
    gap = max(3.0 * math.sqrt(20.0 / (12.0 * num_examples)), _SMALLEST_GAP)
    for name, kind in view.metric_results(pipeline).items():
        value = metrics.get(name, math.nan)
        if kind == "auc" and value < 0.5 - gap:
            yield (
                f"Hint: {name} is {value:.3f}, worse than chance: the model orders rows the wrong way round. Is the "
                "label swapped (1 for what did not happen), or are the evaluation rows labelled otherwise than those "
                "of the training?"
            )


def worse_than_chance_in_training(found: Iterable[TrainingAuc], step: int) -> Iterator[str]:
    """Yields a sentence for each task whose own training rows the model orders the wrong way round.

    Chance explains three standard errors, sqrt((p + n + 1) / (12 p n)) each of p positives and n negatives (Mann and
    Whitney, 1947).
    """
    if step < FEW_STEPS:
        return
    for one in found:
        positives, negatives = one.positives, one.negatives
        error = math.sqrt((positives + negatives + 1) / (12.0 * positives * negatives))
        if one.value < 0.5 - max(3.0 * error, _SMALLEST_GAP):
            yield (
                f'Hint: at step {step:,} the AUC of the tower "{one.tower}" is {one.value:.3f} on the last '
                f"{positives + negatives:,} rows that it was trained on, worse than chance. The learning rate is too "
                "high, or labels are swapped in a part of the rows (1 for what did not happen): try a tenth of the "
                "rate, and look at how the label is made."
            )


class RisingLoss(Hint):
    """A loss that rises where it should fall: the learning rate is too high."""

    def __init__(self, pipeline: Pipeline):
        super().__init__(pipeline)
        self._losses: list[float] = []
        self._has_told = False

    def __call__(self, event: events.Event) -> Iterable[str]:
        """Compares the newest losses with the first ones, the regularization left out."""
        if self._has_told or not isinstance(event, events.Progress) or "loss" not in event.losses:
            return
        self._losses.append(float(event.losses["loss"]) - float(event.losses.get("regularization_loss", 0.0)))
        found = rise(self._losses)
        if found is None:
            return
        self._has_told = True
        rates = sorted({float(f"{rate:.3g}") for rate in event.learning_rates if rate > 0})
        shown = " and ".join(f"{rate:g}" for rate in rates)
        tenth = " and ".join(f"{rate / 10:g}" for rate in rates)
        plural = "s are" if len(rates) > 1 else " is"
        yield (
            f"Hint: the loss has risen from {found[0]:.4g} to {found[1]:.4g} by step {event.step:,}. The learning "
            f"rate{plural} {shown}: try a tenth, {tenth}."
        )


def rise(losses: list[float]) -> tuple[float, float] | None:
    """Returns the mean loss at the beginning, or where it was least, and the last one, if that is clearly higher.

    Windows of up to 10 losses are compared. Clear is 5 standard errors, by how much successive losses differ, and one
    twentieth of the loss; against the least window 6 of them, and half of the loss.
    """
    if len(losses) < _FEWEST_LOGS or not all(map(math.isfinite, losses)):
        return None
    width = min(len(losses) // 3, _MOST_WINDOW)
    means = [statistics.fmean(losses[start : start + width]) for start in range(len(losses) - width + 1)]
    squares = statistics.fmean((after - before) ** 2 for before, after in pairwise(losses))
    # The difference of two losses has twice the variance of one, and that of two windows twice that of a mean.
    error = math.sqrt(squares / width)
    last = means[-1]
    for before, (errors, share) in ((means[0], _ABOVE_FIRST), (min(means), _ABOVE_LEAST)):
        if last - before > max(errors * error, share * abs(before)):
            return before, last
    return None


class UnusedExperts(Hint):
    """An expert that no gate draws on."""

    def __init__(self, pipeline: Pipeline):
        super().__init__(pipeline)
        self._before: set[str] = set()
        self._last: set[str] = set()
        self._told: set[str] = set()
        self._step = 0

    def __call__(self, event: events.Event) -> Iterable[str]:
        """Tells experts that were unused twice in a row."""
        if not isinstance(event, events.Gates):
            return []
        self._before, self._last, self._step = self._last, unused_experts(event.weights), event.step
        return self._tell(self._before & self._last)

    def finish(self, result: TrainingResult) -> Iterable[str]:
        """Tells those that are unused at the end."""
        return self._tell(self._last) if result.step >= FEW_STEPS else []

    def _tell(self, names: set[str]) -> list[str]:
        new = sorted(names - self._told)
        self._told |= names
        return [
            f'Hint: no task uses the expert "{name}": every gate gives it less than {100 * UNUSED_WEIGHT:.0f} % '
            f"at step {self._step:,}. Fewer experts would do, or a lower learning rate lets them all begin to learn."
            for name in new
        ]


def unused_experts(weights: Mapping[str, Mapping[str, float]]) -> set[str]:
    """Returns the experts to which no gate that has them gives 1 %, or a tenth of an equal share where that is less."""
    used: dict[str, bool] = {}
    for gate, of_gate in weights.items():
        if gate.endswith(HANDED_ON):
            continue
        least = min(UNUSED_WEIGHT, 0.1 / max(len(of_gate), 1))
        for name, weight in of_gate.items():
            used[name] = used.get(name, False) or not weight < least
    return {name for name, is_used in used.items() if not is_used}


class EndOfRate(Hint):
    """A learning rate that comes down at another step than the last one, as after an edit to passes or batches."""

    _is_counted = False

    def __call__(self, event: events.Event) -> Iterable[str]:
        """Looks at the steps to come, where rows are counted."""
        if not isinstance(event, events.Started) or not event.expected_steps:
            return
        self._is_counted = True
        yield from (f"Hint: {text}" for text in misfits(self.pipeline, event.expected_steps))

    def finish(self, result: TrainingResult) -> Iterable[str]:
        """Looks at the steps that were made, where that was not known before."""
        if not self._is_counted and not result.has_stopped_early:
            yield from (f"Hint: {text}" for text in misfits(self.pipeline, result.step))


HINTS: tuple[type[Hint], ...] = (FewSteps, WorseThanChance, RisingLoss, UnusedExperts, EndOfRate)


class Hints:
    """A listener of training that tells the hints of a table as notes.

    Example:
        hints = Hints(pipeline, console)
        result = Trainer(config, lambda event: (console(event), hints(event))).run()
        hints.finish(result)
    """

    def __init__(self, pipeline: Pipeline, tell: events.Listener, kinds: Iterable[type[Hint]] = HINTS):
        self._tell = tell
        self._hints = [kind(pipeline) for kind in kinds]

    def __call__(self, event: events.Event) -> None:
        """Tells what is to be said of an event."""
        for hint in self._hints:
            for text in hint(event):
                self._tell(events.Note(text))

    def finish(self, result: TrainingResult) -> None:
        """Tells what is to be said of a training that has come to its end; of one that was stopped nothing."""
        if result.is_stopped:
            return
        for hint in self._hints:
            for text in hint.finish(result):
                self._tell(events.Note(text))
