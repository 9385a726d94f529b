"""Rows through every way, and what came of it."""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from easymtl.errors import UserError
from easymtl.protos.pipeline_pb2 import Pipeline
from easymtl.serving.form_of_export import describe
from easymtl.serving.parity import TOLERANCE
from easymtl.serving.reload import Arrays
from easymtl.serving.signatures import ENCODED, SIGNATURE
from easymtl.ways.baseline import Baseline, choose_baseline
from easymtl.ways.comparing import Difference, compare
from easymtl.ways.open_export import OpenExport
from easymtl.ways.reading import asked_of, read_rows
from easymtl.ways.way import Rows, Unsayable, Way


@dataclass(frozen=True)
class Finding:
    """What came of a signature on a way.

    Attributes:
        way: its name.
        signature: that was asked; empty where the way failed as a whole.
        difference: how far it is from the baseline.
        unsayable: why the way could not be asked, which is no fault.
    """

    way: str
    signature: str
    difference: Difference
    unsayable: str | None = None

    @property
    def problem(self) -> str | None:
        """Returns what is wrong, None if nothing is."""
        return self.difference.problem


@dataclass(frozen=True)
class Question:
    """Rows, and what every way has to answer.

    Attributes:
        export: the folder.
        rows: what is sent.
        expected: scores by signature and output.
        baseline: where these are from.
        tolerance: of probabilities.
    """

    export: Path
    rows: Rows
    expected: dict[str, Arrays]
    baseline: Baseline
    tolerance: float


def question_of(
    folder: Path, pipeline: Pipeline, paths: str, most: int, choice: str | None = None, is_given: bool = False
) -> Question:
    """Reads rows and scores them with the baseline.

    Args:
        folder: the export.
        pipeline: its config.
        paths: files of rows.
        most: how many rows of them.
        choice: of a checkpoint, see `choose_baseline`.
        is_given: whether the config is the user's.

    Raises:
        UserError: export, rows or checkpoint are wrong.
    """
    export = OpenExport(folder)
    form = export.form(pipeline)
    baseline = choose_baseline(export, form, pipeline, choice, is_given)
    batch = read_rows(pipeline, form, paths, most, baseline.encode)
    asked = asked_of(export, pipeline, form, batch)
    expected: dict[str, Arrays] = {}
    for name, rows in asked.batches.items():
        is_same = name != SIGNATURE and rows.read.equals(batch.read) and rows.raw.equals(batch.raw)
        expected[name] = expected[SIGNATURE] if is_same else baseline.scores(rows)
    if ENCODED in expected:
        # What features have read is not among packed tensors.
        numbers = {name: values for name, values in expected[ENCODED].items() if values.dtype.kind != "O"}
        expected[ENCODED] = numbers
    export.close()
    return Question(folder, asked.rows, expected, baseline, float(describe(folder).get("tolerance") or TOLERANCE))


def verify(question: Question, ways: Iterable[Way], begin: Callable[[str], None] = lambda name: None) -> list[Finding]:
    """Sends the rows on each way, and compares what comes back.

    Args:
        question: the rows and the right answer.
        ways: those that are to be used.
        begin: is told the name of each way before it is used.
    """
    findings: list[Finding] = []
    for way in ways:
        begin(way.name)
        findings += _findings(question, way)
    return findings


def _findings(question: Question, way: Way) -> Iterator[Finding]:
    num_rows = question.rows.num_rows
    try:
        found = way.scores(question.export, question.rows)
    except Unsayable as error:
        yield Finding(way.name, "", Difference(num_rows), str(error))
        return
    except UserError as error:
        yield Finding(way.name, "", Difference(num_rows, problem=str(error)))
        return
    for signature, wanted in question.expected.items():
        if signature in found:
            scores, derive = found[signature], question.baseline.derived
            yield Finding(way.name, signature, compare(scores, wanted, num_rows, question.tolerance, derive))
    if not found.keys() & question.expected.keys():
        problem = f"gave scores of {sorted(found)} in place of {sorted(question.expected)}"
        yield Finding(way.name, "", Difference(num_rows, problem=problem))
