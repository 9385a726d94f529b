"""A model as an estimator of scikit-learn, for its splitters and searches."""

import os
import tempfile
from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
from sklearn.base import BaseEstimator
from sklearn.metrics import roc_auc_score
from sklearn.utils.validation import check_is_fitted

from easymtl.api.configs import config_of, init
from easymtl.api.data_input import Data, is_path
from easymtl.api.model import Model
from easymtl.api.run import Run
from easymtl.api.training import train
from easymtl.config import Config, parse_config
from easymtl.data.fields import input_fields
from easymtl.data.memory import HeldTable, tables_as_paths
from easymtl.data.tables import hold_table, is_table
from easymtl.errors import UserError, quoted
from easymtl.scoring.scored_rows import Scored, ScoredRows
from easymtl.tasks.evaluation import prediction_name
from easymtl.tasks.task import Task

_NESTED = "__"
# A fold is judged by its own rows, and an export of each would take longer than its training.
_WITHOUT = {"eval_input_path": "", "parquet_eval_input": "", "export_config.exporter_type": "none"}


class MultiTaskRanker(BaseEstimator):
    """Trains a config by `fit`, so that `cross_val_score`, `GridSearchCV` and the like work.

    Fields of the config are parameters, with `__` for the dots of their paths:
    `GridSearchCV(ranker, {"train_config__num_steps": [100, 200]})`. It trains without evaluation data and exports
    nothing. With `n_jobs` above 1 each process starts TensorFlow for itself.

    Attributes:
        run_: the training, after `fit`.
        model_: the model, open: `easymtl.export(ranker.model_, ...)` exports it.

    Example:
        >>> features, labels = rows.drop(columns=["click", "buy"]), rows[["click", "buy"]]
        >>> ranker = easymtl.MultiTaskRanker("shop.config", {"train_config.num_steps": 2}).fit(features, labels)
        >>> [part.shape for part in ranker.predict_proba(features)] == [(len(rows), 2)] * 2
        True
        >>> ranker.predict(features).shape == labels.shape and 0 <= ranker.score(features, labels) <= 1
        True
    """

    def __init__(
        self,
        config: Config | str | os.PathLike[str] | None = None,
        overrides: Mapping[str, Any] | None = None,
        model_dir: str | os.PathLike[str] | None = None,
        verbose: bool = False,
    ):
        """Trains nothing yet.

        Args:
            config: a config or its path; None drafts one for the rows of `fit`, as `easymtl.init` does.
            overrides: values of its fields by path, as `easymtl.load` takes them.
            model_dir: where the training is kept; None is a temporary folder, which goes with the estimator.
            verbose: whether to print what `easymtl train` prints.
        """
        self.config = config
        self.overrides = overrides
        self.model_dir = model_dir
        self.verbose = verbose

    def get_params(self, deep: bool = True) -> dict[str, Any]:
        """Returns the arguments; with `deep` also the fields that are overridden, by their path with `__`."""
        found = super().get_params(deep=False)
        if deep:
            found |= {path.replace(".", _NESTED): value for path, value in (self.overrides or {}).items()}
        return found

    def set_params(self, **params: Any) -> "MultiTaskRanker":
        """Sets arguments, and fields of the config by their path with `__`."""
        fields = {name.replace(_NESTED, "."): value for name, value in params.items() if _NESTED in name}
        super().set_params(**{name: value for name, value in params.items() if _NESTED not in name})
        if fields:
            self.overrides = {**(self.overrides or {}), **fields}
        return self

    def fit(self, X: Data, y: Any = None) -> "MultiTaskRanker":
        """Trains from the first step.

        Args:
            X: rows, a table.
            y: labels by name: a DataFrame or a dict; a Series or `[n]` for one label, `[n, labels]` in the order of
                `data_config.label_fields`. None where X has them.

        Raises:
            UserError: the config or the data are wrong.
        """
        rows = self._rows(X, y, self._config(None) if self.config is not None else None)
        config = self._config(rows)
        self._folder = tempfile.TemporaryDirectory(prefix="easymtl-") if self.model_dir is None else None
        model_dir = self._folder.name if self._folder else str(self.model_dir)
        self.run_: Run = train(config, rows.table, model_dir=model_dir, continue_train=False, verbose=self.verbose)
        self.model_: Model = self.run_.model
        return self

    def predict_proba(self, X: Data) -> np.ndarray | list[np.ndarray]:
        """Returns the probabilities of the classes of each task, `[n, classes]`.

        It is an array for one task, a list of them in the order of the towers for several, as other estimators of
        several outputs have it. Tasks that predict a value have none.
        """
        scores = self._scores(X)
        found = [_probabilities(task, scores) for task in self._tasks if task.predicted != "value"]
        if not found:
            raise UserError("predict_proba: no task of the config predicts classes. Use predict.")
        return found[0] if len(self._tasks) == 1 else found

    def predict(self, X: Data) -> np.ndarray:
        """Returns the likeliest class, or the value, of each task: `[n]` for one task, else `[n, tasks]`."""
        scores = self._scores(X)
        found = [_value(task, scores) for task in self._tasks]
        return found[0] if len(found) == 1 else np.stack(found, axis=1)

    def score(self, X: Data, y: Any = None) -> float:
        """Returns the mean AUC of the tasks with binary labels, over rows that count for a task and have its label.

        Raises:
            UserError: there is no such task, or no rows of both classes.
        """
        check_is_fitted(self, "model_")
        held = self._rows(X, y, self.run_.config)
        rows = ScoredRows(self.model_.tasks)
        with tables_as_paths({"data": held}) as paths:
            self.model_.evaluate_files(paths["data"], collectors=[rows])
        found = [auc for auc in map(_auc, _first_of_each(rows)) if auc is not None]
        if not found:
            raise UserError("score: no task with binary labels has rows of both classes. Give scoring=... of your own.")
        return float(np.mean(found))

    @property
    def _tasks(self) -> list[Task]:
        check_is_fitted(self, "model_")
        return list(self.model_.tasks)

    def _scores(self, X: Data) -> pd.DataFrame:
        check_is_fitted(self, "model_")
        return self.model_.predict(X)

    def _config(self, rows: HeldTable | None) -> Config:
        """Returns the config with the overrides; one that is drafted where there is none."""
        config = self.config
        if config is None:
            assert rows is not None
            config = init(rows.table, [name for name in rows.table.column_names if name in self._labels], divides=False)
        config = config_of(config, "MultiTaskRanker")
        return parse_config(config.text(), config.path, {**_WITHOUT, **(self.overrides or {})})

    def _rows(self, X: Data, y: Any, config: Config | None) -> HeldTable:
        """Returns rows with their labels as one table."""
        if is_path(X) or not is_table(X):
            raise UserError("X is no table. Give a DataFrame of pandas or polars, or a table of pyarrow.")
        names = list(config.pipeline.data_config.label_fields) if config else None
        labels = hold_table(_labelled(y, names), "y") if y is not None else None
        self._labels = labels.table.column_names if labels else []
        wanted = input_fields(config.pipeline.data_config) if config else None
        rows = hold_table(X, "train", wanted).table
        for name in self._labels:
            rows = rows.drop_columns(name) if name in rows.column_names else rows
        if labels is not None:
            if labels.table.num_rows != rows.num_rows:
                raise UserError(f"X has {rows.num_rows:,} rows and y {labels.table.num_rows:,}.")
            for name in self._labels:
                rows = rows.append_column(name, labels.table.column(name))
        return HeldTable("train", rows)


def _labelled(y: Any, names: list[str] | None) -> Any:
    """Returns labels as a table."""
    if isinstance(y, Mapping):
        return pd.DataFrame(dict(y))
    # A Series of pandas or polars, which has Arrow's interface as a table has; polars names each, if by nothing.
    is_series = hasattr(y, "to_frame")
    if is_series and y.name not in (None, ""):
        return y.to_frame(str(y.name))
    if is_table(y) and not is_series and not isinstance(y, (pa.Array, pa.ChunkedArray)):
        return y
    values = np.asarray(y)
    values = values[:, None] if values.ndim == 1 else values
    if names is None or values.ndim != 2 or values.shape[1] != len(names):
        shape = " x ".join(map(str, values.shape[1:]))
        raise UserError(
            f"y is an array of {shape} labels a row without names; the config has {quoted(names or ())}. Give a "
            "DataFrame or a dict with the names of the labels."
        )
    return pd.DataFrame(values, columns=names)


def _probabilities(task: Task, scores: pd.DataFrame) -> np.ndarray:
    """Returns `[n, classes]`."""
    column = scores[prediction_name(task, task.measures[0])]
    if task.predicted == "binary":
        positive = column.to_numpy()
        return np.stack([1 - positive, positive], axis=1)
    return np.stack(column.to_list())


def _value(task: Task, scores: pd.DataFrame) -> np.ndarray:
    """Returns `[n]`."""
    if task.predicted == "value":
        return scores[prediction_name(task, task.measures[0])].to_numpy()
    return np.argmax(_probabilities(task, scores), axis=1)


def _first_of_each(rows: ScoredRows) -> Iterator[Scored]:
    """Yields the prediction of each task that `predict_proba` is of."""
    seen: set[str] = set()
    for scored in rows.scored:
        if scored.task.name not in seen:
            seen.add(scored.task.name)
            yield scored


def _auc(scored: Scored) -> float | None:
    counts = ~np.isnan(scored.labels) & (scored.weights > 0)
    labels = scored.labels[counts]
    if scored.task.predicted != "binary" or len(np.unique(labels)) != 2:
        return None
    return float(roc_auc_score(labels, scored.predictions[counts]))
