"""What an export is, as a person sees it: where it lies, what it takes and gives, and how it was checked."""

import json
from collections.abc import Mapping

import tensorflow as tf
from rich.console import Console as Terminal

from easymtl.errors import quoted
from easymtl.reporting.formats import folded
from easymtl.reporting.narrowing import narrowing_lines
from easymtl.reporting.outcomes import Exported
from easymtl.reporting.output import current
from easymtl.reporting.tables import key_values
from easymtl.reporting.terminal import print_line
from easymtl.serving.delta_export import DeltaExport
from easymtl.serving.exported import Export
from easymtl.serving.placement import Placement

_LISTED = "all in assets.extra/signatures.json"
"""Where the whole of a list is that is shown in part."""


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
