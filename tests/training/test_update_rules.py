"""Every optimizer three ways: TensorFlow's kernel, the formula for rows, and NumPy in float64 agree step by step."""

from decimal import Decimal, localcontext

import numpy as np
import pytest
import tensorflow as tf
from google.protobuf import text_format
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from easymtl.protos.optimizer_pb2 import Optimizer as OptimizerConfig
from easymtl.training.optimizers import Optimizer, RowGradient
from easymtl.training.update_rules import UPDATE_RULES, Moment

RATE = 0.05
LEARNING_RATE = f"learning_rate {{ constant_learning_rate {{ learning_rate: {RATE} }} }}"
TEXTS = {
    "adam": "adam_optimizer { %s beta1: 0.8 beta2: 0.95 }",
    "lazy_adam": "lazy_adam_optimizer { %s }",
    "adamw": "adamw_optimizer { %s weight_decay: 0.01 }",
    "momentum": "momentum_optimizer { %s momentum_optimizer_value: 0.7 }",
    "momentumw": "momentumw_optimizer { %s weight_decay: 0.02 momentum_optimizer_value: 0.7 }",
    "rms_prop": "rms_prop_optimizer { %s decay: 0.8 momentum_optimizer_value: 0.6 epsilon: 0.5 }",
    "rms_prop_default": "rms_prop_optimizer { %s }",
    "adagrad": "adagrad_optimizer { %s initial_accumulator_value: 0.2 }",
    "ftrl": "ftrl_optimizer { %s l1_reg: 0.01 l2_reg: 0.02 l2_shrinkage_reg: 0.03 learning_rate_power: -0.4 }",
    "ftrl_default": "ftrl_optimizer { %s }",
}


def config(name: str) -> OptimizerConfig:
    return text_format.Parse(TEXTS[name] % LEARNING_RATE, OptimizerConfig())


def moment(step: int, optimizer: Optimizer) -> Moment:
    return optimizer.moment(tf.constant(RATE, tf.float32), tf.constant(step, tf.int64))


class Adam:
    """Kingma and Ba 2015, algorithm 1, epsilon outside of the bias correction."""

    def __init__(self, options, shape):
        self.options, self.m, self.v = options, np.zeros(shape), np.zeros(shape)

    def __call__(self, w, g, step):
        b1, b2 = self.options.beta1, self.options.beta2
        self.m = b1 * self.m + (1 - b1) * g
        self.v = b2 * self.v + (1 - b2) * g**2
        return w - RATE * np.sqrt(1 - b2**step) / (1 - b1**step) * self.m / (np.sqrt(self.v) + 1e-8)


class Momentum:
    def __init__(self, options, shape):
        self.momentum, self.a = options.momentum_optimizer_value, np.zeros(shape)

    def __call__(self, w, g, step):
        self.a = self.momentum * self.a + g
        return w - RATE * self.a


class RMSProp:
    def __init__(self, options, shape):
        self.options, self.square, self.a = options, np.ones(shape), np.zeros(shape)

    def __call__(self, w, g, step):
        decay = self.options.decay
        self.square = decay * self.square + (1 - decay) * g**2
        scaled = RATE * g / np.sqrt(self.square + self.options.epsilon)
        self.a = self.options.momentum_optimizer_value * self.a + scaled
        return w - self.a


class Adagrad:
    def __init__(self, options, shape):
        self.a = np.full(shape, options.initial_accumulator_value)

    def __call__(self, w, g, step):
        self.a = self.a + g**2
        return w - RATE * g / np.sqrt(self.a)


class Ftrl:
    """McMahan et al. 2013, algorithm 1: w minimizes z w + (n^p / rate) w^2 / 2 + l2 w^2 + l1 |w|, p = -power."""

    def __init__(self, options, shape):
        self.options, self.n, self.z = options, np.full(shape, options.initial_accumulator_value), np.zeros(shape)

    def __call__(self, w, g, step):
        power = -self.options.learning_rate_power
        n = self.n + g**2
        self.z = self.z + g + 2 * self.options.l2_shrinkage_reg * w - (n**power - self.n**power) / RATE * w
        self.n = n
        quadratic = n**power / RATE + 2 * self.options.l2_reg
        sparse = np.sign(self.z) * self.options.l1_reg - self.z
        return np.where(np.abs(self.z) > self.options.l1_reg, sparse / quadratic, 0.0)


REFERENCES = {
    "adam_optimizer": Adam,
    "lazy_adam_optimizer": Adam,
    "adamw_optimizer": Adam,
    "momentum_optimizer": Momentum,
    "momentumw_optimizer": Momentum,
    "rms_prop_optimizer": RMSProp,
    "adagrad_optimizer": Adagrad,
    "ftrl_optimizer": Ftrl,
}
GRADIENTS = arrays.arrays(np.float32, [4, 3, 2], elements=st.floats(-4, 4, width=16))
every_optimizer = pytest.mark.parametrize("name", TEXTS)


def start(shape=(3, 2)) -> np.ndarray:
    return np.linspace(-1, 1, int(np.prod(shape)), dtype=np.float32).reshape(shape)


def assert_same(found: np.ndarray, expected: np.ndarray) -> None:
    np.testing.assert_allclose(found, expected, rtol=2e-4, atol=2e-5)


def row_gradient(table: tf.Variable, numbers: tf.Tensor, gradient: tf.Tensor) -> RowGradient:
    return RowGradient(table, numbers, tf.gather(table, numbers), gradient)


@every_optimizer
@settings(max_examples=10, deadline=None)
@given(gradients=GRADIENTS)
def test_kernel_rows_and_numpy_agree_on_every_gradient(name, gradients):
    options = getattr(config(name), config(name).WhichOneof("optimizer"))
    dense, table = tf.Variable(start()), tf.Variable(start())
    by_kernel, by_rows = Optimizer(config(name), [dense]), Optimizer(config(name), [table])
    reference = REFERENCES[config(name).WhichOneof("optimizer")](options, (3, 2))
    expected = start().astype(np.float64)
    for step, gradient in enumerate(gradients, start=1):
        by_kernel.apply([(dense, tf.constant(gradient))], moment(step, by_kernel))
        by_rows.apply_rows(row_gradient(table, tf.range(3), tf.constant(gradient)), moment(step, by_rows))
        expected = reference(expected * (1 - getattr(options, "weight_decay", 0.0)), gradient.astype(float), step)
        assert_same(dense.numpy(), expected)
        assert_same(table.numpy(), expected)
    for slot, value in by_kernel.slots_of(dense).items():
        assert_same(by_rows.slots_of(table)[slot].numpy(), value.numpy())


@every_optimizer
def test_rows_without_a_gradient_do_not_move(name):
    table = tf.Variable(start((5, 2)))
    optimizer = Optimizer(config(name), [table])
    for step in (1, 2):
        optimizer.apply_rows(row_gradient(table, tf.constant([3, 1]), tf.ones([2, 2])), moment(step, optimizer))
    np.testing.assert_array_equal(table.numpy()[[0, 2, 4]], start((5, 2))[[0, 2, 4]])
    assert np.all(table.numpy()[[1, 3]] != start((5, 2))[[1, 3]])
    for slot, value in optimizer.slots_of(table).items():
        np.testing.assert_array_equal(value.numpy()[[0, 2, 4]], np.full([3, 2], optimizer.rule.slots[slot], np.float32))


@every_optimizer
def test_no_rows_at_all_is_an_update_of_nothing(name):
    table = tf.Variable(start())
    optimizer = Optimizer(config(name), [table])
    optimizer.apply_rows(row_gradient(table, tf.zeros([0], tf.int32), tf.zeros([0, 2])), moment(1, optimizer))
    np.testing.assert_array_equal(table, start())


@pytest.mark.parametrize(("kind", "decay"), [("adam_optimizer", ""), ("adamw_optimizer", "weight_decay: 0.01")])
def test_dense_embedding_update_is_the_kernel_on_the_whole_table(kind, decay):
    text = f"{kind} {{ {LEARNING_RATE} {decay} dense_embedding_update: true }}"
    options = text_format.Parse(text, OptimizerConfig())
    decay = getattr(getattr(options, kind), "weight_decay", 0.0)
    table = tf.Variable(start((4, 2)))
    optimizer = Optimizer(options, [table])
    reference = Adam(getattr(options, kind), (4, 2))
    expected = start((4, 2)).astype(np.float64)
    for step, rows in enumerate([[0, 1], [1, 3], [1]], start=1):
        gradient = np.zeros((4, 2))
        gradient[rows] = step
        expected[rows] *= 1 - decay
        expected = reference(expected, gradient, step)
        values = tf.fill([len(rows), 2], float(step))
        optimizer.apply_rows(row_gradient(table, tf.constant(rows), values), moment(step, optimizer))
    assert_same(table.numpy(), expected)
    assert np.all(table.numpy()[0] != start((4, 2))[0])
    np.testing.assert_array_equal(table.numpy()[2], start((4, 2))[2])


def test_there_is_a_test_for_every_rule():
    assert {config(name).WhichOneof("optimizer") for name in TEXTS} == set(UPDATE_RULES) == set(REFERENCES)


BETAS = [0.0, 0.5, 0.9, 0.999, 0.9999, 0.999999, float(np.nextafter(np.float32(1), np.float32(0)))]


@pytest.mark.parametrize("step", [1, 2, 3, 10, 1000, 1 << 20, (1 << 24) + 1, (1 << 40) + 1])
@pytest.mark.parametrize("beta2", BETAS)
@pytest.mark.parametrize("kind", ["adam_optimizer", "lazy_adam_optimizer", "adamw_optimizer"])
def test_the_bias_correction_has_all_its_digits_at_any_step(kind, beta2, step):
    options = text_format.Parse(f"{kind} {{ {LEARNING_RATE} beta1: 0.99999 beta2: {beta2!r} }}", OptimizerConfig())
    message = getattr(options, kind)
    expected = np.float32(RATE) * np.sqrt(one_minus_power(message.beta2, step)) / one_minus_power(message.beta1, step)
    found = moment(step, Optimizer(options, [])).learning_rate
    np.testing.assert_allclose(float(found), expected, rtol=2e-7)


def one_minus_power(beta: float, step: int) -> float:
    with localcontext() as context:
        context.prec = 60
        return float(1 - Decimal(beta) ** step)


@pytest.mark.parametrize("by", ["kernel", "rows"])
@pytest.mark.parametrize("step", [1, 1 << 20, 1 << 24])
def test_an_update_after_equal_gradients_is_the_rate_by_kernel_and_by_rows(by, step):
    options = text_format.Parse(f"adam_optimizer {{ {LEARNING_RATE} beta2: 0.9999999 }}", OptimizerConfig())
    betas = [options.adam_optimizer.beta1, options.adam_optimizer.beta2]
    variable = tf.Variable(tf.zeros([1, 1]))
    optimizer = Optimizer(options, [variable])
    for name, beta in zip(("Adam", "Adam_1"), betas):
        optimizer.slots_of(variable)[name].assign([[one_minus_power(beta, step - 1)]])
    if by == "kernel":
        optimizer.apply([(variable, tf.ones([1, 1]))], moment(step, optimizer))
    else:
        optimizer.apply_rows(row_gradient(variable, tf.constant([0]), tf.ones([1, 1])), moment(step, optimizer))
    second = np.sqrt(one_minus_power(betas[1], step))
    np.testing.assert_allclose(variable, [[-RATE * second / (second + 1e-8)]], rtol=1e-6)


def test_adam_of_a_late_step_still_works():
    variable = tf.Variable([1.0])
    optimizer = Optimizer(config("adam"), [variable])
    optimizer.apply([(variable, tf.constant([1.0]))], moment(10_000_000, optimizer))
    np.testing.assert_allclose(variable, [1 - RATE * 0.2 / np.sqrt(0.05)], rtol=1e-4)


def test_adamw_takes_its_share_of_weights_away_before_the_update():
    """Without a gradient nothing but the decay moves a weight: of a dense one, of a touched row, of a whole table."""
    for whole in ("", "dense_embedding_update: true"):
        text = f"adamw_optimizer {{ {LEARNING_RATE} weight_decay: 1e-6 {whole} }}"
        options = text_format.Parse(text, OptimizerConfig())
        dense, table = tf.Variable([[1.0]]), tf.Variable([[1.0], [1.0]])
        optimizer = Optimizer(options, [dense, table])
        optimizer.apply([(dense, tf.zeros([1, 1]))], moment(1, optimizer))
        optimizer.apply_rows(row_gradient(table, tf.constant([0]), tf.zeros([1, 1])), moment(1, optimizer))
        np.testing.assert_allclose(dense - 1.0, [[-1e-6]], rtol=0.1)
        np.testing.assert_allclose(table - 1.0, [[-1e-6], [0.0]], rtol=0.1)
