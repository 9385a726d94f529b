"""The rows of an evaluation or a prediction, dealt out to the workers that score them.

Each worker reads every Nth run of the files: some blocks that stand one behind the other, of about 8 MB together. Where
there are fewer runs than workers, and where only so many rows are wanted, which nobody can find without reading those
before them, all workers read the same, and each scores every Nth batch.
"""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager

from easymtl.data.blocks import Block
from easymtl.data.chunks import NoRows, no_rows
from easymtl.data.feed import Feed
from easymtl.data.order import WHOLE, Share, ShareOfRuns
from easymtl.data.rows import Rows
from easymtl.data.sources import Source
from easymtl.features.labels import RowEncoder
from easymtl.peers.peers import ONE, Peers
from easymtl.protos.pipeline_pb2 import Pipeline
from easymtl.scoring.feed import evaluation_feed, evaluation_source, limited
from easymtl.scoring.scorer import Scorer
from easymtl.scoring.shared_scoring import Found, Turn, scored

_RUN_BYTES = 8 << 20
_RUNS_OF_A_WORKER = 8
"""At least, where blocks are small enough: so many that their ends hardly differ, and few, as each ends with a short
batch."""


class DealtRows:
    """One pass over data, in order, of which a worker reads and scores its part.

    Attributes:
        feed: what this worker reads.
        source: the files.
    """

    def __init__(self, pipeline: Pipeline, encoder: RowEncoder, paths: str, limit: int | None, peers: Peers):
        """Starts to read.

        Args:
            pipeline: says how files are read.
            encoder: of the rows.
            paths: the data.
            limit: so many rows are wanted, the first ones; None for all.
            peers: the workers.

        Raises:
            UserError: the data cannot be opened.
        """
        self._pipeline, self._encoder, self._paths = pipeline, encoder, paths
        self._limit, self._peers = limit, peers
        self._share: Share = WHOLE
        self._no_rows: Rows | None = None
        self._no_own_rows = True
        self.feed: Feed = evaluation_feed(pipeline, encoder, paths, self._share_of)
        self.source: Source = self.feed.source

    def scored(
        self,
        scorer: Scorer,
        before: Callable[[], None] = lambda: None,
        count: Callable[[Rows], None] = lambda rows: None,
    ) -> Iterator[Found]:
        """Yields what is found of all batches, in the order of the data, see `shared_scoring.scored`.

        Args:
            scorer: of the same weights on all workers.
            before: is called before each batch, on all workers as often.
            count: is given each batch that this worker scores.

        Raises:
            UserError: a row cannot be used, or there is none.
        """
        num_rows = 0
        for found in scored(self._turns(count), scorer, self._peers, self._without_rows, before):
            num_rows += found[0]
            yield found
        if not num_rows:
            raise NoRows(no_rows(self.source))

    @property
    def num_untold(self) -> int:
        """Returns how many rows were left out that no row tells of, behind the pass: a part may have had no others."""
        return self.source.skipped_rows if self._share != WHOLE and self._no_own_rows else 0

    def _share_of(self, source: Source) -> Share:
        peers = self._peers
        if peers.are_several and self._limit is None:
            runs = runs_of(source.blocks, peers.size)
            if runs and runs[-1] + 1 >= peers.size:
                self._share = ShareOfRuns(peers.index, peers.size, tuple(runs))
        return self._share

    def _turns(self, count: Callable[[Rows], None]) -> Iterator[Turn]:
        if self._share != WHOLE:
            for batch in self.feed:
                self._keep_columns(batch.rows)
                self._no_own_rows = False
                count(batch.rows)
                yield Turn(batch.run, batch.rows)
            return
        for place, rows in enumerate(limited((batch.rows for batch in self.feed), self._limit)):
            self._keep_columns(rows)
            if place % self._peers.size == self._peers.index:
                count(rows)
                yield Turn(place, rows)

    def _keep_columns(self, rows: Rows) -> None:
        if self._no_rows is None:
            self._no_rows = rows.slice(0, 0)

    def _without_rows(self) -> Rows:
        """Returns no rows of the columns that batches have; of the data of another worker, if this one has none."""
        if self._no_rows is None:
            source = evaluation_source(self._pipeline, self._encoder, self._paths)
            records = next((records for block in source.blocks for records in source.read(block)), None)
            if records is None:
                raise NoRows(no_rows(source))
            self._no_rows = self._encoder(records.slice(0, 0))
        return self._no_rows


@contextmanager
def dealt_rows(
    pipeline: Pipeline, encoder: RowEncoder, paths: str, limit: int | None = None, peers: Peers = ONE
) -> Iterator[DealtRows]:
    """Yields one pass over data, see `DealtRows`, whose reading is a sign of life."""
    with peers.signs.doing("opening files"):
        rows = DealtRows(pipeline, encoder, paths, limit, peers)
    with rows.feed as feed, peers.signs.follow(lambda: feed.num_encoded):
        yield rows


def runs_of(blocks: Sequence[Block], num_workers: int) -> list[int]:
    """Returns the number of the run of each block, from 0: some that stand one behind the other."""
    total = sum(block.size for block in blocks)
    most = min(_RUN_BYTES, total // (_RUNS_OF_A_WORKER * num_workers))
    runs: list[int] = []
    run = size = 0
    for block in blocks:
        if runs and block.size and size + block.size > most:
            run, size = run + 1, 0
        size += block.size
        runs.append(run)
    return runs
