"""`easymtl report`: one page about one run or several."""

from collections.abc import Sequence
from pathlib import Path

from easymtl.checkpoints.publishing import reason, write_text
from easymtl.errors import UserError
from easymtl.reporting.page import curve_sections, metric_sections, model_sections, part_sections, training_sections
from easymtl.reporting.page.elements import framed
from easymtl.reporting.phases import begin
from easymtl.reporting.runs import Run, Wishes, read_runs


def write_report(
    model_dirs: Sequence[str],
    out: str | Path = "report.html",
    wishes: Wishes | None = None,
) -> list[Run]:
    """Writes a page about the trainings in some folders: one file that needs nothing else.

    Example:
        write_report(["model_dir/a", "model_dir/b"], "report.html", Wishes(by=["city"]))

    Args:
        model_dirs: one folder, or several that are compared: the first one is what others are held against.
        out: the file.
        wishes: which data, rows and columns; None for the evaluation data of each config.

    Returns:
        What was found.

    Raises:
        UserError: a folder is none of a training, a column is not there, or the file cannot be written.
    """
    wishes = wishes or Wishes()
    runs = read_runs([str(one) for one in model_dirs], wishes)
    begin("writing", str(out))
    try:
        write_text(Path(out), page(runs, wishes.by))
    except OSError as error:
        raise UserError(f"{out}: cannot be written: {reason(error)}. Check the folder.") from None
    return runs


def page(runs: Sequence[Run], by: Sequence[str] = ()) -> str:
    """Returns the page as text of HTML.

    Args:
        runs: one or several.
        by: columns that the scored rows have kept, for segments.
    """
    sections = [
        model_sections.summary(runs),
        metric_sections.metrics(runs),
        training_sections.learning_curves(runs),
        part_sections.parts(runs),
        curve_sections.score_curves(runs),
        metric_sections.segment_tables(runs, by),
        training_sections.gates(runs),
        training_sections.gradient_conflict(runs),
        model_sections.networks(runs),
        model_sections.features(runs),
        training_sections.times(runs),
        model_sections.notes(runs),
        model_sections.config(runs),
    ]
    return framed(", ".join(run.name for run in runs), "report", sections)
