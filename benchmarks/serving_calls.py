"""Calls a SavedModel as a server would and says how long it took; run as a program of its own, without easymtl.

    python serving_calls.py REQUEST.json

The request names the `export`, the `parts` that `benchmarks.latency` saved beside it, a Parquet file of `rows`, the
threads between (`inter`) and within operations (`intra`), and the `calls` of each batch size. Prints seconds as JSON.
"""

import json
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

import pyarrow.parquet as pq
import tensorflow as tf

WARM_UP = 30
Columns = dict[str, list]


def main() -> None:
    """Measures and prints, for each batch size, the seconds that passed and the processor's, by kind of call."""
    request = json.loads(Path(sys.argv[1]).read_text(encoding="utf-8"))
    tf.config.threading.set_inter_op_parallelism_threads(request["inter"])
    tf.config.threading.set_intra_op_parallelism_threads(request["intra"])
    # The signatures hold their variables weakly: the models have to stay.
    export, parts = (tf.saved_model.load(request[name]) for name in ("export", "parts"))
    serve = export.signatures["serving_default"]
    columns = pq.read_table(request["rows"]).to_pydict()
    found = {
        batch: measure(serve, parts.signatures, list(batches(columns, int(batch), number + WARM_UP)))
        for batch, number in request["calls"].items()
    }
    assert "easymtl" not in sys.modules, "a server has no easymtl"
    print(json.dumps(found))


def batches(columns: Columns, size: int, number: int) -> Iterator[Columns]:
    """Yields `number` requests of `size` rows, other rows each time until they have all been used."""
    num_rows = len(next(iter(columns.values())))
    for index in range(number):
        begin = index * size % (num_rows - size + 1)
        yield {name: values[begin : begin + size] for name, values in columns.items()}


def measure(serve: Callable, parts: Mapping[str, Callable], requests: list[Columns]) -> dict[str, list]:
    """Returns (seconds, processor seconds) of each call after the warm-up, by kind; the kinds take turns."""
    rounds = [call_each_kind(serve, parts, request) for request in requests][WARM_UP:]
    return {kind: [seconds[kind] for seconds in rounds] for kind in rounds[0]}


def call_each_kind(serve: Callable, parts: Mapping[str, Callable], request: Columns) -> dict[str, tuple[float, float]]:
    """Returns (seconds, processor seconds) of a call of each kind, see `benchmarks.latency`."""
    # The keyword of an input is not always its name; the spec's name is.
    specs = serve.structured_input_signature[1]
    raw, conversion = timed(
        lambda: {keyword: tf.constant(request[spec.name], spec.dtype) for keyword, spec in specs.items()}
    )
    packed = parts["transform"](**raw)
    return {
        "raw columns": timed(lambda: scores(serve, raw))[1],
        "packed": timed(lambda: scores(parts["packed"], packed))[1],
        "nothing": timed(lambda: scores(parts["nothing"], raw))[1],
        "conversion": conversion,
    }


def scores(function: Callable, tensors: Mapping[str, tf.Tensor]) -> list:
    """Returns all outputs as arrays."""
    return [output.numpy() for output in function(**tensors).values()]


def timed(work: Callable) -> tuple[object, tuple[float, float]]:
    """Returns what `work` returns, and the seconds and processor seconds that it took."""
    begin, processor = time.perf_counter(), time.process_time()
    result = work()
    return result, (time.perf_counter() - begin, time.process_time() - processor)


if __name__ == "__main__":
    main()
