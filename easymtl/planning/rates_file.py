"""Where measured rates are kept, with what they are of: a file of JSON, in the cache of the user unless named."""

import hashlib
import json
import os
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path

from easymtl.checkpoints.publishing import reason, write_text
from easymtl.config.user_cache import user_cache
from easymtl.errors import UserError
from easymtl.planning.rates import Rates, rates_of
from easymtl.protos.pipeline_pb2 import Pipeline

_FORMAT = 1
_MOST_BYTES = 1 << 16
_OF_STEP = (
    "optimizer_config",
    "mixed_precision",
    "task_balancing",
    "log_gradient_conflict_every",
    "inter_op_parallelism_threads",
    "intra_op_parallelism_threads",
)
"""Fields of `train_config` that decide how long a step takes."""


@dataclass(frozen=True)
class Measured:
    """Rates that were measured.

    Attributes:
        rates: what came out.
        device: that has computed, as `--device` calls it.
        date: when, such as `2026-11-27 20:10`.
        machine: of what processor, with how many cores, and how busy.
        digest: of what of the config decides them, see `digest_of`.
    """

    rates: Rates
    device: str
    date: str
    machine: str
    digest: str

    @property
    def source(self) -> str:
        """Returns where the rates are from, in words."""
        return f"measured {self.date} on {self.machine}"


def digest_of(pipeline: Pipeline) -> str:
    """Returns a digest of all that decides how long a step takes: model, features, batches, optimizers and threads."""
    kept = Pipeline()
    kept.CopyFrom(pipeline)
    for place in ("model_dir", "train_input_path", "eval_input_path", "eval_config", "export_config"):
        kept.ClearField(place)
    for field, _ in pipeline.train_config.ListFields():
        if field.name not in _OF_STEP:
            kept.train_config.ClearField(field.name)
    kept.data_config.ClearField("num_epochs")
    return hashlib.sha256(kept.SerializeToString(deterministic=True)).hexdigest()[:16]


def cache_path(pipeline: Pipeline, environ: Mapping[str, str] = os.environ) -> Path:
    """Returns the file of a config in the cache of the user."""
    return user_cache(environ) / "plan" / f"{digest_of(pipeline)}.json"


def write_measured(path: Path, measured: Measured) -> None:
    """Writes a file, whole or not at all.

    Raises:
        UserError: it cannot be written.
    """
    record = {"format": _FORMAT, **asdict(measured)}
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        write_text(path, json.dumps(record, indent=1) + "\n")
    except OSError as error:
        raise UserError(f"{path}: cannot be written: {reason(error)}. Name another file: --rates FILE.") from None


def read_measured(path: Path, pipeline: Pipeline) -> Measured:
    """Returns what a file has.

    Raises:
        UserError: it cannot be read, is none, or is of another config.
    """
    again = "Measure again: easymtl plan CONFIG --measure."
    try:
        with path.open(encoding="utf-8") as file:
            text = file.read(_MOST_BYTES)
    except (OSError, UnicodeDecodeError) as error:
        what = reason(error) if isinstance(error, OSError) else "it is no text"
        raise UserError(f"{path}: cannot be read: {what}. {again}") from None
    try:
        measured = _measured(json.loads(text))
    except (ValueError, RecursionError) as error:
        said = "it is no JSON" if isinstance(error, (json.JSONDecodeError, RecursionError)) else str(error)
        raise UserError(f"{path}: are no rates as plan --measure writes them: {said}. {again}") from None
    if measured.digest != digest_of(pipeline):
        raise UserError(
            f"{path}: was measured with another config: model, features, batch size, optimizers, balancing or threads "
            f"are others. {again}"
        )
    return measured


def _measured(record: object) -> Measured:
    if not isinstance(record, dict) or record.get("format") != _FORMAT:
        raise ValueError(f'there is no "format": {_FORMAT}')
    texts = {name: record.get(name) for name in ("device", "date", "machine", "digest")}
    for name, text in texts.items():
        if not isinstance(text, str) or not text.isprintable():
            raise ValueError(f'"{name}" is no line of text')
    rates = record.get("rates")
    if not isinstance(rates, dict):
        raise ValueError('"rates" is no object')
    return Measured(rates_of(rates), **texts)  # type: ignore[arg-type]
