"""Which evaluation is the best so far."""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from easymtl.config import view
from easymtl.config.names import METRICS
from easymtl.protos.pipeline_pb2 import Pipeline


@dataclass
class Best:
    """The best evaluation of a training.

    Attributes:
        metric: name of what is compared.
        results: the results that it is the mean of: all towers' `auc_<tower>` for a bare `auc`.
        bigger: whether more of it is better.
        value: the best value, or None before the first evaluation.
        step: updates made by then.
        files: what tells the evaluation data of the best value from others; None where that is not known.
    """

    metric: str
    results: tuple[str, ...]
    bigger: bool
    value: float | None = None
    step: int = 0
    files: list[Any] | None = None

    @classmethod
    def from_pipeline(cls, pipeline: Pipeline) -> "Best":
        """Returns the comparison that a config asks for.

        Losses and errors count as smaller-is-better unless `metric_bigger` is set. Without `best_exporter_metric` and
        without any auc it is `loss`.
        """
        config = pipeline.export_config
        metric = config.best_exporter_metric
        results = view.results_of_metric(pipeline, metric)
        if not results and not config.HasField("best_exporter_metric"):
            metric = "loss"
        kinds = view.metric_results(pipeline)
        is_error = metric in view.LOSS_NAMES or any(METRICS[kinds[name]].is_error for name in results)
        bigger = config.metric_bigger if config.HasField("metric_bigger") else not is_error
        return cls(metric, tuple(results) or (metric,), bigger)

    def is_comparable(self, files: list[Any]) -> bool:
        """Returns whether the best value, if there is one, is that of the same evaluation data."""
        return self.value is None or self.files is None or self.files == files

    def update(self, step: int, metrics: Mapping[str, float], files: list[Any] | None = None) -> bool:
        """Returns whether an evaluation is the best so far on its data, and remembers it if so."""
        if files is not None and not self.is_comparable(files):
            self.value = None
        value = self.read(metrics)
        if math.isnan(value):
            return False
        is_better = self.value is None or (value > self.value if self.bigger else value < self.value)
        if is_better:
            self.value, self.step, self.files = value, step, files
        return is_better

    def read(self, metrics: Mapping[str, float]) -> float:
        """Returns what is compared, NaN when the data did not determine it."""
        values = [metrics[name] for name in self.results if not math.isnan(metrics.get(name, math.nan))]
        return sum(values) / len(values) if values else math.nan

    def text(self, value: float | None = None) -> str:
        """Returns the best value, or another one, behind its name: `auc 0.74425`; empty before the first evaluation."""
        value = self.value if value is None else value
        if value is None:
            return ""
        return f"{'mean ' if len(self.results) > 1 else ''}{self.metric} {value:.5f}"

    def restore(self, state: Mapping[str, Any]) -> None:
        """Takes over the best of an earlier run, if it compared the same metric."""
        if state and state["metric"] == self.metric and state["bigger"] == self.bigger:
            self.value, self.step, self.files = state["value"], state["step"], state.get("files")

    def state(self) -> dict[str, Any]:
        """Returns what `restore` takes."""
        return {
            "metric": self.metric,
            "bigger": self.bigger,
            "value": self.value,
            "step": self.step,
            "files": self.files,
        }
