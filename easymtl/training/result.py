"""What came of a training."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from easymtl.checkpoints.folder import Checkpoint


@dataclass(frozen=True)
class TrainingResult:
    """How a training ended.

    Attributes:
        step: updates made in all.
        checkpoint: the newest one.
        best_step: updates made by the best evaluation, or None without evaluation data.
        metrics: of the last evaluation, empty without evaluation data.
        num_examples: rows that this run has trained on.
        counts: feature -> kind of oddity -> rows that this run has trained on, in its first pass over the data.
        skipped_rows: rows that did not parse, on the way to these.
        is_stopped: it was told to stop before its end, and is to be continued.
        best: what the best evaluation is best in, such as `auc 0.74425`.
        has_stopped_early: the evaluations have not been better for `export_config.max_check_steps`.
    """

    step: int
    checkpoint: Checkpoint
    best_step: int | None
    metrics: Mapping[str, float]
    num_examples: int = 0
    counts: Mapping[str, Mapping[str, int]] = field(default_factory=dict)
    skipped_rows: int = 0
    is_stopped: bool = False
    best: str = ""
    has_stopped_early: bool = False
