"""Further outputs of a model: formulas over the scores of its tasks, `export_config.final_score`."""

from collections.abc import Mapping
from functools import reduce

import tensorflow as tf

from easymtl.config.expressions import SCORES, Tree, evaluate, names_in, parse_expression
from easymtl.config.expressions.evaluation import Operations
from easymtl.config.final_scores import score_names
from easymtl.features.arithmetic import OPERATIONS as ARITHMETIC
from easymtl.protos.pipeline_pb2 import Pipeline


def _of_all(operation: str):
    """Returns an operation of two as one of any number of values."""

    def of_values(x, y, *more):
        return reduce(ARITHMETIC[operation], more, ARITHMETIC[operation](x, y))

    return of_values


OPERATIONS: Operations = {
    **{sign: ARITHMETIC[sign] for sign in ("+", "-", "*", "/", "-x")},
    **{name: ARITHMETIC[f"tf.{name}"] for name in ("abs", "exp", "log", "log1p", "pow", "sigmoid", "sqrt")},
    "**": ARITHMETIC["tf.pow"],
    "max": _of_all("tf.maximum"),
    "min": _of_all("tf.minimum"),
}
"""What formulas over scores may say, in float64."""


class FinalScores:
    """The final scores of a config.

    Example:
        scores = FinalScores(pipeline)          # final_score { name: "rank" expression: "ctr * log1p(y_watch)" }
        scores({"probs_ctr": ..., "y_watch": ...})["rank"]   # float32 [batch]
    """

    def __init__(self, pipeline: Pipeline):
        """Reads the formulas.

        Raises:
            ExpressionFault: one is none, which `check` has said.
        """
        self._outputs = score_names(pipeline)
        known = [*self._outputs]
        self._trees: list[tuple[str, Tree]] = []
        for score in pipeline.export_config.final_score:
            self._trees.append((score.name, parse_expression(score.expression, SCORES, known)))
            known.append(score.name)

    def __call__(self, predictions: Mapping[str, tf.Tensor]) -> dict[str, tf.Tensor]:
        """Returns the final scores by name, float32 `[batch]`.

        They are NaN where a formula has no value, and infinite where it is too large for a float32.

        Args:
            predictions: those of the tasks by name, `[batch]` each of those that a formula reads.
        """
        values: dict[str, tf.Tensor] = {}
        for name, tree in self._trees:
            read = [known for known in names_in(tree) if known not in values]
            scores = {known: tf.cast(predictions[self._outputs[known]], tf.float64) for known in read}
            values[name] = evaluate(tree, scores | values, OPERATIONS)
        return {name: tf.cast(value, tf.float32) for name, value in values.items()}
