"""`model_card.md`: what a model is, what it was made from, how good it is, how it is called, where its limits are."""

import datetime
import hashlib
import math
import platform
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import tensorflow as tf
from google.protobuf import text_format

import easymtl
from easymtl.config import view
from easymtl.protos.pipeline_pb2 import Pipeline
from easymtl.serving.parity import Parity
from easymtl.serving.request_example import curl_line, grpc_lines
from easymtl.serving.warmup_file import FILE as WARMUP

FILE = "model_card.md"
_MOST_FILES = 20
_PIECE = 1 << 20


def model_card(
    pipeline: Pipeline,
    folder: Path,
    state: Mapping[str, Any],
    facts: Mapping[str, Any],
    parity: Parity | None,
) -> str:
    """Returns the text.

    Args:
        pipeline: the config.
        folder: of the SavedModel, whose files it gives checksums of.
        state: of the checkpoint: metrics and data.
        facts: what `assets.extra/easymtl.json` holds.
        parity: how it was compared with the checkpoint.
    """
    name = facts["name"]
    parts = [
        f"# {name}",
        f"{view.model_title(pipeline)} with {len(view.task_towers(pipeline))} tasks, after {facts['step']:,} steps of "
        f"training; exported on {datetime.datetime.now(datetime.timezone.utc):%Y-%m-%d %H:%M} UTC.",
        "## What it predicts",
        _table(("task", "label", "outputs"), _tasks(pipeline, facts["outputs"])),
        *(_formulas(pipeline) if pipeline.export_config.final_score else ()),
        "## How good it is",
        _metrics(pipeline, state, facts["step"]),
        *_narrowing(facts),
        "## What it was made from",
        _data(pipeline, state),
        "## What it takes",
        _table(("input", "type", "shape", "where a value is missing"), _inputs(facts)),
        *_constants(facts["constants"]),
        "## How it is called",
        f"`models.config` and `batching.config` are for TensorFlow Serving, and `{WARMUP}` warms it up. "
        "From the folder of this file:",
        f"```bash\n{curl_line(name)}\n```",
        "By gRPC, with the package `tensorflow-serving-api`:",
        f"```python\n{grpc_lines(name, facts['inputs'])}```",
        "## Limits",
        "\n".join(f"- {limit}" for limit in _limits(pipeline, facts, parity)),
        "## Versions and checksums",
        f"easymtl {easymtl.__version__}, TensorFlow {tf.__version__}, Python {platform.python_version()}; checkpoint "
        f"`{facts['checkpoint']}`.",
        _table(("file", "bytes", "SHA-256"), _checksums(folder)),
        "## Config",
        f"```\n{text_format.MessageToString(pipeline, as_utf8=True)}```",
    ]
    return "\n\n".join(parts) + "\n"


def _table(header: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    lines = [header, ["---"] * len(header), *rows]
    return "\n".join(f"| {' | '.join(str(cell).replace('|', chr(92) + '|') for cell in line)} |" for line in lines)


def _tasks(pipeline: Pipeline, outputs: Sequence[str]) -> Iterator[tuple[str, str, str]]:
    results, parents = view.result_names(pipeline), view.parents(pipeline)
    for index, tower in enumerate(view.task_towers(pipeline)):
        task = tower.tower_name
        names = [*results[task], task]
        own = [name for name in outputs if any(name == f"{kind}_{one}" for kind in _KINDS for one in names)]
        label = view.label_name(pipeline, index)
        yield task, f"{label}, where {parents[task]} happened" if task in parents else label, ", ".join(own)


_KINDS = ("probs", "logits", "pos_logits", "y")


def _formulas(pipeline: Pipeline) -> list[str]:
    rows = ((score.name, f"`{score.expression}`") for score in pipeline.export_config.final_score)
    return ["Made of these:", _table(("output", "formula"), rows)]


def _metrics(pipeline: Pipeline, state: Mapping[str, Any], step: int) -> str:
    metrics, paths = state.get("metrics") or {}, view.eval_input(pipeline)
    if not metrics or state.get("evaluated_step") != step:
        return "It was not evaluated at this step: `easymtl eval` does it."
    known = {name: math.nan if value is None else value for name, value in metrics.items()}
    rows = ((name, "not defined" if math.isnan(value) else f"{value:.6g}") for name, value in known.items())
    return f"On the evaluation data, `{paths}`:\n\n{_table(('metric', 'value'), rows)}"


def _narrowing(facts: Mapping[str, Any]) -> list[str]:
    """Returns what fewer bytes than those of float32 have changed; nothing where there are no fewer."""
    found, sizes = facts["narrowing"], facts["bytes"]
    if found is None:
        return []
    said = (
        f"Products are computed in {facts['precision']}, and rows of tables stored in {facts['row_precision']}. Tables "
        f"have {sizes['tables']:,} bytes ({sizes['tables_in_float32']:,} in float32), the network {sizes['network']:,} "
        f"({sizes['network_in_float32']:,})."
    )
    if not found["rows"]:
        return ["## What fewer bytes change", f"{said} What that changes was not measured: there were no data."]
    pairs = ((name, value, found["after"][name]) for name, value in found["before"].items())
    metrics = (
        (name, "not defined", "", "")
        if before is None or after is None
        else (name, f"{before:.6g}", f"{after:.6g}", f"{after - before:+.1e}")
        for name, before, after in pairs
    )
    scores = ((name, f"{change:.1e}") for name, change in found["score_changes"].items())
    return [
        "## What fewer bytes change",
        f"{said} On {found['rows']:,} rows of the {found['data']} data:",
        _table(("metric", "float32", "as exported", "change"), metrics),
        _table(("score", "largest change"), scores),
    ]


def _data(pipeline: Pipeline, state: Mapping[str, Any]) -> str:
    files = state.get("data", {}).get("files", [])
    size = sum(entry[1] for entry in files)
    number = "1 file" if len(files) == 1 else f"{len(files)} files"
    text = f"Training data: `{view.train_input(pipeline)}`, {number} of {size:,} bytes."
    shown = [(entry[0], f"{entry[1]:,}", entry[2]) for entry in files[:_MOST_FILES]]
    more = f"\n\nand {len(files) - _MOST_FILES} more." if len(files) > _MOST_FILES else ""
    table = _table(("file", "bytes", "digest of its first and last bytes"), shown)
    return f"{text}\n\n{table}{more}" if files else text


def _inputs(facts: Mapping[str, Any]) -> Iterator[tuple[str, ...]]:
    for name, kind in facts["inputs"].items():
        sizes = ["any" if size is None else str(size) for size in facts["shapes"][name]]
        if facts["line"]:
            absent = f"nothing between two {facts['line']['separator']!r}"
        elif name in facts["padding"]:
            absent = f"padded with {'NaN' if facts['padding'][name] is None else repr(facts['padding'][name])}"
        else:
            absent = repr(facts["missing"][name])
        yield name, kind, f"[{', '.join(sizes)}]", absent


def _constants(constants: Mapping[str, Any]) -> list[str]:
    if not constants:
        return []
    values = ", ".join(f"{name} = {value!r}" for name, value in constants.items())
    return [f"No inputs, as they are known in training only: {values}, for all rows."]


def _limits(pipeline: Pipeline, facts: Mapping[str, Any], parity: Parity | None) -> Iterator[str]:
    if parity is None:
        yield "It was not compared with its checkpoint: there were no data."
    else:
        yield (
            f"Its scores were compared with those of its checkpoint on {parity.num_rows:,} rows; the largest "
            f"difference was {parity.largest_difference:.1e}, and {parity.tolerance:.1e} was allowed, next to 1 or the "
            "largest score of the output."
        )
    yield "The metrics are of the evaluation data above, and say nothing of other days, places or kinds of users."
    yield (
        "Values that training has not seen share rows of tables with others where they are hashed; where there is a "
        "vocabulary or a number of buckets, they take row 0."
    )
    if facts["constants"]:
        yield "It is judged with the constants above: with the columns of the data, metrics would be others."
    if pipeline.export_config.final_score:
        yield "A formula is NaN where it has no value, as the log of a negative number has none."
    (num_rows, *_) = next(iter(facts["shapes"].values()))
    if num_rows is not None:
        yield f"Each request has {num_rows} rows."
    yield f"It computes in {facts['precision']}, with rows of tables in {facts['row_precision']}."


def _checksums(folder: Path) -> Iterator[tuple[str, str, str]]:
    for path in sorted(folder.rglob("*")):
        if path.is_file():
            yield str(path.relative_to(folder)), f"{path.stat().st_size:,}", _digest(path)


def _digest(path: Path) -> str:
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while piece := file.read(_PIECE):
            digest.update(piece)
    return digest.hexdigest()
