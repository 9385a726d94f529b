"""The scores of a SavedModel, computed in this process."""

import tempfile
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import pyarrow as pa
import tensorflow as tf
from tensorflow.core.protobuf import saved_model_pb2

from easymtl.serving.parity import of_signature, requests_of
from easymtl.serving.reload import answers, opened


def score_here(
    folder: Path, columns: Mapping[str, pa.Array], examples: pa.Array | None = None, num_users: int = 0, process=None
) -> dict[str, np.ndarray]:
    """Returns what `easymtl.serving.parity.score_apart` does, without another process.

    The graph is run as it was written: to optimise it for a few rows takes longer than all else.
    """
    tables = {name: pa.table(dict(inputs)) for name, inputs in requests_of(columns, examples, num_users).items()}
    with tempfile.TemporaryDirectory() as beside:
        _write_without_optimizers(Path(folder), Path(beside))
        with tf.Graph().as_default(), tf.compat.v1.Session(config=_without_optimizers()) as session:
            found = answers(*opened(beside, session), tables)
    return {of_signature(one, name): value for one, scores in found.items() for name, value in scores.items()}


def _without_optimizers() -> tf.compat.v1.ConfigProto:
    config = tf.compat.v1.ConfigProto()
    config.graph_options.rewrite_options.disable_meta_optimizer = True
    config.graph_options.optimizer_options.opt_level = tf.compat.v1.OptimizerOptions.L0
    return config


def _write_without_optimizers(folder: Path, target: Path) -> None:
    """Writes a SavedModel whose calls of functions do not ask for optimisation, with links to what else it has."""
    for path in folder.resolve().iterdir():
        if path.name != "saved_model.pb":
            (target / path.name).symlink_to(path)
    saved = saved_model_pb2.SavedModel.FromString((folder / "saved_model.pb").read_bytes())
    graph = saved.meta_graphs[0].graph_def
    plain = _without_optimizers().SerializeToString()
    for nodes in (graph.node, *(function.node_def for function in graph.library.function)):
        for node in nodes:
            if "config_proto" in node.attr:
                node.attr["config_proto"].s = plain
    (target / "saved_model.pb").write_bytes(saved.SerializeToString())
