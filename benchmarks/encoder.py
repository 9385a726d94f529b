"""What encoding histories costs: `python -m benchmarks.encoder [--rows 65536] [--rounds 7]`.

A batch of one history of up to 50 items (mean 20) is read from a Parquet file and encoded, as lists of items and as the
texts of these lists, in turns: ids of texts and of whole numbers, numbers, steps of several items, tags with weights.
"""

import argparse
import statistics
import tempfile
import time
from collections.abc import Sequence

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from google.protobuf import text_format

from benchmarks.histories import LONGEST, MEAN, lengths_of
from easymtl.api.tensorflow_start import start_tensorflow

_TABLE = "hash_bucket_size: 100000 embedding_dim: 16"
_HISTORY = 'input_names: "h" feature_type: SequenceFeature'
FEATURES = {
    "texts": f"{_HISTORY} {_TABLE}",
    "texts, 10 steps": f"{_HISTORY} {_TABLE} max_seq_len: 10",
    "whole numbers": f"{_HISTORY} {_TABLE}",
    "numbers": f"{_HISTORY} sub_feature_type: RawFeature boundaries: [10, 30, 60, 120] embedding_dim: 16",
    "lists of texts": f'{_HISTORY} {_TABLE} seq_multi_sep: ";"',
    "weighted tags": f'input_names: ["h", "w"] feature_type: TagFeature {_TABLE}',
}
_NUM_ITEMS = 20_000


def columns_of(case: str, rows: int) -> dict[str, pa.Array]:
    """Returns the columns of a case."""
    random = np.random.default_rng(7)
    lengths = lengths_of(rows, MEAN, LONGEST, random)
    offsets = np.concatenate([[0], np.cumsum(lengths)]).astype(np.int32)
    numbers = random.integers(0, _NUM_ITEMS, offsets[-1])
    values = pa.array(numbers)
    if case == "numbers":
        values = pa.array(np.round(random.gamma(2.0, 20.0, offsets[-1]), 1))
    elif case == "lists of texts":
        # The two tags of an item.
        tags = np.stack([numbers % 97, numbers % 89], axis=1).reshape(-1)
        values = pa.ListArray.from_arrays(np.arange(0, len(tags) + 1, 2, dtype=np.int32), pa.array(tags.astype(str)))
    elif case != "whole numbers":
        values = pa.array(np.char.add("item_", numbers.astype(str)))
    columns = {"h": pa.ListArray.from_arrays(offsets, values)}
    if case == "weighted tags":
        columns["w"] = pa.ListArray.from_arrays(offsets, pa.array(random.integers(1, 9, offsets[-1]) / 8))
    return columns


def measure(case: str, rows: int, rounds: int) -> tuple[float, float]:
    """Returns the median seconds in which a batch is read and encoded, as items and as texts."""
    from easymtl.data.sources import open_source
    from easymtl.data.text_form import text_forms
    from easymtl.features.encoder import Encoder
    from easymtl.features.feature_set import FeatureSet
    from easymtl.protos.pipeline_pb2 import Pipeline

    columns = columns_of(case, rows)
    fields = " ".join(f'input_fields {{ input_name: "{name}" input_type: STRING }}' for name in columns)
    text = f"""
        data_config {{ {fields} }} feature_config {{ features {{ feature_name: "f" {FEATURES[case]} }} }}
        model_config {{ feature_groups {{ group_name: "all" feature_names: "f" }} dbmtl {{ }} }}
    """
    pipeline = text_format.Parse(text, Pipeline())
    encoder, forms = Encoder(FeatureSet(pipeline)), text_forms(pipeline)

    def seconds(items: Sequence[str]) -> float:
        source = open_source(f"{folder}/a.parquet", pipeline.data_config, encoder.fields, forms=forms, items=items)
        begin = time.perf_counter()
        for batch in source.read(source.blocks[0]):
            encoder(batch)
        return time.perf_counter() - begin

    with tempfile.TemporaryDirectory() as folder:
        pq.write_table(pa.table(columns), f"{folder}/a.parquet")
        seconds(encoder.items)
        times = [(seconds(encoder.items), seconds([])) for _ in range(rounds)]
    of_items, of_texts = zip(*times)
    return statistics.median(of_items), statistics.median(of_texts)


def main(arguments: Sequence[str] | None = None) -> None:
    """Measures and prints."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.encoder", description=__doc__.split("\n", 1)[0])
    parser.add_argument("--rows", type=int, default=65536)
    parser.add_argument("--rounds", type=int, default=7)
    options = parser.parse_args(arguments)
    start_tensorflow()
    for case in FEATURES:
        items, texts = measure(case, options.rows, options.rounds)
        rate = options.rows / items / 1000
        print(f"{case:16}  texts / items {texts / items:5.1f}  ({rate:6.0f} thousand rows a second)", flush=True)


if __name__ == "__main__":
    main()
