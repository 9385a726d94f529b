"""What a training reads."""

from easymtl.config import view
from easymtl.data.feed import MIN_WINDOW_ROWS, Batch, Cursor, Feed
from easymtl.data.sources import Source, open_source
from easymtl.data.text_form import text_forms
from easymtl.features.encoder import Encoder
from easymtl.features.labels import LabelCheck, label_rules, number_rules
from easymtl.features.tally import Tally
from easymtl.protos.pipeline_pb2 import Pipeline
from easymtl.tasks.ranker import Ranker

KEPT_BYTES = 128 << 20
"""Encoded training rows that are kept in memory between epochs, at most."""


class TrainingInput:
    """The training data, encoded.

    Attributes:
        encoder: tells missing, unknown and out-of-range values.
        labels: refuses wrong labels.
        source: where the rows come from.
        feed: the batches. It runs ahead, so that what it has met is more than what was trained on.
        tally: what was odd in the rows that were trained on, each row once.
    """

    def __init__(self, pipeline: Pipeline, ranker: Ranker, start: Cursor | None):
        data = pipeline.data_config
        self.encoder = Encoder(ranker.feature_set, ranker.number_columns, key_fields=ranker.key_fields)
        self.labels = LabelCheck(self.encoder, label_rules(pipeline), number_rules(pipeline))
        self.tally = Tally(self.encoder.codes)
        self._first_pass: int | None = None
        self._pipeline = pipeline
        self.source = self.opened_anew()
        self.feed = Feed(
            self.source,
            self.labels,
            data.batch_size,
            shuffle=data.shuffle,
            seed=pipeline.train_config.seed,
            num_epochs=data.num_epochs,
            window_rows=max(data.shuffle_buffer_size, MIN_WINDOW_ROWS),
            drop_remainder=data.drop_remainder,
            start=start,
            prefetch=max(data.prefetch_size, 1),
            kept_bytes=KEPT_BYTES,
        )

    def opened_anew(self) -> Source:
        """Returns the files once more, to be read beside the feed.

        Raises:
            UserError: they cannot be opened.
        """
        return open_source(
            view.train_input(self._pipeline),
            self._pipeline.data_config,
            self.encoder.fields,
            forms=text_forms(self._pipeline),
            items=self.encoder.items,
        )

    def count(self, batch: Batch) -> None:
        """Counts rows that have been trained on; what is odd in them only in the pass over the data that came first."""
        if self._first_pass is None:
            self._first_pass = next(iter(batch.num_by_epoch))
        number = batch.num_by_epoch.get(self._first_pass, 0)
        if number:
            self.tally.add(batch.rows if number == batch.rows.num_rows else batch.rows.slice(0, number))
        self.labels.count(batch.rows)
