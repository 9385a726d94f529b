"""What a training does when a step was refused for a number that is not finite: `train_config.nan_policy`."""

from collections.abc import Mapping

import tensorflow as tf

from easymtl.data.windows import Batch
from easymtl.peers.peers import ONE, Peers
from easymtl.protos.pipeline_pb2 import Pipeline
from easymtl.tasks.ranker import Ranker
from easymtl.training import events
from easymtl.training.checkpointing import Checkpointing
from easymtl.training.diagnosis import BadStep, diagnose, of_all_workers
from easymtl.training.inputs import TrainingInput
from easymtl.training.refusals import MOST_ROLLBACKS, Decision
from easymtl.training.reports import Reports


class BadBatches:
    """Keeps a bad batch in a file, says what is odd with it, and ends the training, or has it go on behind it.

    What becomes of the training follows from what its checkpoints remember and from the data alone, so that one that
    was killed meets the same batches and does the same again.
    """

    def __init__(
        self,
        pipeline: Pipeline,
        ranker: Ranker,
        checkpoints: Checkpointing,
        reports: Reports,
        dtype: tf.DType,
        listener: events.Listener,
        peers: Peers = ONE,
    ):
        """Does nothing yet.

        Args:
            pipeline: the config.
            ranker: what is trained.
            checkpoints: where the training may go back to; they count.
            reports: tell that training goes on from another step.
            dtype: the precision of training.
            listener: is told of batches behind which the training goes on.
            peers: the workers that refuse a step together; each of them looks at its own part of the batch.
        """
        self._peers = peers
        self._pipeline, self._ranker, self._dtype = pipeline, ranker, dtype
        self._checkpoints, self._reports, self._tell = checkpoints, reports, listener

    def meet(self, step: int, losses: Mapping[str, tf.Tensor], batch: Batch, source: TrainingInput) -> None:
        """Goes on behind a batch, from the weights as they are or from those of the newest checkpoint.

        Args:
            step: the number of the update that was not made.
            losses: of the step, by name.
            batch: of the step.
            source: where the batch came from.

        Raises:
            UserError: training does not go on, and why.
        """
        self._checkpoints.wait()
        refusals = self._checkpoints.remembered.refusals
        decision = refusals.decide(step - 1 - self._checkpoints.remembered.data_step)
        own = self._diagnose(step, losses, batch, source, refusals.number, decision is Decision.STOP)
        found = of_all_workers(own, self._peers)
        if decision is Decision.STOP:
            raise found.error(refusals.why_stopped())
        self._checkpoints.remembered.cursor = batch.cursor
        if decision is Decision.SKIP:
            counts = f"{refusals.in_a_row} in a row, {refusals.skipped} in all"
            done = f"The batch is left out ({counts}; nan_policy SKIP_BATCH)."
        else:
            latest = self._checkpoints.go_back()
            self._reports.start(latest.step)
            times = f"time {refusals.rollbacks} of at most {MOST_ROLLBACKS}"
            done = f"Training goes back to {latest.path} and on behind the batch ({times}; nan_policy ROLLBACK)."
        self._tell(events.Note(f"Warning: {found.text()} {done}"))
        self._tell(events.Phase("training"))

    def _diagnose(
        self,
        step: int,
        losses: Mapping[str, tf.Tensor],
        batch: Batch,
        source: TrainingInput,
        number: int,
        is_over: bool,
    ) -> BadStep:
        if is_over:
            source.feed.close()
        # The feed reads on in its threads: where the batch is from is looked for in files that are opened anew.
        files = source.source if is_over else source.opened_anew()
        before = self._checkpoints.remembered.cursor
        worker = f"-worker_{self._peers.index}" if self._peers.are_several else ""
        name = f"bad_batch-{step}{f'-{number}' if number > 1 else ''}{worker}.parquet"
        return diagnose(
            self._pipeline, self._ranker, files, batch, before, step, losses, self._dtype, name, source.share
        )
