"""What a perfect model would score: metrics of the `true_<label>` columns of a synthetic file."""

import numpy as np
import pyarrow as pa

from easymtl.synth.data_set import TRUTH_PREFIX


def best_reachable(table: pa.Table) -> dict[str, float]:
    """Computes the metrics of the true means on the rows of a table, by the names evaluation gives them.

    A label of zeros and ones has `auc_<label>`, any other has `mean_squared_error_<label>`, over all rows. A label
    with a parent (known from the file) has also `..._<label>_given_<parent>`, over the rows where the parent
    happened, of its true mean there: true_<label> / true_<parent>. A metric without two classes or rows is left out.

    Args:
        table: labels and their `true_<label>` columns, as `easymtl.synth.write` made them.
    """
    metrics: dict[str, float] = {}
    for field in table.schema:
        if TRUTH_PREFIX + field.name not in table.schema.names:
            continue
        label, truth = _numbers(table, field.name), _numbers(table, TRUTH_PREFIX + field.name)
        metric = "auc" if pa.types.is_integer(field.type) and label.max(initial=0) <= 1 else "mean_squared_error"
        _add(metrics, f"{metric}_{field.name}", label, truth)
        parent = (field.metadata or {}).get(b"parent", b"").decode()
        if parent:
            inside = _numbers(table, parent) > 0
            given = truth[inside] / _numbers(table, TRUTH_PREFIX + parent)[inside]
            _add(metrics, f"{metric}_{field.name}_given_{parent}", label[inside], given)
    return metrics


def _numbers(table: pa.Table, name: str) -> np.ndarray:
    return table[name].to_numpy().astype(np.float64)


def _add(metrics: dict[str, float], name: str, label: np.ndarray, truth: np.ndarray) -> None:
    from sklearn.metrics import roc_auc_score

    if name.startswith("auc") and len(np.unique(label)) == 2:
        metrics[name] = float(roc_auc_score(label, truth))
    elif not name.startswith("auc") and len(label):
        metrics[name] = float(np.mean((label - truth) ** 2))
