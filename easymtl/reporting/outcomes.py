"""What comes of each command, for programs that read it: the events `result` of `--log_format json`."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from easymtl.reporting.outcomes_around import (
    Board,
    Checked,
    Converted,
    Drafted,
    Examined,
    Imported,
    Made,
    Planned,
    Script,
    Serving,
    Verified,
)


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
class Followed:
    """A training has gone through the parts that there were.

    Attributes:
        parts: that this run has trained on, in order; the events `part_trained` tell more of each.
        step: updates made in all.
        num_trained: parts that were trained on in all.
        export: folder of the newest export of this run, empty without one.
        is_stopped: it was told to stop; the same command goes on.
    """

    parts: Sequence[str]
    step: int
    num_trained: int
    export: str
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
        segments: an object for each value of the columns of `--by` and each metric, as the file has them.
        errors_written: the file of the rows with the largest losses, empty where there is none.
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
    segments: Sequence[Mapping[str, object]] = ()
    errors_written: str = ""


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
class RowsExplained:
    """What moved the scores of rows has been found.

    Attributes:
        effects: an object for each row, score and part: `row`, `score`, `value`, `part`, `found`, `effect`, `error`.
        written: files.
    """

    effects: Sequence[Mapping[str, object]]
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
class Compared:
    """Two models have been compared on the same rows.

    Attributes:
        a: model_dirs of the one.
        b: of the other.
        rows: the files that both were scored on.
        resamples: draws of rows that errors were computed from.
        metrics: name -> an object: `a` and `b`, the values of each model, `difference`, of the means, B less A,
            `standard_error`, `low` and `high`, the 95 % interval, `of_seeds`, the share of seeds in the squared error,
            `verdict`, what B is.
        written: the file that the result is in, empty where there is none.
    """

    a: Sequence[str]
    b: Sequence[str]
    rows: str
    resamples: int
    metrics: Mapping[str, Mapping[str, object]]
    written: str = ""


@dataclass(frozen=True)
class Tuned:
    """A search has made its trials, or was stopped before.

    Attributes:
        study: its folder, in which `study.json` tells each trial.
        trials: how many there are, by their state: `complete`, `pruned`, `failed`, `running`.
        best: numbers of the best trial, or of those of the Pareto front.
        values: of these, each as the metrics and their values.
        config: the file of the config that won; empty before a trial is complete.
        diff: what it changes, as `diff -u` writes it; empty where nothing is changed.
    """

    study: Path
    trials: Mapping[str, int]
    best: Sequence[int]
    values: Sequence[Mapping[str, float]]
    config: str = ""
    diff: str = ""


@dataclass(frozen=True)
class Reported:
    """A page about trainings has been written.

    Attributes:
        page: its file.
        num_bytes: of it.
        runs: model_dirs.
        problems: model_dir -> what the page could not show of it, and why.
    """

    page: Path
    num_bytes: int
    runs: Sequence[str]
    problems: Mapping[str, Sequence[str]]


Outcome = (
    Trained
    | Followed
    | Evaluation
    | Exported
    | Predicted
    | Ranked
    | RowsExplained
    | RatesRead
    | Compared
    | Tuned
    | Reported
    | Checked
    | Made
    | Imported
    | Converted
    | Verified
    | Serving
    | Board
    | Drafted
    | Planned
    | Examined
    | Script
)
