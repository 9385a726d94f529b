"""The rows of a workload as arrays, for libraries that are handed ids: `data.npz` and `network.json` in a folder.

Each id feature becomes a column of whole numbers from 1, 0 for a missing value; each tag list a padded matrix of such
numbers; each plain number a float32 column. `labels` is `[n, 2]`.
"""

import json
from pathlib import Path

import numpy as np

from benchmarks.workloads import Workload
from easymtl.config import Config
from easymtl.data.rows import Ragged, Rows
from easymtl.features.kinds import BagColumns, DenseColumns, IdColumns
from easymtl.tasks.ranker import Ranker
from easymtl.training.inputs import TrainingInput

_KINDS = {IdColumns: "id", BagColumns: "bag", DenseColumns: "dense"}
_MOST_TAGS = 16
_NUM_BATCHES = 16
_WARM_UP = 2
_LEAST_STEPS = 4


def write_arrays(workload: Workload, config: Config, folder: Path) -> None:
    """Writes the arrays of the first batches of a workload, and the network in the words of benchmarks/peers.

    Args:
        workload: the network.
        config: its config, with the data that is read.
        folder: what is written to.
    """
    pipeline = config.pipeline
    ranker = Ranker(pipeline)
    with TrainingInput(pipeline, ranker, None).feed as feed:
        rows = Rows.concat([batch.rows for batch, _ in zip(feed, range(_NUM_BATCHES))])
    arrays, features = {}, []
    for slot in ranker.feature_set.slots:
        kind, name = _KINDS[type(slot.columns)], slot.feature
        arrays[name] = _dense(rows, slot) if kind == "dense" else _ids(rows, slot)
        rows_of_table = slot.table.rows if slot.table else 0
        features.append({"name": name, "kind": kind, "rows": rows_of_table, "width": slot.width})
    arrays["labels"] = np.nan_to_num(np.asarray(rows["numbers"])[:, :2])
    np.savez(folder / "data.npz", **arrays)
    network = {**(workload.peer or {}), "features": features, "batch_size": pipeline.data_config.batch_size}
    network |= {"warm_up": _WARM_UP, "least_steps": _LEAST_STEPS}
    (folder / "network.json").write_text(json.dumps(network), encoding="utf-8")


def _dense(rows: Rows, slot) -> np.ndarray:
    return np.ascontiguousarray(np.asarray(rows["dense"])[:, slot.index])


def _ids(rows: Rows, slot) -> np.ndarray:
    if isinstance(slot.columns, IdColumns):
        return _local(np.asarray(rows[f"ids_{slot.width}"])[:, slot.index], slot)
    bags = rows[f"bags_{slot.width}"]
    assert isinstance(bags, Ragged)
    lengths = bags.lengths.reshape(-1)
    starts = np.concatenate([[0], np.cumsum(lengths)[:-1]]).reshape(bags.lengths.shape)[:, slot.index]
    counts = np.minimum(bags.lengths[:, slot.index], _MOST_TAGS)
    places = np.arange(counts.max(initial=1))
    inside = places < counts[:, None]
    positions = np.where(inside, starts[:, None] + places, 0)
    return np.where(inside, _local(bags.values[positions], slot), 0).astype(np.int64)


def _local(ids: np.ndarray, slot) -> np.ndarray:
    """Returns row numbers of the table, from 1; 0 for none."""
    return np.where(ids < 0, 0, ids.astype(np.int64) - slot.table.offset + 1)
