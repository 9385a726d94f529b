"""What a step tells, by name."""

from dataclasses import dataclass

import tensorflow as tf

Values = dict[str, tf.Tensor]

WEIGHT = "weight/"
COSINE = "gradient_cosine/"
ANSWER = "answer"


@dataclass(frozen=True)
class StepValues:
    """What a step has told, sorted.

    Attributes:
        losses: each loss by name, `regularization_loss` and `loss`.
        weights: by task or loss; empty where tasks are not balanced.
        cosines: by `<task>/<task>`; empty in most steps.
        answer: what the step has come to, see `Answer`.
    """

    losses: Values
    weights: Values
    cosines: Values
    answer: tf.Tensor | None = None

    @classmethod
    def of(cls, values: Values) -> "StepValues":
        """Sorts the values of a step by their names."""
        values = dict(values)
        answer = values.pop(ANSWER, None)
        weights = _named(values, WEIGHT)
        cosines_ = _named(values, COSINE)
        losses = {name: value for name, value in values.items() if not name.startswith((WEIGHT, COSINE))}
        return cls(losses, weights, cosines_, answer)


def _named(values: Values, prefix: str) -> Values:
    return {name.removeprefix(prefix): value for name, value in values.items() if name.startswith(prefix)}
