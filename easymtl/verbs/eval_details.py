"""What `easymtl eval` tells beyond metrics: those of segments, and the rows on which the model is most wrong."""

import os
from argparse import Namespace
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from easymtl.api.overwriting import require_local
from easymtl.errors import UserError
from easymtl.protos.pipeline_pb2 import Pipeline
from easymtl.reporting.phases import begin
from easymtl.scoring.file_columns import columns_of_files, declare_columns

if TYPE_CHECKING:
    from rich.console import Console

    from easymtl.scoring.scored_rows import ScoredRows
    from easymtl.scoring.segments import Segment
    from easymtl.scoring.worst_rows import WorstRows
    from easymtl.tasks.task import Task

ERRORS_NAME = "eval_errors.parquet"


@dataclass
class Details:
    """What `--by` and `--errors` ask for.

    Attributes:
        by: columns by whose values metrics are told.
        segments_output: file of them; empty where they are only printed.
        num_errors: rows of each task that are kept; 0 for none.
        errors_output: their file.
    """

    by: Sequence[str]
    segments_output: str
    num_errors: int
    errors_output: str
    _columns: list[str] = field(default_factory=list)
    _rows: "ScoredRows | None" = None
    _worst: "WorstRows | None" = None
    _segments: "list[Segment]" = field(default_factory=list)

    @classmethod
    def of(cls, options: Namespace, pipeline: Pipeline, output: str) -> "Details":
        """Returns what options ask for.

        Raises:
            UserError: they do not go together, or their file cannot be one.
        """
        if options.by is not None and not options.by:
            raise UserError("--by names no column. Name some, such as --by city,hour.")
        if options.errors is not None and options.errors < 1:
            raise UserError(f"--errors: {options.errors} is too small; the least is 1.")
        if options.errors_output and not options.errors:
            raise UserError("--errors_output says where --errors N writes, which is not there. Add it: --errors 100.")
        target = options.errors_output or str(Path(pipeline.model_dir) / ERRORS_NAME)
        if options.errors:
            _require_parquet(target)
        beside = str(Path(output).with_name(f"{Path(output).stem}_segments.json")) if output and options.by else ""
        return cls(list(dict.fromkeys(options.by or ())), beside, options.errors or 0, target)

    @property
    def writes(self) -> list[tuple[str, str]]:
        """Returns what is written, by what names it."""
        found = [("The table of segments", self.segments_output), ("--errors_output", self.errors_output)]
        return [one for one, is_written in zip(found, (bool(self.segments_output), self.num_errors > 0)) if is_written]

    def declare(self, pipeline: Pipeline, paths: str) -> Pipeline:
        """Returns a config that declares all columns that are read for this.

        Raises:
            UserError: a column is not there.
        """
        self._columns = columns_of_files(pipeline, paths) if self.num_errors else []
        return declare_columns(pipeline, paths, self.by, "--by")

    def collectors(self, tasks: "Sequence[Task]") -> "list[ScoredRows | WorstRows]":
        """Returns what looks at the rows of an evaluation."""
        from easymtl.scoring.scored_rows import ScoredRows
        from easymtl.scoring.worst_rows import WorstRows

        self._rows = ScoredRows(tasks, self.by) if self.by else None
        self._worst = WorstRows(tasks, self.num_errors, self._columns) if self.num_errors else None
        return [one for one in (self._rows, self._worst) if one is not None]

    def write(self) -> None:
        """Computes and writes what was asked for.

        Raises:
            UserError: a file cannot be written.
        """
        from easymtl.reporting.segments import write_segments
        from easymtl.scoring.segments import segments

        if self._rows is not None:
            for column in self.by:
                begin("computing", f"metrics by {column}")
                self._segments += segments(self._rows, column)
            if self.segments_output:
                write_segments(self.segments_output, self._segments)
        if self._worst is not None:
            begin("writing", self.errors_output)
            _write(self._worst, self.errors_output)

    def show(self, terminal: "Console") -> None:
        """Prints what `write` has found."""
        from easymtl.reporting.segments import print_segments
        from easymtl.reporting.terminal import print_line

        print_segments(self._segments, terminal)
        if self._segments and self.segments_output:
            print_line(terminal, f"Wrote {self.segments_output}")
        if self.num_errors:
            print_line(terminal, f"Wrote {self.errors_output}: the rows with the largest loss of each task")

    def records(self) -> list[Mapping[str, Any]]:
        """Returns the segments that `write` has found, an object each."""
        from easymtl.reporting.segments import segment_record

        return [segment_record(one) for one in self._segments]


def _require_parquet(target: str) -> None:
    require_local("--errors_output", target, "file")
    if Path(target).suffix != ".parquet":
        raise UserError(f'--errors_output: {target} has to end in ".parquet".')
    if Path(target).is_dir():
        raise UserError(f"--errors_output: {target} is a folder. Name a file in it.")


def _write(worst: "WorstRows", target: str) -> None:
    import pyarrow.parquet as pq

    from easymtl.checkpoints.publishing import draft_of, reason

    path = Path(target)
    draft = draft_of(path)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        pq.write_table(worst.table(), draft)
        os.replace(draft, path)
    except OSError as error:
        raise UserError(f"{target}: cannot be written: {reason(error)}. Check the folder.") from None
    finally:
        draft.unlink(missing_ok=True)
