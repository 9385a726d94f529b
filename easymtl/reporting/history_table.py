"""The history of a training as a table: one row for each step of which something is known."""

from collections.abc import Iterable, Mapping
from typing import Any

import pyarrow as pa

_OF_TRAINING = ("progress", "summary")


def history_table(records: Iterable[Mapping[str, Any]]) -> pa.Table:
    """Returns what `read_history` gives as columns, the steps in ascending order.

    The columns are `step` (int64) and, in float64, where there is something of the kind: `train_<loss>`, the losses of
    the batch of that step, by name, `train_loss` their sum; `eval_<metric>` with the metrics and losses of an
    evaluation behind that step; `learning_rate_embedding`, `learning_rate_dense`; `examples_per_second` and
    `wait_share`; `weight_<task>` of balanced tasks; `gradient_cosine_<task>/<task>`; and `gate_<gate>:<expert>`, the
    mean weights of experts. What is not known of a step, or was not finite, is null. Of two records of a step the later
    one counts.

        table = history_table(read_history("model_dir"))
        table.to_pandas().plot(x="step", y=["train_loss", "eval_loss"])

    Args:
        records: as `event_record` makes them; those of other kinds, or without a step, are left out.
    """
    rows: dict[int, dict[str, float | None]] = {}
    for record in records:
        values, step = _values(record), record.get("step")
        if values and isinstance(step, int):
            rows.setdefault(step, {}).update(values)
    steps = sorted(rows)
    names = dict.fromkeys(name for step in steps for name in rows[step])
    columns = {name: pa.array([rows[step].get(name) for step in steps], pa.float64()) for name in names}
    return pa.table({"step": pa.array(steps, pa.int64()), **columns})


def _values(record: Mapping[str, Any]) -> dict[str, float | None]:
    """Returns what a record adds to the row of its step, by the name of the column."""
    kind = record["event"]
    if kind in _OF_TRAINING:
        values = _named("train", record.get("losses", {})) | _named("weight", record.get("weights", {}))
        values |= dict(zip(("learning_rate_embedding", "learning_rate_dense"), record.get("learning_rates", ())))
        return values | {name: record[name] for name in ("examples_per_second", "wait_share") if name in record}
    if kind == "evaluated":
        return _named("eval", record.get("metrics", {}))
    if kind == "gradient_conflict":
        return _named("gradient_cosine", record.get("cosines", {}))
    if kind == "gates":
        return {
            f"gate_{gate}:{expert}": weight
            for gate, weights in record.get("weights", {}).items()
            for expert, weight in weights.items()
        }
    return {}


def _named(prefix: str, values: Mapping[str, float | None]) -> dict[str, float | None]:
    return {f"{prefix}_{name}": value for name, value in values.items()}
