"""Names of the dialect that are not in its messages: activations, normalizers, model classes, metrics.

Rooms that give these names a meaning import the lists from here, so that a name the check accepts exists.
"""

import re
from collections.abc import Iterable
from typing import NamedTuple

from easymtl.extensions import Extension, Table
from easymtl.protos.task_pb2 import KD

ACTIVATIONS = (
    "relu",
    "gelu",
    "leaky_relu",
    "prelu",
    "dice",
    "elu",
    "selu",
    "tanh",
    "swish",
    "sigmoid",
    "linear",
)

BLOCK_ACTIVATIONS = (*ACTIVATIONS, "softmax", "silu", "softplus", "softsign", "relu6", "exponential", "mish")
"""Activations of the layers of block graphs."""

INITIALIZERS = (
    "glorot_uniform",
    "glorot_normal",
    "he_uniform",
    "he_normal",
    "lecun_uniform",
    "lecun_normal",
    "random_uniform",
    "random_normal",
    "truncated_normal",
    "zeros",
    "ones",
)

NARY_BASES = (2, 9)
"""The bases of a nary_dis_embedding that names none."""

NORMALIZERS = (
    "abs",
    "atan",
    "ceil",
    "cos",
    "exp",
    "expm1",
    "floor",
    "identity",
    "log",
    "log1p",
    "log_sigmoid",
    "negative",
    "reciprocal",
    "round",
    "rsqrt",
    "sigmoid",
    "sign",
    "sin",
    "softplus",
    "softsign",
    "sqrt",
    "square",
    "tanh",
)

MODEL_CLASSES = {
    "simple_multi_task": "SimpleMultiTask",
    "mmoe": "MMoE",
    "ple": "PLE",
    "dbmtl": "DBMTL",
    "esmm": "ESMM",
    "shared_bottom": "SharedBottom",
    "omoe": "OMoE",
    "cgc": "CGC",
    "aitm": "AITM",
    "stem": "STEM",
    "home": "HoME",
    "adatt": "AdaTT",
    "pepnet": "PEPNet",
    "escm2": "ESCM2",
    "model_params": "MultiTaskModel",
}
"""`model_class` of each member of the model oneof."""

INPUT_GROUP = "all"
"""The feature group that a model reads when it does not name groups itself."""

IMPUTATION = "_imputation"
"""What stands behind the conversion tower's name in the layers of ESCM²'s imputation tower."""

JOINT_OF_ESMM = "ctcvr"
"""How ESMM names click and conversion in one, in predictions and metrics."""

_PREFIXES = ("tf.", "math.", "nn.")


class Metric(NamedTuple):
    """What a metric of `metrics_set` can be computed on.

    Attributes:
        tasks: kinds of tasks: `binary` (one probability), `classes` (several), `value` (a regression).
        most_classes: largest num_class, 0 for any.
        is_error: whether smaller is better.
        is_of_order: whether it depends on nothing but the order of the predictions, so that any score has it.
    """

    tasks: tuple[str, ...]
    most_classes: int = 0
    is_error: bool = False
    is_of_order: bool = False


def _metric_of(extension: Extension) -> Metric:
    declared = extension.declaration
    return Metric(declared.tasks, is_error=declared.is_error, is_of_order=declared.is_of_order)


_METRICS = {
    "auc": Metric(("binary", "classes"), most_classes=2, is_of_order=True),
    "gauc": Metric(("binary", "classes"), most_classes=2, is_of_order=True),
    "session_auc": Metric(("binary", "classes"), most_classes=2, is_of_order=True),
    "accuracy": Metric(("binary", "classes")),
    "precision": Metric(("binary",)),
    "recall": Metric(("binary",)),
    "max_f1": Metric(("binary",)),
    "recall_at_topk": Metric(("classes",)),
    "precision_at_topk": Metric(("classes",)),
    "mean_absolute_error": Metric(("binary", "value"), is_error=True),
    "mean_squared_error": Metric(("binary", "value"), is_error=True),
    "root_mean_squared_error": Metric(("binary", "value"), is_error=True),
    "log_loss": Metric(("binary", "classes"), is_error=True),
    "normalized_entropy": Metric(("binary",), is_error=True),
    "calibration": Metric(("binary", "value")),
    "pr_auc": Metric(("binary",), is_of_order=True),
    "xauc": Metric(("value",), is_of_order=True),
}

METRICS: Table[Metric] = Table("metric", _METRICS, _metric_of)
"""Members of `EvalMetrics`, and behind them the metrics of installed packages."""

IMPORTANCE_WAYS = ("feature", "input", "group")
"""What `--by` of `easymtl importance` can be."""

SUMMARIES = ("mean", "min", "max")
"""What an evaluation tells of a `final_score` whatever the labels are: `mean_<name>` and so on."""


def activation_name(text: str) -> str:
    """Returns an activation without its prefix: `tf.nn.relu` -> `relu`; an empty text is `linear`."""
    return text.removeprefix("tf.").removeprefix("nn.").lower() or "linear"


def initializer_name(text: str) -> str:
    """Returns an initializer as its function is called: `HeUniform` and `he_uniform` -> `he_uniform`."""
    return re.sub(r"(?<=[a-z])(?=[A-Z])", "_", text).lower()


def is_lambda(text: str) -> bool:
    """Returns whether a `normalizer_fn` is a lambda rather than a name."""
    return text.split(maxsplit=1)[:1] == ["lambda"]


def normalizer_name(text: str) -> str:
    """Returns a normalizer without its prefix: `tf.math.log1p` and `tf.log1p` -> `log1p`."""
    for prefix in _PREFIXES:
        text = text.removeprefix(prefix)
    return text


def metric_result(metric: str, tower_name: str, weighted: bool = False) -> str:
    """Returns the name of a metric of a tower in reports: `auc_ctr`, `weighted_auc_ctr`."""
    return f"{'weighted_' if weighted else ''}{metric}_{tower_name}"


def numbered(names: Iterable[str]) -> list[str]:
    """Returns the names in order, with `_2`, `_3`, ... behind those that came before: `a a` becomes `a a_2`."""
    result: list[str] = []
    for name in names:
        unique, number = name, 1
        while unique in result:
            number += 1
            unique = f"{name}_{number}"
        result.append(unique)
    return result


def distillation_name(kd: KD) -> str:
    """Returns the name of the loss of an entry of `kd`, as in EasyRec."""
    return kd.loss_name or f"kd_loss_{kd.pred_name}_{kd.soft_label_name}".replace("/", "_")
