"""SavedModels of a few rows, made in a moment, and deltas between them as `easymtl export --since` writes them."""

import json
import shutil
from pathlib import Path

import numpy as np
import tensorflow as tf

from easymtl.serving.delta_base import Base
from easymtl.serving.delta_folders import version_of
from easymtl.serving.delta_joining import chain_of, join
from easymtl.serving.delta_writer import DeltaWriter, Places
from easymtl.serving.signatures import Signature, save

KERNEL = np.linspace(0, 0.01, 600, dtype=np.float32)


class Tables(tf.Module):
    """Variables under the names that an export has."""

    def __init__(self, tables):
        super().__init__()
        self._tables = tf.Module()
        self._tables.variables_by_width = {name: tf.Variable(value) for name, value in tables.items()}


def write_version(folder: Path, tables, kernel=KERNEL, step=1, output="score", assets=()) -> Path:
    """Writes a SavedModel whose score is a row of the first table times a kernel, which is a constant."""
    model = Tables(tables)
    first = next(iter(model._tables.variables_by_width.values()))

    def serve(request):
        weights = tf.constant(kernel)
        vectors = tf.cast(tf.gather(first, request["id"]), tf.float32)
        return {output: tf.reduce_sum(vectors, axis=1) * tf.reduce_sum(weights)}

    save(model, folder, {"serving_default": Signature(serve, {"id": tf.TensorSpec([None], tf.int64)})})
    for name, text in {
        "assets.extra/easymtl.json": json.dumps({"step": step, "name": "small"}),
        **dict(assets),
    }.items():
        (folder / name).parent.mkdir(exist_ok=True)
        (folder / name).write_text(text)
    return folder


def write_delta(base: Path, new: Path, final: Path, step: int = 2, is_checkpoint: bool = False) -> Path:
    """Writes what has changed between two versions, of which the first may be a delta itself."""
    work = final.with_name("work")
    work.mkdir()
    places = Places(final, *(work / name for name in ("draft", "whole", "joined", "base")))
    rows = base
    if base.name.endswith(".delta"):
        join(chain_of(base), places.base)
        rows = places.base
    shutil.copytree(new, places.whole)
    named = Base("a", None, 1) if is_checkpoint else Base("a", version_of(base), 1, path=base)
    writer = DeltaWriter(named, rows, version_of(final), step, places)
    writer.join_changes(places.whole)
    writer.seal()
    places.draft.rename(final)
    shutil.rmtree(work)
    return final


def files_of(folder: Path) -> dict[str, bytes]:
    """Returns all files of a folder."""
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def size_of(folder: Path) -> int:
    """Returns the bytes of all files of a folder."""
    return sum(map(len, files_of(folder).values()))
