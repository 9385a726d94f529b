"""`sparse_optimizer` and `dense_optimizer` of TorchEasyRec become our two: embeddings first, dense weights second."""

from collections.abc import Callable

from easymtl.convert.schedules import learning_rate
from easymtl.convert.source import Node
from easymtl.protos.optimizer_pb2 import AdamOptimizer, AdamWOptimizer, LearningRate, Optimizer

_ADAM_EPSILON = 1e-8
_SMALL_ACCUMULATOR = 1e-10


def convert_optimizer(node: Node, what: str) -> Optimizer:
    """Returns an optimizer with its schedule.

    Args:
        node: a `SparseOptimizer` or `DenseOptimizer`.
        what: what it moves: `embeddings` or `dense weights`.
    """
    optimizer = Optimizer()
    theirs = node.chosen("optimizer")
    if theirs is None:
        node.guessed("", f"no optimizer is set for the {what}: Adam with a rate of 0.001 is used.")
        _adam_message(optimizer, learning_rate(node, 0.001))
        return optimizer
    rates = learning_rate(node, theirs.take("lr"))
    name = theirs.path.rpartition(".")[2]
    _OPTIMIZERS[name](theirs, optimizer, rates)
    _common(theirs, name)
    _average(node, optimizer)
    for part in node.nodes("part_optimizers"):
        pattern = part.take("regex_pattern")
        part.left_out("", f'the weights that "{pattern}" matches are moved by the optimizer of all dense weights.')
        part.mark_all()
    return optimizer


def _common(theirs: Node, name: str) -> None:
    """Remarks on what no optimizer of ours takes."""
    if theirs.take("gradient_clipping"):
        text = f"gradients of embeddings are not cut to {theirs.take('max_gradient'):g} one by one; "
        theirs.left_out("gradient_clipping", text + "train_config.gradient_clipping_by_norm scales all of them.")
    theirs.mark("max_gradient")
    if theirs.take("weight_decay") and "adamw" not in name:
        text = "there is none here; use adamw_optimizer or momentumw_optimizer, or l2_regularization of the model."
        theirs.left_out("weight_decay", text)
    if theirs.take("amsgrad"):
        theirs.left_out("amsgrad", "Adam is without it here.")


def _average(node: Node, optimizer: Optimizer) -> None:
    average = node.node("ema")
    if average is not None:
        optimizer.use_moving_average, optimizer.moving_average_decay = True, average.take("decay")
        average.changed("", "evaluations and exports read the averages, whatever use_dense_ema says.")


def _adam_message(optimizer: Optimizer, rates: LearningRate) -> None:
    optimizer.adam_optimizer.learning_rate.CopyFrom(rates)


def _adam(theirs: Node, optimizer: Optimizer, rates: LearningRate) -> None:
    _adam_message(optimizer, rates)
    _betas(theirs, optimizer.adam_optimizer)


def _betas(theirs: Node, ours: AdamOptimizer | AdamWOptimizer) -> None:
    epsilon = theirs.take("eps")
    if epsilon is not None and abs(epsilon / _ADAM_EPSILON - 1) > 1e-5:
        theirs.left_out("eps", f"epsilon is {_ADAM_EPSILON:g} here.")
    for field in ("beta1", "beta2"):
        if abs(theirs.take(field) / getattr(ours, field) - 1) > 1e-6:
            setattr(ours, field, theirs.take(field))


def _adamw(theirs: Node, optimizer: Optimizer, rates: LearningRate) -> None:
    decay, rate = theirs.take("weight_decay"), theirs.take("lr")
    if not decay:
        _adam(theirs, optimizer, rates)
        return
    ours = optimizer.adamw_optimizer
    ours.learning_rate.CopyFrom(rates)
    ours.weight_decay = decay * rate
    text = f"it is {decay * rate:g} = weight_decay * lr here, which the learning rate does not scale"
    if rates.WhichOneof("learning_rate") != "constant_learning_rate":
        theirs.changed("weight_decay", f"{text}: there it falls with the schedule.")
    else:
        theirs.changed("weight_decay", f"{text}; the effect is the same.")
    _betas(theirs, ours)


def _sgd(theirs: Node, optimizer: Optimizer, rates: LearningRate) -> None:
    ours = optimizer.momentum_optimizer
    ours.learning_rate.CopyFrom(rates)
    ours.momentum_optimizer_value = theirs.take("momentum") or 0
    for field in ("dampening", "nesterov"):
        if theirs.take(field):
            theirs.left_out(field, "momentum is plain here: v = momentum * v + gradient.")


def _adagrad(theirs: Node, optimizer: Optimizer, rates: LearningRate) -> None:
    ours = optimizer.adagrad_optimizer
    ours.learning_rate.CopyFrom(rates)
    start = theirs.take("initial_accumulator_value") or 0
    ours.initial_accumulator_value = start or _SMALL_ACCUMULATOR
    if not start:
        text = f"it starts at {_SMALL_ACCUMULATOR:g}, as there is no epsilon beside it here; there it starts at 0."
        theirs.changed("initial_accumulator_value", text)
    theirs.mark("eps")


def _rmsprop(theirs: Node, optimizer: Optimizer, rates: LearningRate) -> None:
    ours = optimizer.rms_prop_optimizer
    ours.learning_rate.CopyFrom(rates)
    ours.momentum_optimizer_value = 0
    ours.decay = theirs.take("alpha")
    # Theirs is added to the root, ours below it.
    ours.epsilon = theirs.take("eps") ** 2


def _adadelta(theirs: Node, optimizer: Optimizer, rates: LearningRate) -> None:
    theirs.changed("", "there is no Adadelta here: RMSProp with the same decay is used. Tune its learning rate.")
    ours = optimizer.rms_prop_optimizer
    ours.learning_rate.CopyFrom(rates)
    ours.momentum_optimizer_value = 0
    ours.decay, ours.epsilon = theirs.take("rho"), theirs.take("eps")


def _nearest(
    convert: Callable[[Node, Optimizer, LearningRate], None], text: str
) -> Callable[[Node, Optimizer, LearningRate], None]:
    def nearest(theirs: Node, optimizer: Optimizer, rates: LearningRate) -> None:
        theirs.changed("", text)
        convert(theirs, optimizer, rates)

    return nearest


_ONE_A_ROW = "{} has one second moment for each row of a table there, and one for each number of a row here."
_TRUST = "there is no {} here, which scales each layer's step: {} is used. Tune its learning rate."
_OPTIMIZERS: dict[str, Callable[[Node, Optimizer, LearningRate], None]] = {
    "sgd_optimizer": _sgd,
    "adagrad_optimizer": _adagrad,
    "adam_optimizer": _adam,
    "adamw_optimizer": _adamw,
    "rmsprop_optimizer": _rmsprop,
    "adadelta_optimizer": _adadelta,
    "rowwise_adagrad_optimizer": _nearest(_adagrad, _ONE_A_ROW.format("Adagrad")),
    "partial_rowwise_adam_optimizer": _nearest(_adam, _ONE_A_ROW.format("Adam")),
    "lamb_optimizer": _nearest(_adam, _TRUST.format("LAMB", "Adam")),
    "partial_rowwise_lamb_optimizer": _nearest(_adam, _TRUST.format("LAMB", "Adam")),
    "lars_sgd_optimizer": _nearest(_sgd, _TRUST.format("LARS", "momentum")),
}
