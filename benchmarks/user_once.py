"""500 items for one user: what a request with the user's columns sent once saves against one that repeats them.

    python -m benchmarks.user_once [NAME] [--items 500] [--calls 100]

A sample config trains for some steps and is exported with `export_config.user_fields`. A process of its own, in which
TensorFlow has one thread, sends both signatures the same items, in turns: the graph alone, and reading the request as
`easymtl serve` does, from JSON by columns and from gRPC's message. Figures are medians of the processor's time.
"""

import argparse
import json
import tempfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.sample_data import DataMissing, sample_name
from benchmarks.serving_exports import SampleExport, export_apart
from benchmarks.serving_latency import in_one_thread, in_turns

RESULTS = Path(__file__).parent / "results" / "user_once.json"
REPEATED, ONCE = "serving_default", "user_once"
_PARTS = ("graph", "read JSON", "read protobuf", "make protobuf")

Arrays = Mapping[str, np.ndarray]


@dataclass(frozen=True)
class Cost:
    """What one form of request costs.

    Attributes:
        milliseconds: of the processor, by part.
        json_bytes: of the body by columns.
        row_bytes: of the body by rows; 0 where there is no such form.
        protobuf_bytes: of the gRPC message.
    """

    milliseconds: dict[str, float]
    json_bytes: int
    row_bytes: int
    protobuf_bytes: int


def main(arguments: Sequence[str] | None = None) -> None:
    """Measures, writes all of it as JSON, and prints a table in Markdown."""
    options = _options(arguments)
    with tempfile.TemporaryDirectory() as folder:
        try:
            made = export_apart(options.name, Path(folder))
        except DataMissing as error:
            raise SystemExit(str(error)) from None
        found = in_one_thread(measure, made, options.items, options.calls)
    options.out.parent.mkdir(parents=True, exist_ok=True)
    document = {options.name: {"items": options.items} | {name: asdict(one) for name, one in found.items()}}
    options.out.write_text(json.dumps(document, indent=1) + "\n", encoding="utf-8")
    print(table(found))
    print(f"Written to {options.out}")


def measure(made: SampleExport, items: int, calls: int) -> dict[str, Cost]:
    """Returns what both forms of request cost. For a process of its own."""
    from easymtl.api.tensorflow_start import start_tensorflow

    start_tensorflow()
    from easymtl.server.model import Model

    model = Model(made.path, 1)
    of_user = {name for name, one in model.signature(ONCE).inputs.items() if one.shape and one.shape[0] == 1}
    columns = _columns(made, items, of_user)
    arrays = {REPEATED: columns, ONCE: {name: v[:1] if name in of_user else v for name, v in columns.items()}}
    answers = {name: model.run(model.signature(name), one) for name, one in arrays.items()}
    for name, values in answers[REPEATED].items():
        np.testing.assert_allclose(answers[ONCE][name], values, rtol=1e-4, atol=1e-4, err_msg=name)
    forms = {name: _Form(model, name, one) for name, one in arrays.items()}
    # All of one part take turns.
    spent: dict[str, dict[str, float]] = {name: {} for name in forms}
    for part in _PARTS:
        seconds = in_turns({name: form.calls[part] for name, form in forms.items()}, calls)
        for name, taken in seconds.items():
            spent[name][part] = float(np.median([processor for _, processor in taken])) * 1e3
    return {name: form.cost(spent[name]) for name, form in forms.items()}


class _Form:
    """A form of request: its bytes, and what is timed."""

    def __init__(self, model: Any, name: str, arrays: Arrays):
        from tensorflow_serving.apis import predict_pb2

        from easymtl.server import json_requests, proto_requests
        from easymtl.server.checks import Limits

        signature, limits = model.signature(name), Limits(1 << 20, 1 << 28, 60.0)
        lists = {key: json_requests.values_of("", array) for key, array in arrays.items()}
        self.json = _body({"signature_name": name, "inputs": lists})
        self.rows = _body({"instances": [dict(zip(lists, row)) for row in zip(*lists.values())]})
        self.rows = self.rows if name == REPEATED else b""
        self.message = _message(name, arrays)
        self.calls: dict[str, Callable[[int], Any]] = {
            "graph": lambda index: model.run(signature, arrays),
            "read JSON": lambda index: json_requests.arrays_of(json_requests.read(self.json), signature, limits),
            "read protobuf": lambda index: proto_requests.arrays_of(
                predict_pb2.PredictRequest.FromString(self.message).inputs, signature, limits
            ),
            "make protobuf": lambda index: _message(name, arrays),
        }

    def cost(self, milliseconds: dict[str, float]) -> Cost:
        return Cost(milliseconds, len(self.json), len(self.rows), len(self.message))


def _columns(made: SampleExport, items: int, of_user: set[str]) -> dict[str, np.ndarray]:
    """Returns items as arrays, all with the user of the first."""
    import pyarrow as pa

    from easymtl.features.columns import tensor_of

    places = pa.array(np.arange(items) % made.num_rows)
    first = pa.array(np.zeros(items, np.int64))
    return {
        name: tensor_of(column.take(first if name in of_user else places)).numpy() for name, column in made.sent.items()
    }


def _body(document: Mapping[str, Any]) -> bytes:
    return json.dumps(document, ensure_ascii=False, separators=(",", ":")).encode()


def _message(signature: str, arrays: Arrays) -> bytes:
    import tensorflow as tf
    from tensorflow_serving.apis import predict_pb2

    request = predict_pb2.PredictRequest()
    request.model_spec.name, request.model_spec.signature_name = "model", signature
    for name, array in arrays.items():
        request.inputs[name].CopyFrom(tf.make_tensor_proto(array))
    return request.SerializeToString()


def table(found: Mapping[str, Cost]) -> str:
    """Returns a table in Markdown: a line for each part, and the ratio."""
    repeated, once = found[REPEATED], found[ONCE]
    lines = ["| | repeated | `user_once` | ratio |", "|---|---|---|---|"]
    for part in _PARTS:
        both = repeated.milliseconds[part], once.milliseconds[part]
        lines.append(f"| {part}, ms | {both[0]:.2f} | {both[1]:.2f} | {both[1] / both[0]:.2f} |")
    for title, both in (
        ("JSON by columns, KB", (repeated.json_bytes, once.json_bytes)),
        ("protobuf, KB", (repeated.protobuf_bytes, once.protobuf_bytes)),
    ):
        lines.append(f"| {title} | {both[0] / 1e3:.1f} | {both[1] / 1e3:.1f} | {both[1] / both[0]:.2f} |")
    lines.append(f"| JSON by rows, KB | {repeated.row_bytes / 1e3:.1f} | | |")
    return "\n".join(lines)


def _options(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument(
        "name", nargs="?", metavar="NAME", type=sample_name, default="dbmtl_on_livestream", help="a sample config"
    )
    parser.add_argument("--items", type=int, default=500)
    parser.add_argument("--calls", type=int, default=100, help="of each form and part")
    parser.add_argument("--out", type=Path, default=RESULTS)
    return parser.parse_args(arguments)


if __name__ == "__main__":
    main()
