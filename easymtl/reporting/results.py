"""The metrics of the last evaluation as a JSON file, for scripts and dashboards."""

import json
import math
import os
from collections.abc import Mapping
from pathlib import Path

from easymtl.errors import UserError
from easymtl.training import events

RESULT_NAME = "eval_result.json"


class Results:
    """A listener of training that keeps `model_dir/eval_result.json` at the newest evaluation."""

    def __init__(self, model_dir: str | Path):
        self.path = Path(model_dir) / RESULT_NAME
        self._last: events.Evaluated | None = None

    def __call__(self, event: events.Event) -> None:
        """Writes the file after an evaluation.

        Raises:
          UserError: the file cannot be written.
        """
        if isinstance(event, events.Evaluated):
            self._last = event
            write_results(self.path, event.metrics, event.step, event.num_examples)

    def finish(self, counts: Mapping[str, Mapping[str, int]]) -> None:
        """Adds what was odd in the training data to the result of the last evaluation, if there was one.

        Raises:
          UserError: the file cannot be written.
        """
        if self._last:
            write_results(self.path, self._last.metrics, self._last.step, self._last.num_examples, counts)


def write_results(
    path: str | Path,
    metrics: Mapping[str, float],
    step: int,
    num_examples: int,
    counts: Mapping[str, Mapping[str, int]] | None = None,
) -> None:
    """Writes an evaluation as one flat JSON object; whoever reads it at that moment sees the old or the new one whole.

    Args:
      path: the file.
      metrics: by name; what is not finite becomes null.
      step: updates that the weights have had.
      num_examples: rows that were scored.
      counts: feature -> kind of oddity -> rows; written as `missing_user_id` and so on, zeros left out.

    Raises:
      UserError: the file cannot be written.
    """
    path = Path(path)
    flat: dict[str, float | int | None] = {name: _finite(value) for name, value in metrics.items()}
    flat |= {"global_step": step, "num_examples": num_examples}
    for name, kinds in (counts or {}).items():
        flat |= {f"{kind}_{name}": int(number) for kind, number in kinds.items() if number}
    draft = path.with_name(f".{path.name}-{os.getpid()}")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        draft.write_text(json.dumps(flat, indent=2, ensure_ascii=False, allow_nan=False) + "\n", encoding="utf-8")
        os.replace(draft, path)
    except OSError as error:
        raise UserError(f"{path}: cannot be written: {error.strerror}. Check model_dir.") from None


def _finite(value: float) -> float | None:
    value = float(value)
    return value if math.isfinite(value) else None
