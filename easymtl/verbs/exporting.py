"""What `export_config.exporter_type` asks of a training: a SavedModel at its end, of its best step, or all along."""

import json
from pathlib import Path

from rich.console import Console as Terminal

from easymtl.errors import UserError
from easymtl.protos.pipeline_pb2 import Pipeline
from easymtl.reporting.tables import key_values
from easymtl.serving.export import Export, export
from easymtl.serving.scoring import newest_export, step_of_export
from easymtl.training import events
from easymtl.training.restore import find_checkpoint
from easymtl.training.trainer import TrainingResult


class Exporter:
    """Listens to a training and exports: `latest` after every checkpoint, `final` and `best` at the end."""

    def __init__(self, pipeline: Pipeline, terminal: Terminal):
        self._pipeline = pipeline
        self._terminal = terminal
        self._kind = pipeline.export_config.exporter_type
        self._folder = Path(pipeline.model_dir) / "export" / self._kind
        self._exported: int | None = None

    def __call__(self, event: events.Event) -> None:
        """Exports after a checkpoint, if that is asked for."""
        if isinstance(event, events.Saved) and self._kind == "latest" and not event.is_stopping:
            self._export("latest")
            self._exported = event.step

    def finish(self, result: TrainingResult, has_trained: bool) -> None:
        """Exports what a finished training is to leave, unless an earlier run that came as far has left it."""
        if self._kind == "none" or self._exported == result.step:
            return
        is_best = self._kind == "best" and result.best_step is not None
        if has_trained or self._earlier_step() != (result.best_step if is_best else result.step):
            self._export("best" if is_best else "latest")

    def _earlier_step(self) -> int | None:
        """Returns the step of the newest export."""
        try:
            return step_of_export(newest_export(self._folder))
        except UserError:
            return None

    def _export(self, choice: str) -> None:
        checkpoint = find_checkpoint(self._pipeline, choice)
        keep = 0 if self._kind == "final" else self._pipeline.export_config.exports_to_keep
        print_export(export(self._pipeline, checkpoint, self._folder, keep), self._terminal)


def print_export(done: Export, terminal: Terminal) -> None:
    """Prints where a SavedModel is, what it takes and gives, and how it was checked."""
    parity, placement = done.parity, done.placement
    compared = "not compared: there is no data"
    if parity:
        difference = f"largest difference {parity.largest_difference:.1e}"
        blanked = f" and {parity.num_blanked:,} with a value missing" if parity.num_blanked else ""
        rows = f"{parity.num_rows:,} rows{blanked}"
        compared = f"equal on {rows}, {difference}, loaded without easymtl"
    values = {
        "SavedModel": done.path,
        "checkpoint": f"step {done.checkpoint.step}",
        "inputs": ", ".join(f"{name} {dtype}" for name, dtype in done.inputs.items()),
        "if missing": _instead_of_missing(done),
        "outputs": ", ".join(done.outputs),
        "scores": compared,
        "GPU": f"{placement.on_gpu} nodes have a GPU kernel, {placement.pinned} of the encoder stay on the CPU",
    }
    key_values(values, terminal, "Exported")


def _instead_of_missing(done: Export) -> str:
    """Returns what a client sends where a value is missing: `"" for user, city; 3 for level; NaN or 9.0 for price`."""
    names: dict[str, list[str]] = {}
    for name, value in done.missing.items():
        has_default = done.inputs[name].startswith("float") and value != 0
        names.setdefault(f"NaN or {value}" if has_default else json.dumps(value), []).append(name)
    return "; ".join(f"{value} for {', '.join(inputs)}" for value, inputs in names.items())
