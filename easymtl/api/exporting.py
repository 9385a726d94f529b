"""What `export_config.exporter_type` asks of a training: a SavedModel at its end, of its best step, or all along."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import tensorflow as tf
from rich.console import Console as Terminal

from easymtl.checkpoints.extensions import version_notes
from easymtl.checkpoints.folder import Checkpoint, CheckpointFolder
from easymtl.checkpoints.restore import CONFIG_NAME, find_checkpoint
from easymtl.config import Config
from easymtl.errors import UserError, quoted
from easymtl.protos.pipeline_pb2 import Pipeline
from easymtl.reporting.formats import folded
from easymtl.reporting.narrowing import narrowing_lines
from easymtl.reporting.outcomes import Exported
from easymtl.reporting.output import current
from easymtl.reporting.phases import begin
from easymtl.reporting.tables import key_values
from easymtl.reporting.terminal import print_line
from easymtl.serving.delta_export import DeltaExport, export_since
from easymtl.serving.export import export
from easymtl.serving.exported import Export
from easymtl.serving.narrowing import TooNarrow
from easymtl.serving.placement import Placement
from easymtl.serving.saved_model_scorer import newest_export, step_of_export
from easymtl.training import events
from easymtl.training.best import Best
from easymtl.training.result import TrainingResult


class Exporter:
    """Listens to a training and exports: `latest` after every checkpoint, `final` and `best` at the end."""

    def __init__(self, config: Config, terminal: Terminal):
        self._config = config
        self._pipeline = config.pipeline
        self._terminal = terminal
        self._kind = self._pipeline.export_config.exporter_type
        self._folder = Path(self._pipeline.model_dir) / "export" / self._kind
        self._exported: int | None = None

    def __call__(self, event: events.Event) -> None:
        """Exports after a checkpoint, if that is asked for."""
        if isinstance(event, events.Saved) and self._kind == "latest" and not event.is_stopping:
            try:
                self._export("latest")
            except TooNarrow as error:
                # A training is worth more than one of its exports; that of its end is tried again.
                print_line(self._terminal, f"Step {event.step} was not exported: {error}", "yellow")
            else:
                self._exported = event.step

    def finish(self, result: TrainingResult, first_step: int) -> None:
        """Exports what a finished training is to leave, unless it is there already; tells if another step was better.

        Args:
            result: of the training.
            first_step: at which this run began. What an earlier one has exported is not exported again.
        """
        if self._kind == "none":
            return
        is_best = self._kind == "best" and result.best_step is not None
        step = result.best_step if is_best and result.best_step is not None else result.step
        if self._kind == "best" and not is_best:
            print_line(self._terminal, f"{_NO_BEST} The latest checkpoint is exported.", "yellow")
        if self._exported != step and (step > first_step or self._earlier_step() != step):
            self._export("best" if is_best else "latest")
        elif self._exported != step:
            print_line(self._terminal, f"Exported already, at step {step}: {newest_export(self._folder)}")
        if not is_best:
            _tell_better(self._config, find_checkpoint(self._pipeline, str(step)), self._terminal)

    def _earlier_step(self) -> int | None:
        """Returns the step of the newest export."""
        try:
            return step_of_export(newest_export(self._folder))
        except UserError:
            return None

    def _export(self, choice: str) -> None:
        checkpoint = find_checkpoint(self._pipeline, choice)
        keep = 0 if self._kind == "final" else self._pipeline.export_config.exports_to_keep
        print_export(export(self._pipeline, checkpoint, self._folder, keep, told), self._terminal)


def told(event: events.Event) -> None:
    """Lets the command that runs say what is being done for an export."""
    if isinstance(event, events.Phase):
        begin(event.name, event.detail)


_NO_BEST = "export_config.exporter_type is best, and no evaluation has determined what is best."


def export_chosen(
    config: Config, choice: str | None, folder: Path, terminal: Terminal, since: str | None = None
) -> Path:
    """Exports the checkpoint of a choice, and tells what was chosen, what is better, and what is there twice.

    Args:
        config: names model_dir and exporter_type.
        choice: as `find_checkpoint` takes it; None is the best one with `exporter_type: best`, else the latest.
        folder: where the numbered folder is made.
        terminal: where to print.
        since: the version or step since which changes are to be exported; None exports the whole model.

    Returns:
        The folder of the SavedModel or delta.

    Raises:
        UserError: there is no such checkpoint or base, or it could not be exported.
    """
    pipeline = config.pipeline
    checkpoint = find_checkpoint(pipeline, choice or "latest")
    if choice is None and pipeline.export_config.exporter_type == "best":
        best = _best_of(pipeline)
        if best:
            checkpoint = best
            print_line(terminal, f"exporter_type is best: step {best.step} is exported.")
        else:
            print_line(terminal, f"{_NO_BEST} The latest checkpoint is exported.", "yellow")
    for note in version_notes(pipeline, checkpoint.state()):
        print_line(terminal, note, "yellow")
    older = exports_of(checkpoint, folder) if since is None else []
    if since is None:
        done = export(pipeline, checkpoint, folder, listener=told)
        print_export(done, terminal)
    else:
        delta = export_since(pipeline, checkpoint, folder, since, told)
        done = delta.export
        print_delta(delta, terminal)
    if older:
        print_line(
            terminal,
            f"This checkpoint was exported before, to {quoted(map(str, older), limit=3)}. Servers take the newest: "
            "remove what none of them reads any more.",
            "yellow",
        )
    if choice in (None, "latest"):
        _tell_better(config, checkpoint, terminal)
    return done.path


def exports_of(checkpoint: Checkpoint, folder: Path) -> list[Path]:
    """Returns the exports below a folder that were made of a checkpoint, oldest first."""
    descriptions = {path.parents[1]: _description(path) for path in folder.glob("*/assets.extra/easymtl.json")}
    found = [
        path
        for path, said in descriptions.items()
        if path.name.isdigit()
        and said.get("step") == checkpoint.step
        and Path(str(said.get("checkpoint"))).resolve() == checkpoint.path.resolve()
    ]
    return sorted(found, key=lambda path: int(path.name))


def _description(path: Path) -> Mapping[str, Any]:
    try:
        said = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return said if isinstance(said, dict) else {}


def _best_of(pipeline: Pipeline) -> Checkpoint | None:
    """Returns the checkpoint of the best evaluation, None if there has been none."""
    latest = CheckpointFolder(pipeline.model_dir).latest()
    best = latest.state().get("best", {}) if latest else {}
    if best.get("value") is None:
        return None
    return CheckpointFolder(pipeline.model_dir).at(int(best["step"]))


def _tell_better(config: Config, exported: Checkpoint, terminal: Terminal) -> None:
    """Says that an evaluation of another step than the exported one was better, and how that one is exported."""
    pipeline = config.pipeline
    checkpoint = _best_of(pipeline)
    if checkpoint is None or checkpoint.step == exported.step:
        return
    best = Best.from_pipeline(pipeline)
    best.restore(checkpoint.state().get("best", {}))
    if best.value is None:
        # The config compares another metric than the training did.
        return
    path = config.path if Path(config.path).is_file() else Path(pipeline.model_dir) / CONFIG_NAME
    value = best.read(exported.state().get("metrics", {}))
    against = f", against {best.text(value)} of step {exported.step}" if value == value else ""
    print_line(
        terminal,
        f"Step {exported.step} was exported. The evaluation of step {checkpoint.step} was better "
        f"({best.text()}{against}): easymtl export --pipeline_config {path} --checkpoint best exports it, and "
        "export_config.exporter_type: best lets a training do so.",
        "yellow",
    )


def print_delta(done: DeltaExport, terminal: Terminal) -> None:
    """Prints where a delta is, what has changed, and what is printed of an export."""
    print_export(done.export, terminal, "delta")
    if current().is_json or current().is_quiet:
        return
    parts = [f"{changed:,} of {rows:,} in {name}" for name, (changed, rows) in done.changed.items()]
    changed, rows = (sum(counts) for counts in zip((0, 0), *done.changed.values()))
    values = {
        "since": done.base,
        "rows changed": f"{changed:,} of {rows:,}: {folded(parts)}",
        "bytes": f"{done.num_bytes:,}, the whole export has {done.whole_bytes:,}",
    }
    key_values(values, terminal)


def print_export(done: Export, terminal: Terminal, kind: str = "SavedModel") -> None:
    """Prints where a SavedModel or a delta is, what it takes and gives, and how it was checked."""
    current().result(_outcome(done, kind), lambda: _print_export(done, terminal, kind))


def _outcome(done: Export, kind: str) -> Exported:
    return Exported(
        path=done.path,
        kind=kind,
        step=done.checkpoint.step,
        checkpoint=done.checkpoint.path,
        inputs=done.inputs,
        outputs=done.outputs,
        signatures=done.signatures,
        compared_rows=done.parity.num_rows if done.parity else None,
        largest_difference=done.parity.largest_difference if done.parity else None,
        warnings=done.narrowing.warnings if done.narrowing else (),
    )


def _print_export(done: Export, terminal: Terminal, kind: str) -> None:
    parity = done.parity
    compared = "not compared: there is no data"
    if parity:
        difference = f"largest difference {parity.largest_difference:.1e}"
        blanked = f" and {parity.num_blanked:,} with a value missing" if parity.num_blanked else ""
        rows = f"{parity.num_rows:,} rows{blanked}"
        allowed = f"within {parity.tolerance:.1e} of the largest score of its output"
        compared = f"equal on {rows}, {difference}, {allowed}, loaded without easymtl"
    values = {
        kind: done.path,
        "checkpoint": f"step {done.checkpoint.step}",
        "inputs": _inputs(done),
        "if missing": _instead_of_missing(done),
        **({"constants": _constants(done)} if done.constants else {}),
        "outputs": folded(done.outputs, _LISTED),
        "signatures": ", ".join(done.signatures),
        **({"also as": _also(done)} if done.formats else {}),
        "scores": compared,
        **narrowing_lines(done),
    }
    if current().is_quiet:
        values = {name: values[name] for name in (kind, "checkpoint", "scores")}
    has_gpu = bool(tf.config.list_physical_devices("GPU"))
    if done.placement and not has_gpu and not current().is_quiet:
        values["on a GPU"] = _on_some_gpu(done.placement)
    key_values(values, terminal, "Exported")
    if has_gpu and not current().is_quiet:
        for name, placement in done.placement.items():
            key_values(_on_gpu(name, placement), terminal)
    for warning in done.narrowing.warnings if done.narrowing else ():
        print_line(terminal, f"Warning: {warning}", "yellow")


_LISTED = "all in assets.extra/signatures.json"
"""Where the whole of a list is that is shown in part."""


def _on_some_gpu(placements: Mapping[str, Placement]) -> str:
    """Returns one line on what a GPU server would do, for whoever may have none."""
    parts = [f"{name} {one.on_device} nodes, {len(one.between)} copies to wait for" for name, one in placements.items()]
    return f"{'; '.join(parts)}; more in assets.extra/placement.json"


def _on_gpu(signature: str, placement: Placement) -> dict[str, str]:
    """Returns three lines on what a GPU server would do: where nodes run, what is copied, what the GPU waits for."""
    waits = quoted(placement.between, limit=3) if placement.between else "nothing between the first copy and the last"
    return {
        f"GPU, {signature}": f"{placement.on_device} nodes run on a GPU, {len(placement.on_host)} beside it on the "
        f"host, {len(placement.without_kernel)} have no kernel; {placement.pinned} are pinned to the CPU",
        "copies": f"{len(placement.up)} tensors up, {len(placement.down)} down, {len(placement.between)} between",
        "waits for": waits,
    }


def _inputs(done: Export) -> str:
    """Returns names and types: `city string, tags string [rows, values], age float32`, and the fields of a line."""
    if done.line:
        said = f"lines of {folded(done.line['fields'], _LISTED)} with {done.line['separator']!r} between them"
        return f"{', '.join(done.inputs)} string, {said}{_fixed(done)}"
    shown = [
        f"{name} {kind}{'' if name not in done.padding else ' [rows, values]'}" for name, kind in done.inputs.items()
    ]
    return folded(shown, _LISTED) + _fixed(done)


def _also(done: Export) -> str:
    return ", ".join(f"{name}, {path}" for name, path in done.formats.items())


def _constants(done: Export) -> str:
    return folded([f"{name} = {json.dumps(value, ensure_ascii=False)}" for name, value in done.constants.items()])


def _fixed(done: Export) -> str:
    num_rows = next(iter(done.shapes.values()))[0]
    return "" if num_rows is None else f"; {num_rows} rows in each request"


def _instead_of_missing(done: Export) -> str:
    """Returns what a client sends where a value is missing: `"" for user, city; 3 for level; NaN or 9.0 for price`."""
    if done.line:
        return "nothing between two separators"
    names: dict[str, list[str]] = {}
    for name, value in done.missing.items():
        has_default = done.inputs[name].startswith("float") and value != 0
        names.setdefault(f"NaN or {value}" if has_default else json.dumps(value), []).append(name)
    for name, padding in done.padding.items():
        names.setdefault(f"{'NaN' if padding is None else json.dumps(padding)}, as behind the last value,", []).append(
            name
        )
    return "; ".join(f"{value} for {folded(inputs)}" for value, inputs in names.items())
