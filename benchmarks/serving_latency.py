"""What a request costs: batches of 1, 128 and 1,024 rows, as text and packed, by TensorFlow and by onnxruntime.

    python -m benchmarks.serving_latency [NAME ...] [--calls 300]

Each sample config trains for some steps and is exported. A process of its own runs the SavedModel in a session, as
servers do, and the ONNX file of the export if `easymtl[onnx]` is installed; each has one thread.
The kinds of call take turns, with other rows each time:

    serving_default   raw columns to scores
    encode            raw columns to packed tensors
    encoded           packed tensors to scores
    onnxruntime       the same

Figures are medians of the processor's time in a call, over all threads, which a busy machine disturbs least; ratios
are of medians of one run.
"""

import argparse
import json
import multiprocessing
import os
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.latency import BATCHES, Latency, latency
from benchmarks.sample_data import sample_name
from benchmarks.serving_exports import SampleExport, sample_exports

RESULTS = Path(__file__).parent / "results" / "serving_latency.json"
CONFIGS = ("dbmtl_on_livestream", "mmoe_on_census")
TEXT, ENCODE, PACKED, ONNX = "serving_default", "encode", "encoded", "onnxruntime"
_WARM_UP = 10
_LEAST_CALLS = 20
# Of the calls of one row, by batch size; and how many different requests there are.
_SHARES = (1.0, 0.3, 0.1)
_REQUESTS = 50
_ONE_THREAD = ("TF_NUM_INTRAOP_THREADS", "TF_NUM_INTEROP_THREADS", "OMP_NUM_THREADS")

Kinds = Mapping[str, Callable[[int], Any]]
Found = dict[str, dict[str, Latency]]


def main(arguments: Sequence[str] | None = None) -> None:
    """Measures, writes all of it as JSON, and prints a table in Markdown."""
    options = _options(arguments)
    found: dict[str, Found] = {}
    with tempfile.TemporaryDirectory() as folder:
        for name, made in sample_exports(options.names, Path(folder), with_onnx()):
            onnx = onnx_file(made.path)
            found[name] = in_one_thread(measure, made, onnx, options.calls)
    if not found:
        return
    document = {
        name: {batch: {kind: asdict(one) for kind, one in kinds.items()} for batch, kinds in batches.items()}
        for name, batches in found.items()
    }
    options.out.parent.mkdir(parents=True, exist_ok=True)
    options.out.write_text(json.dumps(document, indent=1) + "\n", encoding="utf-8")
    print(table(found))
    print(f"Written to {options.out}")


def in_one_thread(work: Callable, *arguments: Any) -> Any:
    """Returns what a function returns in a process of its own, in which TensorFlow has one thread."""
    before = {name: os.environ.get(name) for name in _ONE_THREAD}
    os.environ.update(dict.fromkeys(_ONE_THREAD, "1"))
    try:
        with multiprocessing.get_context("spawn").Pool(1) as pool:
            return pool.apply(work, arguments)
    finally:
        for name, value in before.items():
            os.environ.pop(name)
            os.environ.update({} if value is None else {name: value})


def with_onnx() -> list[str]:
    """Returns what makes an export write an ONNX file; nothing, with a reason that is printed, where it cannot."""
    from easymtl.serving.formats.packages import missing_packages

    asked = ["export_config.formats=[SAVED_MODEL, ONNX]"]
    absent = missing_packages("ONNX")
    if absent:
        print(f"onnxruntime is left out, as {', '.join(absent)} is not installed.", flush=True)
    return [] if absent else asked


def onnx_file(export: Path) -> Path | None:
    """Returns the ONNX file of an export, None if it has none."""
    own = export / "assets.extra" / "onnx" / "model.onnx"
    return own if own.exists() else None


def measure(made: SampleExport, onnx: Path | None, calls: int) -> Found:
    """Returns what calls took, by batch size and kind. For a process of its own.

    Args:
        made: the export and rows.
        onnx: its ONNX file; None for none.
        calls: of one row; larger batches have fewer.
    """
    from easymtl.api.tensorflow_start import start_tensorflow

    start_tensorflow()
    from easymtl.server.model import Model

    model = Model(made.path, 1)
    programs: dict[str, Callable] = {name: partial(model.run, model.signature(name)) for name in (TEXT, ENCODE, PACKED)}
    if onnx:
        programs[ONNX] = _onnx_call(onnx, list(model.signature(PACKED).outputs))
    found = {}
    for batch, share in zip(BATCHES, _SHARES):
        number = max(_LEAST_CALLS, round(calls * share))
        rows = [_rows(made, index * batch, batch) for index in range(min(number, _REQUESTS))]
        packed = [programs[ENCODE](one) for one in rows]
        if onnx:
            _require_equal(programs[ONNX](packed[0]), programs[PACKED](packed[0]))
        requests = {TEXT: rows, ENCODE: rows, PACKED: packed, ONNX: packed}
        kinds = {kind: partial(_call, program, requests[kind]) for kind, program in programs.items()}
        found[str(batch)] = {kind: latency(seconds, batch) for kind, seconds in in_turns(kinds, number).items()}
    return found


def _call(program: Callable, requests: Sequence[Any], index: int) -> None:
    program(requests[index % len(requests)])


def _rows(made: SampleExport, first: int, count: int) -> dict[str, np.ndarray]:
    """Returns rows as arrays, again from the first one behind the last."""
    import pyarrow as pa

    from easymtl.features.columns import tensor_of

    places = pa.array((first + np.arange(count)) % made.num_rows)
    return {name: tensor_of(column.take(places)).numpy() for name, column in made.sent.items()}


def _onnx_call(path: Path, outputs: Sequence[str]) -> Callable[[Mapping[str, np.ndarray]], dict[str, np.ndarray]]:
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    session = onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
    names = {one.name for one in session.get_inputs()}

    def call(packed: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
        return dict(zip(outputs, session.run(list(outputs), {name: packed[name] for name in packed if name in names})))

    return call


def _require_equal(found: Mapping[str, np.ndarray], wanted: Mapping[str, np.ndarray]) -> None:
    for name, values in wanted.items():
        np.testing.assert_allclose(found[name], values, rtol=1e-4, atol=1e-4, err_msg=f"{name} of onnxruntime")


def in_turns(kinds: Kinds, number: int, warm_up: int = _WARM_UP) -> dict[str, list[tuple[float, float]]]:
    """Returns (seconds, processor seconds) of each call after the warm-up, by kind; the kinds take turns."""
    found: dict[str, list[tuple[float, float]]] = {kind: [] for kind in kinds}
    for index in range(warm_up + number):
        for kind, call in kinds.items():
            begin, processor = time.perf_counter(), time.process_time()
            call(index)
            found[kind].append((time.perf_counter() - begin, time.process_time() - processor))
    return {kind: seconds[warm_up:] for kind, seconds in found.items()}


def table(found: Mapping[str, Found]) -> str:
    """Returns a table in Markdown of the processor's milliseconds, and of the two ratios that decide between them."""
    lines = [
        f"| | batch | `{TEXT}` | `{ENCODE}` | `{PACKED}` | `{PACKED}`, onnxruntime | "
        f"`{PACKED}` / `{TEXT}` | onnxruntime / TensorFlow |",
        "|---|---|---|---|---|---|---|---|",
    ]
    for name, batches in found.items():
        for batch, kinds in batches.items():
            spent = {kind: one.processor for kind, one in kinds.items()}
            shown = [f"{spent[kind]:.2f}" if kind in spent else "" for kind in (TEXT, ENCODE, PACKED, ONNX)]
            by_onnx = f"{spent[ONNX] / spent[PACKED]:.2f}" if ONNX in spent else ""
            cells = [name, f"{int(batch):,}", *shown, f"{spent[PACKED] / spent[TEXT]:.2f}", by_onnx]
            lines.append(f"| {' | '.join(cells)} |")
    return "\n".join(lines)


def _options(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("names", nargs="*", metavar="NAME", type=sample_name, default=CONFIGS, help="sample configs")
    parser.add_argument("--calls", type=int, default=300, help="of one row")
    parser.add_argument("--out", type=Path, default=RESULTS)
    return parser.parse_args(arguments)


if __name__ == "__main__":
    main()
