"""A model that is open, on files: what the commands need of it."""

from collections.abc import Callable, Mapping, Sequence
from functools import cached_property
from pathlib import Path
from typing import TypeVar

import tensorflow as tf

from easymtl.api.overwriting import require_apart
from easymtl.checkpoints.extensions import version_notes
from easymtl.checkpoints.folder import Checkpoint
from easymtl.checkpoints.restore import load_ranker
from easymtl.config import Config, view
from easymtl.config.names import IMPORTANCE_WAYS
from easymtl.data.memory import HeldTable
from easymtl.errors import UserError, did_you_mean, quoted
from easymtl.peers.peers import ONE, Peers
from easymtl.protos.pipeline_pb2 import Pipeline
from easymtl.reporting import phases
from easymtl.scoring import predictions
from easymtl.scoring.evaluation import Collector, EvaluationResult, evaluate
from easymtl.scoring.feed import Told, tell_nobody
from easymtl.scoring.importance import Ranking, permutation_importance
from easymtl.scoring.importance_rows import into_blocks, read_rows
from easymtl.scoring.judging import Judge, criteria
from easymtl.scoring.parts import parts_of
from easymtl.scoring.row_effects import RowEffect, read_unlabelled, row_effects
from easymtl.scoring.scorer import RankerScorer, Scorer
from easymtl.serving.saved_model_scorer import SavedModelScorer, newest_export, step_of_export
from easymtl.tasks.build import build_tasks
from easymtl.tasks.ranker import Ranker
from easymtl.tasks.task import Task

Opened = TypeVar("Opened", bound="OpenModel")


class OpenModel:
    """A checkpoint or a SavedModel that scores files, in float32.

    Attributes:
        config: what it is of.
        source: the folder of the checkpoint or SavedModel.
        step: updates that its weights have had.
        tables: on which it was trained and evaluated, where these are in memory, by "train" and "eval".
        notes: sentences about parts of packages that are of another major version than when it was trained.
    """

    def __init__(
        self,
        config: Config,
        scorer: Scorer,
        source: Path,
        step: int,
        ranker: Ranker | None = None,
        tables: Mapping[str, HeldTable] | None = None,
        notes: Sequence[str] = (),
    ):
        self.config = config
        self.source = source
        self.step = step
        self._scorer = scorer
        self._ranker = ranker
        self.tables: dict[str, HeldTable] = dict(tables or {})
        self.notes = tuple(notes)

    @classmethod
    def of_checkpoint(
        cls: type[Opened],
        config: Config,
        checkpoint: Checkpoint,
        tables: Mapping[str, HeldTable] | None = None,
        peers: Peers = ONE,
    ) -> Opened:
        """Returns the model of a checkpoint.

        Args:
            config: what it is of.
            checkpoint: its weights.
            tables: on which it was trained and evaluated, where these are in memory.
            peers: the workers that score with it together, each of which may have a part of its tables.

        Raises:
            UserError: it is damaged, or of another model.
        """
        ranker = load_ranker(config.pipeline, checkpoint, begin=phases.begin, peers=peers)
        notes = version_notes(config.pipeline, checkpoint.state())
        return cls(config, RankerScorer(ranker, tf.float32), checkpoint.path, checkpoint.step, ranker, tables, notes)

    @classmethod
    def of_export(cls: type[Opened], config: Config, folder: str | Path) -> Opened:
        """Returns the model of a SavedModel, or of the newest of a folder with numbered ones.

        Raises:
            UserError: there is none, or it cannot be loaded.
        """
        path = newest_export(folder)
        return cls(config, SavedModelScorer(path, config.pipeline), path, step_of_export(path))

    def __repr__(self) -> str:
        return (
            f"<{type(self).__name__} {self.source}: step {self.step}, {quoted(view.result_rows(self.config.pipeline))}>"
        )

    @property
    def is_export(self) -> bool:
        """Returns whether it is a SavedModel, and no checkpoint."""
        return self._ranker is None

    @cached_property
    def tasks(self) -> Sequence[Task]:
        """Returns the tasks, one for each tower."""
        return self._ranker.tasks if self._ranker else build_tasks(self.config.pipeline)

    def evaluate_files(
        self,
        paths: str | None = None,
        declared: Pipeline | None = None,
        collectors: Sequence[Collector] = (),
        with_uncalibrated: bool = False,
        tell_progress: Told = tell_nobody,
        peers: Peers = ONE,
    ) -> EvaluationResult:
        """Evaluates on files, by default on the config's evaluation data.

        Args:
            paths: a comma list of globs, folders and files.
            declared: the config with further columns, which collectors ask for.
            collectors: are shown each batch.
            with_uncalibrated: whether tasks with a `post_calibration` are measured without it, too.
            tell_progress: is told how far it has come.
            peers: the workers that evaluate together.

        Raises:
            UserError: the files cannot be read, or have no row.
        """
        return evaluate(
            declared or self.config.pipeline,
            self.tasks,
            self._scorer,
            paths,
            collectors=collectors,
            with_uncalibrated=with_uncalibrated,
            tell_progress=tell_progress,
            peers=peers,
        )

    def write_scores(
        self,
        paths: str,
        output: str | Path,
        keep: Sequence[str] = (),
        tell: Callable[[str], None] = print,
        tell_progress: Told = tell_nobody,
        peers: Peers = ONE,
    ) -> tuple[str, int]:
        """Scores all rows in order into a Parquet file; returns the file and the number of rows.

        Args:
            paths: a comma list of globs, folders and files.
            output: the file, local or remote.
            keep: columns of the data that stand in front of the scores.
            tell: is told of rows that have no scores.
            tell_progress: is told how far it has come.
            peers: the workers that score together, of which the chief writes.

        Raises:
            UserError: the data cannot be read, a kept column does not exist, or the file cannot be written, or is one
                that is read: the data, or a part of the model.
        """
        require_apart(self.config, [("output", output)], {"paths": paths}, models=[str(self.source)])
        return predictions.predict(self.config.pipeline, self._scorer, paths, output, keep, tell, tell_progress, peers)

    def num_parts(self, by: str) -> int:
        """Returns how many features, inputs or groups `rank_features` permutes.

        Raises:
            UserError: it is a SavedModel.
        """
        return len(list(parts_of(self._checkpoint("Features are permuted in").feature_set, by)))

    def rank_features(
        self,
        paths: str,
        metric: str | None = None,
        by: str = "feature",
        repeats: int = 5,
        rows: int = 100_000,
        seed: int = 0,
        begin: Callable[[int], None] = lambda num_rows: None,
        tell: Callable[[str], None] = lambda part: None,
    ) -> Ranking:
        """Ranks what a model reads by how much worse it scores when that is permuted over rows, see `explain`.

        Args:
            paths: the rows, with labels.
            metric: as `criteria` takes it; None is the first metric of each tower.
            by: one of `names.IMPORTANCE_WAYS`.
            repeats: permutations of each part.
            rows: read at most.
            seed: of the permutations.
            begin: is told the number of rows once they are read.
            tell: is told each part before it is measured.

        Raises:
            UserError: it is a SavedModel, an argument is wrong, or the data cannot be read or determine no metric.
        """
        ranker = self._checkpoint("Features are permuted in")
        _check_ways(by, repeats=(repeats, 1), rows=(rows, 2), seed=(seed, 0))
        pipeline = self.config.pipeline
        scorer = self._scorer
        assert isinstance(scorer, RankerScorer), "a checkpoint is scored by its ranker"
        judge = Judge(scorer, ranker.tasks, criteria(pipeline, metric))
        read = read_rows(pipeline, scorer, ranker.tasks, paths, rows)
        begin(len(read))
        blocks = into_blocks(read, seed)
        return permutation_importance(ranker.feature_set, blocks, judge, by, repeats, seed, tell)

    def effects_on_rows(
        self,
        paths: str,
        rows: int = 10,
        by: str = "feature",
        draws: int = 100,
        of_rows: int = 10_000,
        seed: int = 0,
        tell: Callable[[str], None] = lambda part: None,
    ) -> list[RowEffect]:
        """Returns which parts of the inputs moved the scores of the first rows, see `explain_rows`.

        Args:
            paths: the rows, which need no labels.
            rows: how many of them are explained.
            by: one of `names.IMPORTANCE_WAYS`.
            draws: other rows whose part each row is given.
            of_rows: how many rows are read, from which those are drawn.
            seed: of the draws.
            tell: is told each part before it is scored.

        Raises:
            UserError: it is a SavedModel, an argument is wrong, or the data cannot be read.
        """
        ranker = self._checkpoint("Rows are explained by")
        _check_ways(by, rows=(rows, 1), draws=(draws, 1), of_rows=(of_rows, 2), seed=(seed, 0))
        scorer = self._scorer
        assert isinstance(scorer, RankerScorer), "a checkpoint is scored by its ranker"
        features = ranker.feature_set
        read = read_unlabelled(self.config.pipeline, scorer, paths, features.request_fields, max(of_rows, rows))
        return row_effects(features, scorer, read, rows, by, draws, seed, tell)

    def _checkpoint(self, what: str) -> Ranker:
        if self._ranker is None:
            raise UserError(f"{self.source}: {what} a checkpoint, not a SavedModel. Open its model_dir.")
        return self._ranker


def _check_ways(by: str, **numbers: tuple[int, int]) -> None:
    """Refuses what features cannot be exchanged by, and numbers below the least that they may be."""
    if by not in IMPORTANCE_WAYS:
        raise UserError(f'"{by}" is none of {quoted(IMPORTANCE_WAYS)}.{did_you_mean(by, IMPORTANCE_WAYS)}')
    for name, (value, least) in numbers.items():
        if value < least:
            raise UserError(f"{name}: {value} is too small; the least is {least}.")
