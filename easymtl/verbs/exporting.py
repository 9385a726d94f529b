"""What `export_config.exporter_type` asks of a training: a SavedModel at its end, of its best step, or all along."""

from pathlib import Path

from easymtl.protos.pipeline_pb2 import Pipeline
from easymtl.reporting.console import Console
from easymtl.serving.export import Export, export
from easymtl.training import events
from easymtl.training.restore import find_checkpoint
from easymtl.training.trainer import TrainingResult


class Exporter:
    """Listens to a training and exports: `latest` after every checkpoint, `final` and `best` at the end."""

    def __init__(self, pipeline: Pipeline, console: Console):
        self._pipeline = pipeline
        self._console = console
        self._kind = pipeline.export_config.exporter_type
        self._exported: int | None = None

    def __call__(self, event: events.Event) -> None:
        """Exports after a checkpoint, if that is asked for."""
        if isinstance(event, events.Saved) and self._kind == "latest":
            self._export("latest")
            self._exported = event.step

    def finish(self, result: TrainingResult) -> None:
        """Exports what a finished training is to leave."""
        if self._kind == "none" or self._exported == result.step:
            return
        self._export("best" if self._kind == "best" and result.best_step is not None else "latest")

    def _export(self, choice: str) -> Export:
        checkpoint = find_checkpoint(self._pipeline, choice)
        folder = Path(self._pipeline.model_dir) / "export" / self._kind
        done = export(self._pipeline, checkpoint, folder)
        self._console.exported(done)
        return done
