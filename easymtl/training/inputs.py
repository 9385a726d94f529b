"""What a training reads."""

from dataclasses import dataclass

from easymtl.config import view
from easymtl.config.falling_rates import steps_of_rows
from easymtl.data.chunks import no_rows
from easymtl.data.feed import MIN_WINDOW_ROWS, Batch, Cursor, Feed
from easymtl.data.order import WHOLE, Share
from easymtl.data.rows import Rows
from easymtl.data.sources import Source, open_source
from easymtl.data.text_form import text_forms
from easymtl.errors import UserError
from easymtl.features.encoder import Encoder
from easymtl.features.encoding_key import open_cache
from easymtl.features.label_rules import row_rules
from easymtl.features.labels import LabelCheck
from easymtl.features.tally import Tally, added
from easymtl.peers.peers import Peers
from easymtl.protos.pipeline_pb2 import Pipeline
from easymtl.tasks.ranker import Ranker
from easymtl.training.devices import runs_ahead
from easymtl.training.placed_batches import place

KEPT_BYTES = 128 << 20
"""Encoded training rows that are kept in memory between epochs, at most."""


@dataclass(frozen=True)
class Counted:
    """What was counted of rows that were trained on.

    Attributes:
        counts: what was odd, see `Tally.counts`.
        skipped_rows: rows that `data_config.ignore_error` left out on the way to them.
        labels: what counts for the towers.
    """

    counts: dict[str, dict[str, int]]
    skipped_rows: int
    labels: LabelCheck


class TrainingInput:
    """The training data, encoded.

    Attributes:
        encoder: tells missing, unknown and out-of-range values.
        labels: refuses wrong labels.
        source: where the rows come from.
        feed: the batches. It runs ahead, so that what it has met is more than what was trained on.
        tally: what was odd in the rows that were trained on, each row once.
        share: what is read of the data.
    """

    def __init__(self, pipeline: Pipeline, ranker: Ranker, start: Cursor | None, share: Share = WHOLE):
        """Starts to read.

        Args:
            pipeline: the config.
            ranker: says what is read.
            start: where to begin; None is the beginning.
            share: what this worker reads of the data.

        Raises:
            UserError: the data cannot be opened.
        """
        data = pipeline.data_config
        self.encoder = Encoder(ranker.feature_set, ranker.number_columns, key_fields=ranker.key_fields)
        self.labels = LabelCheck(self.encoder, row_rules(pipeline))
        self.tally = Tally(self.encoder.codes)
        self._first_pass: int | None = None
        self._pipeline = pipeline
        self.share = share
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
            share=share,
            cache=open_cache(pipeline, self.source, self.labels),
            # Growing tables give rows to ids step by step: before that there is nothing to be placed.
            place=place if runs_ahead(ranker) else None,
        )
        self._no_rows: Rows | None = None
        self._again: list[Batch] = []

    def expected_steps(self, first_step: int) -> int | None:
        """Returns the updates at the end of these data, or None where nothing says how many rows they have.

        Args:
            first_step: the updates made when training on them begins at their first row.
        """
        num_rows = self.source.num_rows
        if num_rows is None:
            return None
        num_steps = steps_of_rows(self._pipeline, num_rows, self.share.size)
        return first_step + num_steps if self._pipeline.data_config.num_epochs else num_steps

    def again(self, batch: Batch) -> None:
        """Has a batch come once more, next: the step with it has moved nothing, and the host knew it late."""
        self._again.append(batch)

    def next(self, peers: Peers) -> Batch | None:
        """Returns the next batch; None behind the last, or, where other workers may have rows yet, one without rows."""
        if self._again:
            return self._again.pop()
        batch = next(self.feed, None)
        if not peers.are_several:
            return batch
        if batch is None:
            self._no_rows = self._without_rows() if self._no_rows is None else self._no_rows
            data = self._pipeline.data_config
            # Its rows are done with, also where it had none: other workers may go on for passes. What `drop_remainder`
            # leaves over is not: it comes into the first batch of a further pass.
            cursor = self.feed.cursor if data.drop_remainder else max(Cursor(data.num_epochs), self.feed.cursor)
            return Batch(self._no_rows, cursor, self.feed.progress)
        if self._no_rows is None:
            self._no_rows = batch.rows.slice(0, 0)
        return batch

    def _without_rows(self) -> Rows:
        """Returns no rows of the columns that batches have; of the data of another worker, if this one has none."""
        source = self.opened_anew()
        for block in source.blocks:
            for records in source.read(block):
                return self.labels(records.slice(0, 0))
        raise UserError(no_rows(source))

    def of_all(self, peers: Peers) -> "Counted":
        """Returns what has been counted of the rows of all workers, which all have to ask for it."""
        own = [self.tally.counts, self.tally.skipped_rows, self.labels.counts()]
        tallies, skipped, labels = zip(*peers.share(own))
        return Counted(added(tallies), sum(skipped), self.labels.of_all(labels))

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
        if not batch.rows.num_rows:
            return
        if self._first_pass is None:
            self._first_pass = next(iter(batch.num_by_epoch))
        number = batch.num_by_epoch.get(self._first_pass, 0)
        if number:
            self.tally.add(batch.rows if number == batch.rows.num_rows else batch.rows.slice(0, number))
        self.labels.count(batch.rows)
