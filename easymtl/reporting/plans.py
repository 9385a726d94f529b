"""A plan, for people."""

from collections.abc import Mapping, Sequence
from typing import Any

from rich.console import Console

from easymtl.reporting.formats import bytes_text, number_text, percent_text
from easymtl.reporting.outcomes_around import Planned
from easymtl.reporting.tables import print_table
from easymtl.reporting.terminal import print_line

_PARTS = ("tables", "slots", "averages", "gradients", "dense", "looked_up", "window", "ids")
# Only growing tables have ids, and only tables beside a device have rows that come to it.
_SELDOM = ("ids", "looked_up")
_MILLI = 1e3


def print_plan(planned: Planned, terminal: Console) -> None:
    """Prints the model, the memory of a worker by layout, and how the training scales."""
    tables = ", ".join(f"{rows:,} x {width}" for width, rows in planned.rows_by_width.items()) or "none"
    print_line(terminal, f"{planned.config}: {planned.dense:,} dense weights; rows of tables: {tables}")
    touched = ", ".join(f"{rows:,.0f} x {width}" for width, rows in planned.distinct_by_width.items()) or "none"
    print_line(terminal, f"A batch of {planned.batch_size:,} touches the rows {touched} ({planned.distinct_source}).")
    print_line(terminal, f"Rates of {planned.device}: {planned.rates_source}")
    print_line(terminal, "")
    print_line(terminal, f"A worker of {planned.workers:,}", "bold")
    layouts: Sequence[Mapping[str, Any]] = planned.layouts
    first = layouts[0]["memory"]
    parts = [name for name in _PARTS if name not in _SELDOM or first[name]]
    sums = ["of_device", "of_host"] if first["are_tables_on_host"] else ["total"]
    headers = ["tables", *(name.replace("_", " ") for name in [*parts, *sums]), "fits", "sent per step"]
    headers = ["in all" if header == "total" else header for header in headers]
    print_table(terminal, headers, [_layout_row(layout, [*parts, *sums]) for layout in layouts])
    print_line(terminal, "")
    headers = ["workers", "tables", "memory", "sent per step", "step", "waits for", "examples/s", "efficiency"]
    print_table(terminal, headers, [_scale_row(scale) for scale in planned.scaling])
    print_line(terminal, "")
    print_line(terminal, planned.verdict, "" if planned.fits else "red")


def _layout_row(layout: Mapping[str, Any], parts: Sequence[str]) -> list[str]:
    memory = layout["memory"]
    sizes = [bytes_text(memory[name]) for name in parts]
    return [layout["layout"], *sizes, _yes(layout["fits"]), bytes_text(round(layout["sent"]["total"]))]


def _scale_row(scale: Mapping[str, Any]) -> list[str]:
    return [
        f"{scale['workers']:,}",
        scale["layout"] if scale["fits"] else f"{scale['layout']}, does not fit",
        bytes_text(scale["memory"]["total"]),
        bytes_text(round(scale["sent"]["total"])),
        f"{number_text(scale['seconds'] * _MILLI)} ms",
        scale["limit"],
        f"{scale['examples_per_second']:,.0f}",
        percent_text(scale["efficiency"]),
    ]


def _yes(is_so: bool) -> str:
    return "yes" if is_so else "no"
