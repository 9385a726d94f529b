"""A model that is open: a checkpoint or a SavedModel, which scores, is evaluated and explained."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import pandas as pd

from easymtl.api.data_input import Data, data_as_paths
from easymtl.api.embeddings import embedding_frame
from easymtl.api.frames import effects_frame, ranking_frame, score_frame, segments_frame
from easymtl.api.open_model import OpenModel
from easymtl.api.python_words import in_python
from easymtl.config import view
from easymtl.errors import UserError
from easymtl.scoring.evaluation import EvaluationResult
from easymtl.scoring.file_columns import declare_columns
from easymtl.scoring.scored_rows import ScoredRows
from easymtl.scoring.segments import segments


@dataclass(frozen=True)
class Evaluation(EvaluationResult):
    """What an evaluation found.

    Attributes:
        segments: metrics by the values of columns, a row each, with 95% intervals; empty without `by`.
    """

    segments: pd.DataFrame = field(default_factory=pd.DataFrame)


class Model(OpenModel):
    """A model that is open, in float32. `easymtl.open` and `Run.model` give one.

    Example:
        >>> easymtl.open("models/shop")
        <Model models/shop/checkpoints/step-000000020: step 20, "click", "buy">

    Attributes:
        config: what it is of.
        source: the folder of the checkpoint or SavedModel.
        step: updates that its weights have had.
        tables: on which it was trained and evaluated, where these are in memory, by "train" and "eval".
    """

    @in_python("keep", input="data")
    def predict(self, data: Data, keep: Sequence[str] = ()) -> pd.DataFrame:
        """Returns the scores of rows, which need no labels.

        Args:
            data: a table or paths.
            keep: columns of the data that stand in front of the scores.

        Returns:
            A row for each of the data, in order, under the index of a pandas DataFrame; a column for each output,
            sorted by name. Outputs of several numbers a row are arrays. Rows that `data_config.ignore_error` leaves out
            are NaN where the data are a table; of files they are not there.

        Raises:
            UserError: the data cannot be read, or a kept column does not exist.

        Example:
            >>> scores = model.predict(rows)
            >>> list(scores), len(scores) == len(rows)
            (['logits_buy', 'logits_click', 'probs_buy', 'probs_click'], True)
        """
        return score_frame(self.config.pipeline, self._scorer, data, keep)

    @in_python("by", input="data")
    def evaluate(self, data: Data = None, by: str | Sequence[str] = ()) -> Evaluation:
        """Evaluates on rows with labels.

        Args:
            data: a table or paths; None for the config's evaluation data.
            by: columns by whose values metrics are told, too; the data may have ones that the config does not declare.

        Raises:
            UserError: the data cannot be read, have no row, or lack a column.

        Example:
            >>> result = model.evaluate(rows, by="city")
            >>> sorted(result.metrics)[:2]
            ['auc_buy', 'auc_click']
            >>> list(result.segments)[:4]
            ['column', 'value', 'rows', 'task']
        """
        columns = [by] if isinstance(by, str) else list(by)
        with self._paths(data, "eval", columns) as paths:
            declared = declare_columns(self.config.pipeline, paths, columns, "by")
            rows = ScoredRows(self.tasks, columns)
            result = self.evaluate_files(paths, declared, [rows] if columns else [])
            found = [segment for column in columns for segment in segments(rows, column)]
            return Evaluation(**vars(result), segments=segments_frame(found))

    @in_python("metric", "by", "repeats", "rows", "seed", input="data")
    def explain(
        self,
        data: Data = None,
        metric: str | None = None,
        by: str = "feature",
        repeats: int = 5,
        rows: int = 100_000,
        seed: int = 0,
    ) -> pd.DataFrame:
        """Returns how much worse each task gets when a feature is that of another row: permutation importance.

        Args:
            data: rows with labels, a table or paths; None for the config's evaluation data.
            metric: such as "auc", "auc_click" or "loss"; None for the first of each task.
            by: "feature", or what else is permuted: "input" or "group".
            repeats: permutations of each part.
            rows: read at most.
            seed: of the permutations.

        Returns:
            A row for each task and part, the most important first: `task`, `part`, `metric`, `value` of the rows as
            they are, `loss`, how much worse it is permuted, and `low` to `high`, its 95% interval.

        Raises:
            UserError: the model is an export, an argument is wrong, or the data cannot be read or determine no metric.

        Example:
            >>> list(model.explain(rows, repeats=1))
            ['task', 'part', 'metric', 'value', 'loss', 'low', 'high']
        """
        with self._paths(data, "eval") as paths:
            return ranking_frame(self.rank_features(paths, metric, by, repeats, rows, seed))

    @in_python("by", "rows", "draws", "of_rows", "seed", input="data")
    def explain_rows(
        self,
        data: Data = None,
        rows: int = 10,
        by: str = "feature",
        draws: int = 100,
        of_rows: int = 10_000,
        seed: int = 0,
    ) -> pd.DataFrame:
        """Returns which features moved the scores of single rows: what they are less what they would be on average.

        The effect of a feature is the score of the row less the mean of its scores with the feature as in other rows.

        Args:
            data: rows, which need no labels, a table or paths; None for the config's evaluation data.
            rows: how many are explained, from the first on.
            by: "feature", or what else is exchanged: "input" or "group".
            draws: other rows whose value each is given; of no more rows than there are the effect is exact.
            of_rows: how many rows are read, from which those are drawn.
            seed: of the draws.

        Returns:
            A row for each row, score and part, the largest effect first: `row`, the place in the data; `score` and its
            `value`; `part` and what was `found` in its fields; `effect`, and its standard `error` by the draws.

        Raises:
            UserError: the model is an export, an argument is wrong, or the data cannot be read.

        Example:
            >>> effects = model.explain_rows(rows, rows=1, draws=20)
            >>> list(effects)
            ['row', 'score', 'value', 'part', 'found', 'effect', 'error']
            >>> sorted(set(effects.score))
            ['probs_buy', 'probs_click']
        """
        with self._paths(data, "eval") as paths:
            return effects_frame(self.effects_on_rows(paths, rows, by, draws, of_rows, seed))

    def embeddings(self, feature: str, values: Sequence[Any] | None = None, group: str | None = None) -> pd.DataFrame:
        """Returns the vectors that a feature has learnt for values.

        Args:
            feature: its name.
            values: of its column; None for all of its vocabulary, or the numbers below `num_buckets`. Values that share
                a row of a hash table have one vector.
            group: the feature group, where the feature has tables of its own in several.

        Returns:
            The values are the index; as many columns as the vector has numbers.

        Raises:
            UserError: the model is an export, the feature has no table, or its values are not known.

        Example:
            >>> model.embeddings("city").shape
            (3, 4)
            >>> model.embeddings("item", values=["i1", "i2"]).index.tolist()
            ['i1', 'i2']
        """
        return embedding_frame(self._checkpoint("Embeddings are read from"), feature, values, group)

    @contextmanager
    def _paths(self, data: Data, name: str, further: Sequence[str] = ()) -> Iterator[str]:
        """Yields the path of data, of the evaluation data that the model was trained with where there are none."""
        own = view.eval_input(self.config.pipeline)
        if data is None and name not in self.tables and not own:
            raise UserError(f"{self.source}: its config has no eval_input_path. Give data.")
        given = own if data is None and name not in self.tables else data
        with data_as_paths({name: given}, self.config.pipeline, further, self.tables) as paths:
            yield paths[name]
