"""What comes of each command, for programs that read it: the events `result` of `--log_format json`."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path


@dataclass(frozen=True)
class Trained:
    """A training has ended.

    Attributes:
        step: updates made in all.
        checkpoint: folder of the newest checkpoint.
        best_step: updates made by the best evaluation, null without evaluation data.
        metrics: of the last evaluation, by name.
        num_examples: rows that this run has trained on.
        seconds: how long it took.
        counts: feature -> kind of oddity -> rows that this run has trained on.
        skipped_rows: rows that did not parse.
        is_stopped: it was told to stop before its end; the same command goes on.
    """

    step: int
    checkpoint: Path
    best_step: int | None
    metrics: Mapping[str, float]
    num_examples: int
    seconds: float
    counts: Mapping[str, Mapping[str, int]]
    skipped_rows: int
    is_stopped: bool


@dataclass(frozen=True)
class Evaluation:
    """Data have been scored and compared with their labels.

    Attributes:
        source: folder of the checkpoint or SavedModel.
        step: updates that it has had.
        metrics: by name.
        num_examples: rows that were scored.
        seconds: how long it took.
        warnings: what the metrics could not say, and why.
        counts: feature -> kind of oddity -> rows.
        skipped_rows: rows that were left out.
        written: the file that the result is in, empty where there is none.
        uncalibrated: metrics of tasks with a `post_calibration` as they are before it.
    """

    source: str
    step: int
    metrics: Mapping[str, float]
    num_examples: int
    seconds: float
    warnings: Sequence[str] = ()
    counts: Mapping[str, Mapping[str, int]] = field(default_factory=dict)
    skipped_rows: int = 0
    written: str = ""
    uncalibrated: Mapping[str, float] = field(default_factory=dict)


@dataclass(frozen=True)
class Exported:
    """A SavedModel or a delta has been published.

    Attributes:
        path: its folder.
        kind: `SavedModel` or `delta`.
        step: updates that its weights have had.
        checkpoint: folder of the checkpoint.
        inputs: name -> type.
        outputs: names.
        signatures: names.
        compared_rows: rows whose scores were compared with the checkpoint's, null where there was no data.
        largest_difference: between a score and that of the checkpoint, null where there was no data.
        warnings: what fewer bytes have done to metrics.
    """

    path: Path
    kind: str
    step: int
    checkpoint: Path
    inputs: Mapping[str, str]
    outputs: Sequence[str]
    signatures: Sequence[str]
    compared_rows: int | None
    largest_difference: float | None
    warnings: Sequence[str] = ()


@dataclass(frozen=True)
class Predicted:
    """Rows have been scored into a file.

    Attributes:
        output: the file.
        num_rows: rows in it.
        source: folder of the checkpoint or SavedModel.
        seconds: how long it took.
    """

    output: str
    num_rows: int
    source: str
    seconds: float


@dataclass(frozen=True)
class Ranked:
    """Features have been ranked.

    Attributes:
        ranking: an object for each task and part: `task`, `part`, `metric`, `value`, `loss`, `low`, `high`.
        warnings: what is not defined, and why.
        written: files.
    """

    ranking: Sequence[Mapping[str, object]]
    warnings: Sequence[str] = ()
    written: Sequence[str] = ()


@dataclass(frozen=True)
class RatesRead:
    """What `variational_dropout` has learnt has been read.

    Attributes:
        rates: group -> feature -> mean rate, the most important feature first.
        written: files.
    """

    rates: Mapping[str, Mapping[str, float]]
    written: Sequence[str] = ()


@dataclass(frozen=True)
class Checked:
    """A config and its data are right.

    Attributes:
        config: its file.
        model: name of the architecture.
        tasks: names of the task towers.
    """

    config: str
    model: str
    tasks: Sequence[str]


@dataclass(frozen=True)
class Made:
    """Data have been made.

    Attributes:
        files: part -> file.
        best_reachable: name of a metric -> what a perfect model would reach; empty where the files do not tell.
    """

    files: Mapping[str, Path]
    best_reachable: Mapping[str, float]


@dataclass(frozen=True)
class Imported:
    """A checkpoint has become one of a model_dir.

    Attributes:
        checkpoint: its new folder.
        step: updates that it counts as having had.
        report: the file that tells of each weight.
        num_parameters: parameters that were taken over.
        warnings: what should be known before it is used.
    """

    checkpoint: str
    step: int
    report: Path
    num_parameters: int
    warnings: Sequence[str] = ()


@dataclass(frozen=True)
class Converted:
    """A config has been converted.

    Attributes:
        config: the file that was written; empty where there is none.
        text: the new config where no file was named, else empty.
        report: what changed, was left out or guessed.
        notes: what the new config has of ignored or unused.
    """

    config: str
    text: str
    report: str
    notes: Sequence[str] = ()


@dataclass(frozen=True)
class Verified:
    """An export has been asked on every way.

    Attributes:
        export: its folder.
        is_same: whether the scores are the same on all ways.
        findings: an object for each way and signature: `way`, `signature`, `output`, `num_rows`, `largest`, `allowed`,
            `problem`, `unsayable`.
        absent: way -> why it could not be used.
    """

    export: str
    is_same: bool
    findings: Sequence[Mapping[str, object]]
    absent: Mapping[str, str]


@dataclass(frozen=True)
class Serving:
    """An export is being served.

    Attributes:
        model: as requests call it.
        version: of the export.
        export: its folder.
        rest: address of predictions.
        grpc: host and port.
        page: address of the page.
        request: a command that asks for the scores of a row.
    """

    model: str
    version: int
    export: Path
    rest: str
    grpc: str
    page: str
    request: str


Outcome = (
    Trained
    | Evaluation
    | Exported
    | Predicted
    | Ranked
    | RatesRead
    | Checked
    | Made
    | Imported
    | Converted
    | Verified
    | Serving
)
