"""What training tells whoever listens: consoles, summaries, exporters. They speak before TensorFlow is imported."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np
    import tensorflow as tf

    from easymtl.tasks.threshold_counts import ThresholdCounts
    from easymtl.training.transfer import Transfer


@dataclass(frozen=True)
class Started:
    """Training begins.

    Attributes:
        first_step: updates made before; more than 0 when an earlier run is continued.
        num_steps: updates after which training ends, or None when passes over the data end it.
        num_parameters: trained numbers, by "dense" and "embedding".
        precision: name of the precision, for example `BFLOAT16`.
        expected_steps: updates in all at the end, by the rows of the data; None where these are not counted.
    """

    first_step: int
    num_steps: int | None
    num_parameters: Mapping[str, int]
    precision: str
    expected_steps: int | None = None


@dataclass(frozen=True)
class Progress:
    """Some steps were made.

    Attributes:
        step: updates made.
        share: share of the training that is done, 0 to 1, or None when it has no end.
        examples_per_second: since the last such event.
        wait_share: share of that time in which the step waited for input.
        losses: of the last step, by name; `loss` is their sum.
        learning_rates: of tables and of dense variables.
        seconds_left: estimated, or None.
        weights: of the tasks or losses, where they are balanced.
    """

    step: int
    share: float | None
    examples_per_second: float
    wait_share: float
    losses: Mapping[str, float]
    learning_rates: tuple[float, float]
    seconds_left: float | None
    weights: Mapping[str, float] = field(default_factory=dict)


@dataclass(frozen=True)
class Summary:
    """It is time for a summary.

    Attributes:
        step: updates made.
        losses: of the last step, by name.
        learning_rates: of tables and of dense variables.
        variables: every parameter by name, when `summary_model_vars` asks for them.
        weights: of the tasks or losses, where they are balanced.
    """

    step: int
    losses: Mapping[str, float]
    learning_rates: tuple[float, float]
    variables: "Mapping[str, Callable[[], tf.Tensor]]" = field(default_factory=dict)
    weights: Mapping[str, float] = field(default_factory=dict)


@dataclass(frozen=True)
class GradientConflict:
    """The gradients of the tasks were compared.

    Attributes:
        step: updates made.
        cosines: between the gradients on the dense weights that two tasks share, by `<task>/<task>`; a pair is missing
            when one of the gradients is 0.
    """

    step: int
    cosines: Mapping[str, float]


@dataclass(frozen=True)
class Evaluated:
    """The evaluation data has been scored.

    Attributes:
        step: updates made.
        metrics: `<metric>_<tower>`, the losses and `loss`.
        num_examples: rows that were scored.
        seconds: how long it took.
        is_best: whether it is the best so far.
        warnings: what the metrics could not say, and why.
        counts: feature -> kind of oddity -> rows of the evaluation data.
        skipped_rows: rows of the evaluation data that were left out.
        thresholds: how each prediction of an event decides, by what stands behind the metric; for those who draw.
        tables: reads at most so many rows, evenly spaced, `[n, width]`, of each embedding table by name; for those
            who draw.
    """

    step: int
    metrics: Mapping[str, float]
    num_examples: int
    seconds: float
    is_best: bool = False
    warnings: tuple[str, ...] = ()
    counts: Mapping[str, Mapping[str, int]] = field(default_factory=dict)
    skipped_rows: int = 0
    thresholds: "Mapping[str, ThresholdCounts]" = field(default_factory=dict)
    tables: "Mapping[str, Callable[[int], np.ndarray]]" = field(default_factory=dict)


@dataclass(frozen=True)
class Saved:
    """A checkpoint was published.

    Attributes:
        step: updates made.
        path: its folder.
        is_stopping: it is the last act of a training that was told to stop before its end.
    """

    step: int
    path: Path
    is_stopping: bool = False


@dataclass(frozen=True)
class StartedFrom:
    """A new training starts from the weights of another one.

    Attributes:
        transfer: what was taken over, and what was not.
    """

    transfer: "Transfer"


@dataclass(frozen=True)
class Gates:
    """How much tasks have drawn on each expert was measured.

    Attributes:
        step: updates made.
        weights: name of the gate, the task it is of or, between levels, its level and task -> name of the expert ->
            mean weight over the rows that were looked at; those of a gate sum to 1.
        entropy: mean entropy of the weights by the name of the gate, as a share of the largest possible one: 0 where
            each row takes one expert, 1 where it takes all of them alike.
        counts: how many of the weights of all rows and experts lie in each of equal parts of 0 to 1, `[30]`, by the
            name of the gate; for those who draw.
    """

    step: int
    weights: Mapping[str, Mapping[str, float]]
    entropy: Mapping[str, float] = field(default_factory=dict)
    counts: "Mapping[str, np.ndarray]" = field(default_factory=dict)


@dataclass(frozen=True)
class Phase:
    """Something that takes a while begins; it ends when the next event of the same source comes that is no `Note`.

    Attributes:
        name: one of `reading`, `building`, `tracing`, `measuring precision`, `training`, `evaluating`, `saving`,
            `exporting`, `proving the export`, or a verb's own.
        detail: what of, one short phrase; may be empty.
    """

    name: str
    detail: str = ""


@dataclass(frozen=True)
class PartScored:
    """A part of data was scored by the model that was not trained on it yet.

    Attributes:
        part: the names of its folders, such as `dt=2026-01-02/hour=03`.
        number: how many parts there have been, with this one.
        rows: that were scored.
        metrics: `<metric>_<tower>`, the losses and `loss`; null where the rows do not determine one, and none without a
            model.
        labels: mean label by task.
        scores: mean score by task; none without a model.
        counts: feature -> kind of oddity -> rows.
        skipped_rows: rows that did not parse.
        warnings: what the metrics could not say, and why.
        drift: what has moved far from what it usually is, a sentence each.
    """

    part: str
    number: int
    rows: int
    metrics: Mapping[str, float | None]
    labels: Mapping[str, float]
    scores: Mapping[str, float]
    counts: Mapping[str, Mapping[str, int]] = field(default_factory=dict)
    skipped_rows: int = 0
    warnings: tuple[str, ...] = ()
    drift: tuple[str, ...] = ()


@dataclass(frozen=True)
class PartTrained:
    """A part of data was trained on and, if that was asked for, the model exported.

    Attributes:
        part: the names of its folders.
        number: how many parts there have been, with this one.
        first_step: updates made before it.
        step: updates made with it.
        rows: of the part.
        metrics: before it was trained on, see `PartScored`.
        labels: mean label by task.
        scores: mean score by task, before it was trained on.
        counts: feature -> kind of oddity -> rows.
        skipped_rows: rows that did not parse.
        is_late: whether a later part was trained on before.
        is_whole: whether all of its rows were trained on.
        export: folder of the export or delta, empty without one.
    """

    part: str
    number: int
    first_step: int
    step: int
    rows: int
    metrics: Mapping[str, float | None]
    labels: Mapping[str, float]
    scores: Mapping[str, float]
    counts: Mapping[str, Mapping[str, int]] = field(default_factory=dict)
    skipped_rows: int = 0
    is_late: bool = False
    is_whole: bool = True
    export: str = ""


@dataclass(frozen=True)
class Note:
    """Something to know: one sentence."""

    text: str


Event = (
    Started
    | Progress
    | Summary
    | GradientConflict
    | Gates
    | Evaluated
    | Saved
    | StartedFrom
    | Phase
    | PartScored
    | PartTrained
    | Note
)
Listener = Callable[[Event], None]
