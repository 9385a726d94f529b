"""What an export in fewer bytes than float32 has saved and changed, as a person sees it."""

import math

from easymtl.reporting.formats import bytes_text, number_text
from easymtl.serving.exported import Export
from easymtl.serving.narrowing import NUM_ROWS, Narrowing


def narrowing_lines(done: Export) -> dict[str, str]:
    """Returns lines by their title; none of an export in float32."""
    if done.narrowing is None:
        return {}
    products, rows = done.precision.names
    sizes = done.sizes
    return {
        "precision": f"products {products}, rows {rows}",
        "bytes": f"tables {bytes_text(sizes.tables)} ({bytes_text(sizes.tables_in_float32)} in float32), network "
        f"{bytes_text(sizes.network)} ({bytes_text(sizes.network_in_float32)})",
        **_changes(done.narrowing),
    }


def _changes(found: Narrowing) -> dict[str, str]:
    if not found.num_rows:
        return {"metrics": "not measured: there are no data, so nobody knows what these bytes cost"}
    first = "the first " if found.num_rows >= NUM_ROWS else ""
    metrics = [
        f"{name} {number_text(value)} ({found.after[name] - value:+.1e})"
        if math.isfinite(value)
        else f"{name} is not defined"
        for name, value in found.before.items()
    ]
    scores = [f"{name} {change:.1e}" for name, change in found.score_changes.items()]
    return {
        "metrics": f"{', '.join(metrics)}: in float32, and the change, on {first}{found.num_rows:,} rows of the "
        f"{found.data} data",
        "scores change": f"by up to: {', '.join(scores)}",
    }
