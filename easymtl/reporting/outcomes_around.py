"""What comes of commands around models, on data, configs, servers and the installation itself: see `outcomes`."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path


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


@dataclass(frozen=True)
class Board:
    """TensorBoard is running.

    Attributes:
        address: of its page.
        folder: the summaries that it shows.
        num_runs: folders of them.
        embeddings: what of a feature's vectors is shown; empty where none was asked for.
    """

    address: str
    folder: Path
    num_runs: int
    embeddings: str = ""


@dataclass(frozen=True)
class Drafted:
    """A config has been drafted from data.

    Attributes:
        config: its file.
        num_features: features in it.
        files: training and evaluation rows, where they were divided.
        notes: what was guessed.
        left_out: columns that no feature reads -> why.
    """

    config: Path
    num_features: int
    files: Sequence[str]
    notes: Sequence[str]
    left_out: Mapping[str, str]


@dataclass(frozen=True)
class Planned:
    """What a training will need, and how fast it will be.

    Attributes:
        config: its file.
        workers: how many it was planned for.
        layout: of the tables, with so many workers: `replicated` or `sharded`.
        fits: whether a worker has the memory for it.
        dense: trained dense weights.
        rows_by_width: rows of all tables, by their width.
        distinct_by_width: rows that a batch of a worker touches, each counted once, by width.
        distinct_source: where these are from: rows of the data, or a bound.
        batch_size: rows of the data that a worker takes in a step.
        device: what computes.
        available: bytes of memory that a worker has; null where nobody knows.
        available_on_host: bytes of its machine beside those of its device; null where nobody knows.
        rates: seconds and bytes per second by name.
        rates_source: where they are from: measured when and on what, or defaults.
        layouts: an object for each layout of the tables with so many workers: `layout`, `fits`, `memory` (bytes by what
            they are for, `of_device`, `of_host`, `total`), `sent` (bytes by a worker in a step: `dense`, `rows`,
            `total`).
        scaling: an object for 1, 2, 4, ... workers: `workers`, `layout`, `fits`, `memory`, `sent`, seconds of a step by
            what they are for, `limit`, `examples_per_second`, `efficiency`.
        verdict: the same in a sentence.
    """

    config: str
    workers: int
    layout: str
    fits: bool
    dense: int
    rows_by_width: Mapping[int, int]
    distinct_by_width: Mapping[int, float]
    distinct_source: str
    batch_size: int
    device: str
    available: int | None
    available_on_host: int | None
    rates: Mapping[str, float]
    rates_source: str
    layouts: Sequence[Mapping[str, object]]
    scaling: Sequence[Mapping[str, object]]
    verdict: str


@dataclass(frozen=True)
class Examined:
    """The installation has been looked at.

    Attributes:
        broken: how many things are.
        findings: an object for each thing: `section`, `name`, `standing` (`ok`, `note`, `broken`), `text`, `advice`.
    """

    broken: int
    findings: Sequence[Mapping[str, str]]


@dataclass(frozen=True)
class Script:
    """A script with which a shell completes commands has been made.

    Attributes:
        shell: its name.
        text: the script.
    """

    shell: str
    text: str
