"""What the scores of a task predict: named probabilities, values and classes."""

from dataclasses import dataclass

import tensorflow as tf

from easymtl.protos.loss_pb2 import ZILNLoss
from easymtl.tasks.label_transform import Transform
from easymtl.tasks.loss_inputs import Output
from easymtl.tasks.losses_pointwise import lognormal_predictions


@dataclass(frozen=True)
class Predicted:
    """Makes predictions of scores, float32 `[batch]`, or `[batch, num_outputs]` of several outputs.

    Attributes:
        output: what the scores stand for.
        num_outputs: how many there are of each row.
        transform: what the label has gone through, and values go back; None for the label itself.
        lognormal: parameters of the loss of lognormal values; None of others.
    """

    output: Output
    num_outputs: int
    transform: Transform | None = None
    lognormal: ZILNLoss | None = None

    @property
    def kind(self) -> str:
        """What is predicted: `binary` (the probability of one event), `classes` (of several) or `value`."""
        if not self.output.is_probability:
            return "value"
        return "classes" if self.num_outputs > 1 and self.output is Output.PROBABILITY else "binary"

    def names(self, name: str) -> list[str]:
        """Returns the names of the predictions."""
        return list(self.named(name, tf.zeros([1, self.num_outputs] if self.num_outputs > 1 else [1])))

    def log_odds(self, scores: tf.Tensor) -> tf.Tensor:
        """Returns log p - log(1 - p) of the event, float32 `[batch]`."""
        return scores[:, 1] - scores[:, 0] if self.output is Output.SECOND_CLASS else scores

    def named(self, name: str, scores: tf.Tensor) -> dict[str, tf.Tensor]:
        """Returns the predictions by name, float32 except the number of a class; they need no label and no key.

        One event: `probs_<name>` and `logits_<name>`, `[batch]`. Classes: the same as `[batch, num_class]`, and
        `y_<name>`, int64 `[batch]`, the likeliest class. Regression: `y_<name>`, `[batch]`; a zero-inflated lognormal
        one also `probs_<name>` of a value above 0, `[batch]`, and `logits_<name>`, `[batch, 3]`. JRC_LOSS:
        `probs_<name>` and `pos_logits_<name>` of the second class, `[batch]`, and `logits_<name>`, `[batch, 2]`.

        Args:
            name: of the task.
            scores: what is predicted from.
        """
        if self.output is Output.VALUE:
            return {f"y_{name}": self.transform.inverse(scores) if self.transform else scores}
        if self.output is Output.RATE:
            return {f"y_{name}": tf.sigmoid(scores)}
        if self.output is Output.SECOND_CLASS:
            probabilities = tf.sigmoid(self.log_odds(scores))
            return {f"probs_{name}": probabilities, f"pos_logits_{name}": scores[:, 1], f"logits_{name}": scores}
        if self.lognormal is not None:
            probabilities, values = lognormal_predictions(scores, self.lognormal)
            return {f"probs_{name}": probabilities, f"y_{name}": values, f"logits_{name}": scores}
        if self.num_outputs == 1:
            return {f"probs_{name}": tf.sigmoid(scores), f"logits_{name}": scores}
        return {
            f"probs_{name}": tf.nn.softmax(scores),
            f"logits_{name}": scores,
            f"y_{name}": tf.argmax(scores, axis=-1),
        }
