"""A training that a program has made: what came of it."""

from collections.abc import Mapping
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

import pandas as pd

from easymtl.config import Config
from easymtl.data.memory import HeldTable

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from easymtl.api.model import Model
    from easymtl.training.result import TrainingResult


class Run:
    """A training, ended or stopped.

    Attributes:
        config: what was trained, with the paths and the model_dir that it had.
        model_dir: where it is kept; `easymtl.open` opens it later.
        step: updates that the weights have had in all.
        best_step: updates behind the best evaluation; None without evaluation data.
        metrics: of the last evaluation, by `<metric>_<task>`, with the losses; empty without evaluation data.
        tables: those of its data that are in memory, by "train" and "eval".
        is_stopped: it was told to stop before its end. `easymtl.train` with the same arguments goes on.

    Example:
        >>> run = easymtl.train("shop.config", verbose=False)
        >>> run.step, sorted(run.metrics)[:2]
        (20, ['auc_buy', 'auc_click'])
    """

    def __init__(self, config: Config, result: "TrainingResult", tables: Mapping[str, HeldTable]):
        self.config = config
        self.model_dir = Path(config.pipeline.model_dir)
        self.step = result.step
        self.best_step = result.best_step
        self.metrics: dict[str, float] = dict(result.metrics)
        self.is_stopped = result.is_stopped
        self.tables: dict[str, HeldTable] = dict(tables)

    def __repr__(self) -> str:
        shown = ", ".join(f"{name} {value:.4f}" for name, value in self.metrics.items() if "loss" not in name)
        return (
            f"<Run {self.model_dir}: step {self.step}{', stopped' if self.is_stopped else ''}; {shown or 'no metrics'}>"
        )

    @cached_property
    def history(self) -> pd.DataFrame:
        """Returns what is known of each step: losses, metrics, rates, gates.

        The index is the step, the columns are those of `history_table`: `train_<loss>`, `eval_<metric>`,
        `learning_rate_dense`, ... It begins with the first step of the model_dir, whoever trained it.

        Example:
            >>> run.history["eval_auc_click"].dropna().index.tolist()
            [10, 20]
        """
        from easymtl.reporting.history import read_history
        from easymtl.reporting.history_table import history_table

        return history_table(read_history(self.model_dir)).to_pandas().set_index("step")

    @cached_property
    def model(self) -> "Model":
        """Returns the model of the newest checkpoint, open.

        Example:
            >>> run.model.step
            20
        """
        from easymtl.api.opening import open_checkpoint

        return open_checkpoint(self.config, "latest", self.tables)

    def plot(self) -> "Figure":
        """Returns the learning curves as a figure: the loss, and the first metric of each task.

        Raises:
            UserError: matplotlib is not installed.

        Example:
            >>> [axes.get_title() for axes in run.plot().axes]
            ['loss', 'auc_click', 'auc_buy']
        """
        from easymtl.api.curves import draw_curves

        return draw_curves(self.config.pipeline, self.history)
