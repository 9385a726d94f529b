"""The evaluations of a training: what the newest one found, which was the best, and what is told of them."""

from collections.abc import Callable, Mapping
from typing import Any

import tensorflow as tf

from easymtl.checkpoints.same_data import marks_of
from easymtl.config import view
from easymtl.data.rows import Rows
from easymtl.features.embeddings import Lookup
from easymtl.peers.peers import ONE, Peers
from easymtl.protos.pipeline_pb2 import Pipeline
from easymtl.scoring.evaluation import EvaluationStopped, evaluate
from easymtl.scoring.gate_tally import GateTally
from easymtl.scoring.scorer import RankerScorer
from easymtl.tasks.ranker import Ranker
from easymtl.training import events
from easymtl.training.best import Best
from easymtl.training.last_rows import LastRows
from easymtl.training.optimizers import Optimizers
from easymtl.training.reports import Reports


class Evaluations:
    """Evaluates a model with the weights that it has at a step, their moving averages where there are such.

    Attributes:
        best: the best evaluation so far.
        metrics: of the newest one, by name.
        step: at which it was made; None before the first.
    """

    def __init__(
        self,
        pipeline: Pipeline,
        ranker: Ranker,
        optimizers: Optimizers,
        step: tf.Variable,
        dtype: tf.DType,
        reports: Reports,
        listener: events.Listener,
        peers: Peers = ONE,
    ):
        """Reads the marks of the evaluation data.

        Args:
            pipeline: the config.
            ranker: is evaluated.
            optimizers: have the moving averages.
            step: updates made.
            dtype: the precision of activations.
            reports: tells of gates and tables.
            listener: is told what happens.
            peers: the workers that train together.

        Raises:
            UserError: a file of the evaluation data is gone or cannot be read.
        """
        self.best = Best.from_pipeline(pipeline)
        self.metrics: Mapping[str, float] = {}
        self.step: int | None = None
        self._pipeline = pipeline
        self._ranker = ranker
        self._optimizers = optimizers
        self._variable = step
        self._peers = peers
        self._dtype = dtype
        self._reports = reports
        self._tell = listener
        self._gates = GateTally()
        self._scorer = RankerScorer(ranker, dtype, self._scored_rows, gates=self._gates)
        self._files = marks_of(pipeline, view.eval_input(pipeline))
        self._last_rows = LastRows(peers)

    def restore(self, state: Mapping[str, Any], step: int) -> None:
        """Takes over what a checkpoint of a step remembers."""
        self.best.restore(state["best"])
        self.metrics = state["metrics"]
        self.step = state.get("evaluated_step", step)

    def state(self) -> dict[str, Any]:
        """Returns what `restore` takes."""
        return {"best": self.best.state(), "metrics": dict(self.metrics), "evaluated_step": self.step}

    def train_on(self, rows: Rows) -> None:
        """Remembers a batch that was trained on."""
        self._last_rows.add(rows)

    def run(self, step: int, is_stopping: Callable[[], bool]) -> bool:
        """Evaluates, and returns whether it came to an end: a training that is to stop has no time for it."""
        self._gates.clear()
        self._tell(events.Phase("evaluating", f"step {step:,}"))
        try:
            with self._optimizers.averaged_dense_weights():
                result = evaluate(
                    self._pipeline, self._ranker.tasks, self._scorer, is_stopping=is_stopping, peers=self._peers
                )
        except EvaluationStopped:
            return False
        self.metrics, self.step = result.metrics, step
        if not self.best.is_comparable(self._files):
            before = f"{self.best.text()} at step {self.best.step}"
            text = f"The evaluation data are others than those of the best evaluation so far ({before})"
            self._tell(events.Note(f"{text}: it is no longer compared with."))
        is_best = self.best.update(step, result.metrics, self._files)
        self._tell(
            events.Evaluated(
                step,
                result.metrics,
                result.num_examples,
                result.seconds,
                is_best,
                result.warnings,
                result.counts,
                result.skipped_rows,
                result.thresholds,
                self._reports.tables(),
            )
        )
        self._reports.gates(step, self._gates.of_all(self._peers).result())
        self._look_at_training_rows(step, self._scorer)
        return True

    def finish(self, step: int) -> None:
        """Looks at the rows that were trained on last, unless the evaluation of the step has."""
        # Without an evaluation there is no graph that scores, and a few batches are not worth one.
        scorer = RankerScorer(self._ranker, self._dtype, self._scored_rows, is_traced=False)
        self._look_at_training_rows(step, scorer)

    def _look_at_training_rows(self, step: int, scorer: RankerScorer) -> None:
        """Says once if the model orders the rows that it was trained on worse than chance."""
        with self._optimizers.averaged_dense_weights():
            for text in self._last_rows.look(step, self._ranker.tasks, scorer):
                self._tell(events.Note(text))

    def _scored_rows(self, batch: Mapping[str, tf.Tensor]) -> Mapping[int, Lookup]:
        """Returns the rows that evaluations score with: their moving averages, where there are such."""
        return self._ranker.embeddings.lookup(batch, self._optimizers.averaged_rows(self._variable))
