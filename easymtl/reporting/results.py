"""The metrics of the last evaluation as a JSON file, for scripts and dashboards."""

import json
import math
from collections.abc import Mapping
from pathlib import Path

from easymtl.checkpoints.publishing import reason, write_text
from easymtl.errors import UserError
from easymtl.training import events

RESULT_NAME = "eval_result.json"
ODDITIES_NAME = "input_oddities.json"

# Feature -> kind of oddity -> rows, as an encoder counts.
Counts = Mapping[str, Mapping[str, int]]


class Results:
    """A listener of training that keeps `model_dir/eval_result.json` at the newest evaluation."""

    def __init__(self, model_dir: str | Path):
        self.path = Path(model_dir) / RESULT_NAME

    def __call__(self, event: events.Event) -> None:
        """Writes the file after an evaluation.

        Raises:
            UserError: the file cannot be written.
        """
        if isinstance(event, events.Evaluated):
            oddities = flat_counts(event.counts, event.skipped_rows)
            write_results(self.path, event.metrics, event.step, event.num_examples, oddities)

    def finish(self, counts: Counts, skipped_rows: int = 0) -> None:
        """Writes what was odd in the rows that this run has read, into a file of its own: it differs from run to run.

        Raises:
            UserError: the file cannot be written.
        """
        _write(self.path.with_name(ODDITIES_NAME), flat_counts(counts, skipped_rows))


def flat_counts(counts: Counts, skipped_rows: int = 0) -> dict[str, int]:
    """Returns what was odd in data as `missing_user_id`, `out_of_range_age`, `skipped_rows`; zeros are left out."""
    flat = {f"{kind}_{name}": int(number) for name, kinds in counts.items() for kind, number in kinds.items()}
    flat["skipped_rows"] = skipped_rows
    return {name: number for name, number in flat.items() if number}


def write_results(
    path: str | Path,
    metrics: Mapping[str, float],
    step: int,
    num_examples: int,
    oddities: Mapping[str, int] | None = None,
) -> None:
    """Writes an evaluation as one flat JSON object; whoever reads it at that moment sees the old or the new one whole.

    Args:
        path: the file.
        metrics: by name; what is not finite becomes null.
        step: updates that the weights have had.
        num_examples: rows that were scored.
        oddities: what was odd in them, as `flat_counts` names it.

    Raises:
        UserError: the file cannot be written.
    """
    flat: dict[str, float | int | None] = {name: _finite(value) for name, value in metrics.items()}
    _write(Path(path), {**flat, "global_step": step, "num_examples": num_examples, **(oddities or {})})


def _write(path: Path, document: Mapping[str, float | int | None]) -> None:
    try:
        write_text(path, json.dumps(document, indent=2, ensure_ascii=False, allow_nan=False) + "\n")
    except OSError as error:
        raise UserError(f"{path}: cannot be written: {reason(error)}. Check the folder.") from None


def _finite(value: float) -> float | None:
    value = float(value)
    return value if math.isfinite(value) else None
