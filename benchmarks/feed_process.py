"""What `python -m benchmarks.feed` runs in processes of their own, with the package of ours or of another checkout.

It reads orders from its input, a line of JSON each, and answers each with one. It imports nothing of benchmarks, so
that PYTHONPATH alone says which package is measured.
"""

import json
import os
import sys
import time
from collections.abc import Callable, Iterator

_SEED = 5


def main() -> None:
    """Measures what it is told."""
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    inputs: dict[str, Input] = {}
    for line in sys.stdin:
        order = json.loads(line)
        name = order["config"]
        if name not in inputs:
            inputs[name] = Input(name, order["is_training"])
        found = inputs[name].stages() if order["what"] == "stages" else inputs[name].whole(order["threads"])
        print(json.dumps(found), flush=True)


class Input:
    """The data of a config, as a training reads them."""

    def __init__(self, config: str, is_training: bool):
        """Opens the data.

        Args:
            config: path of the config.
            is_training: whether labels are read, too, else features alone.
        """
        from google.protobuf import text_format

        from easymtl.protos.pipeline_pb2 import Pipeline

        # Nobody trains with it: it need not be whole.
        with open(config, encoding="utf-8") as file:
            self.pipeline = text_format.Parse(file.read(), Pipeline())
        if is_training:
            from easymtl.tasks.ranker import Ranker
            from easymtl.training.inputs import TrainingInput

            training = TrainingInput(self.pipeline, Ranker(self.pipeline), None)
            training.feed.close()
            self.source, self.encode = training.source, training.labels
        else:
            from easymtl.data.sources import open_source
            from easymtl.data.text_form import text_forms
            from easymtl.features.encoder import Encoder
            from easymtl.features.feature_set import FeatureSet

            self.encode = Encoder(FeatureSet(self.pipeline))
            forms, data = text_forms(self.pipeline), self.pipeline.data_config
            fields, items = self.encode.fields, self.encode.items
            self.source = open_source(self.pipeline.train_input_path, data, fields, forms=forms, items=items)
        self.whole(None)

    def stages(self) -> dict[str, float]:
        """Returns processor seconds of reading, encoding and cutting one after the other, and the number of rows."""
        seconds = {"reading": 0.0, "encoding": 0.0}
        encoded = []
        for block in self.source.blocks:
            batches = self.source.read(block)
            while (batch := _timed(seconds, "reading", lambda batches=batches: next(batches, None))) is not None:
                encoded.append(_timed(seconds, "encoding", lambda batch=batch: self.encode(batch)))
        rows = sum(one.num_rows for one in encoded)
        _timed(seconds, "cutting", lambda: _cut(encoded, self.pipeline.data_config.batch_size))
        return {**seconds, "rows": rows}

    def whole(self, threads: int | None) -> dict[str, float]:
        """Returns seconds, processor seconds and rows of a pass of the feed, shuffled, with nobody who waits for it."""
        from easymtl.data.feed import Feed

        settings = {} if threads is None else {"threads": threads}
        begin, processor, rows = time.perf_counter(), time.process_time(), 0
        batch_size = self.pipeline.data_config.batch_size
        with Feed(self.source, self.encode, batch_size, shuffle=True, seed=_SEED, **settings) as feed:
            for batch in feed:
                rows += batch.rows.num_rows
        return {
            "seconds": time.perf_counter() - begin,
            "processor": time.process_time() - processor,
            "rows": rows,
        }


def _timed(seconds: dict[str, float], name: str, run: Callable):
    begin = time.process_time()
    result = run()
    seconds[name] = seconds.get(name, 0.0) + time.process_time() - begin
    return result


def _cut(encoded: list, batch_size: int) -> None:
    """Shuffles and cuts rows as the feed does: all that is left of it where nothing is read or encoded."""
    import pyarrow as pa

    from easymtl.data.blocks import Block, Source
    from easymtl.data.feed import Feed
    from easymtl.data.rows import Rows

    class Encoded(Source):
        def read(self, block: Block) -> Iterator[pa.RecordBatch]:
            rows = encoded[block.start]
            yield pa.record_batch({"place": pa.repeat(pa.scalar(block.start), rows.num_rows)})

    def encode(batch: pa.RecordBatch) -> Rows:
        return Rows(dict(encoded[batch.column(0)[0].as_py()].columns))

    source = Encoded({}, [Block(None, place, 1, rows.num_rows) for place, rows in enumerate(encoded)])
    with Feed(source, encode, batch_size, shuffle=True, seed=_SEED, threads=1) as feed:
        for _ in feed:
            pass


if __name__ == "__main__":
    main()
