"""What every layer is handed: a `Build` when it is made, a `Call` when it is run.

Both go down one path, so no sub-block can miss that it is training, and no two layers share a seed by accident.
"""

import math
import zlib
from collections.abc import Sequence
from dataclasses import dataclass, field

import tensorflow as tf

from easymtl.errors import UserError
from easymtl.layers.gate_weights import GateWeights
from easymtl.layers.initializers import Initializer, glorot_uniform
from easymtl.layers.moving import Pending
from easymtl.layers.views import Views
from easymtl.peers.dealing import Run
from easymtl.peers.peers import ONE, Peers

HOST = "/CPU:0"
"""Where whole numbers are made that decide about sizes, or that kernels of a GPU want in the memory of the host."""

_MOST_NUMBERS = 2**31
"""Of a weight of a layer: 8 GiB. Tables have their own way, and are counted against the memory that there is."""


@dataclass(frozen=True)
class Parameter:
    """A named weight: a variable, or the part of one that a user knows by a name of its own.

    Tables of one width and the kernels of equal experts are stored side by side in one variable. Checkpoints, reports
    and `freeze_gradient` speak of parameters; the names are those that EasyRec gives its variables where it has them.

    Attributes:
        name: unique in the model, for example `mmoe/expert_0/dnn_0/kernel`.
        variable: where it is stored.
        begin: first row of it along the first axis of the variable.
        num_rows: number of such rows.
        shape: its own shape.
        runs: of a table whose rows are dealt out to workers those that this worker has, `num_rows` in all, as runs: the
            first row, counted in the table, and their number. None where it has all.
    """

    name: str
    variable: tf.Variable
    begin: int
    num_rows: int
    shape: tuple[int, ...]
    runs: tuple[Run, ...] | None = None

    @property
    def own_shape(self) -> tuple[int, ...]:
        """Returns the shape of what this worker has of it."""
        return self.shape if self.runs is None else (self.num_rows, *self.shape[1:])

    def read(self, variable: tf.Variable | None = None) -> tf.Tensor:
        """Returns what this worker has of it, or the like part of a variable of the same shape (a slot)."""
        source = self.variable if variable is None else variable
        # A gather copies these rows alone; reading a table that has had sparse updates copies all of it.
        rows = tf.gather(source, tf.range(self.begin, self.begin + self.num_rows))
        return tf.reshape(rows, self.own_shape)

    def assign(self, value: tf.Tensor, variable: tf.Variable | None = None) -> None:
        """Overwrites what this worker has of it, or the like part of a variable of the same shape."""
        target = self.variable if variable is None else variable
        rows = tf.reshape(value, [self.num_rows, *target.shape[1:]])
        if self.num_rows == target.shape[0]:
            target.assign(rows)
        else:
            target[self.begin : self.begin + self.num_rows].assign(rows)


@dataclass
class Build:
    """What is the same for all layers of one model while it is made.

    Attributes:
        seed: seed of all initial values; each parameter adds its own name to it.
        bn_debias: whether batch norm corrects its moving statistics for their start (see `BatchNorm`).
        regularized: the kernels that `l2_regularization` applies to.
        parameters: all parameters by name, in the order they were made.
        unread: names of layers that EasyRec makes, and whose results nothing reads: they are not made here.
    """

    seed: int = 0
    bn_debias: bool = True
    regularized: list[tf.Variable] = field(default_factory=list)
    parameters: dict[str, Parameter] = field(default_factory=dict)
    unread: list[str] = field(default_factory=list)
    _numbers: dict[str, int] = field(default_factory=dict)

    def variable(
        self, names: Sequence[str], value: tf.Tensor, trainable: bool = True, is_stacked: bool = False
    ) -> tf.Variable:
        """Makes a variable whose first axis is shared out evenly among the named parameters.

        Args:
            names: of the parameters; mostly one.
            value: the initial one; a scalar is stored as `[1]`.
            trainable: whether optimizers move it.
            is_stacked: whether the first axis counts the parameters, and is none of theirs.
        """
        is_scalar = not value.shape.rank
        # Without a name: for each name TensorFlow prepares a kernel of its own, seven times the time.
        variable = tf.Variable(tf.reshape(value, [1]) if is_scalar else value, trainable=trainable)
        num_rows = variable.shape[0] // len(names)
        shape = tuple(variable.shape[1:]) if is_stacked or is_scalar else (num_rows, *variable.shape[1:])
        for index, name in enumerate(names):
            assert name not in self.parameters, f"two parameters are named {name}"
            self.parameters[name] = Parameter(name, variable, index * num_rows, num_rows, shape)
        return variable

    def weight(
        self, name: str, shape: Sequence[int], initializer: Initializer = glorot_uniform, trainable: bool = True
    ) -> tf.Variable:
        """Makes a weight whose initial value follows from seed and name; `l2_regularization` does not reach it."""
        _require_possible(name, shape)
        return self.variable([name], initializer(shape, name_seed(self.seed, name)), trainable)

    def kernel(
        self,
        name: str,
        num_inputs: int,
        num_outputs: int,
        initializer: Initializer = glorot_uniform,
        is_regularized: bool = True,
    ) -> tf.Variable:
        """Makes a kernel `[num_inputs, num_outputs]`; `l2_regularization` reaches it if it `is_regularized`."""
        kernel = self.weight(name, [num_inputs, num_outputs], initializer)
        if is_regularized:
            self.regularized.append(kernel)
        return kernel

    def stacked_kernel(self, names: Sequence[str], num_inputs: int, num_outputs: int) -> tf.Variable:
        """Makes kernels of equal shape as one variable `[len(names), num_inputs, num_outputs]`."""
        shape = [num_inputs, num_outputs]
        _require_possible(names[0], [len(names), *shape])
        values = tf.stack([glorot_uniform(shape, name_seed(self.seed, name)) for name in names])
        kernel = self.variable(names, values, is_stacked=True)
        self.regularized.append(kernel)
        return kernel

    def numbered(self, name: str) -> str:
        """Returns a name for a layer that has none of its own: `dense`, then `dense_1`, ... over the whole model."""
        number = self._numbers.get(name, 0)
        self._numbers[name] = number + 1
        return f"{name}_{number}" if number else name


@dataclass(frozen=True)
class Call:
    """How a model is run.

    Attributes:
        training: whether dropout drops and norms use and update batch statistics.
        dtype: the precision of matrix products and activations; losses, statistics and softmax stay in float32.
        seed: int64 `[2]`, the seed of this step; None when `training` is false.
        pending: takes what the pass would move (statistics), for a step that may be refused; None moves it at once.
        losses: takes the losses that layers add to those of the tasks, by name; None drops them.
        views: takes what those of them that compare rows compare, by `loss_type` and name; None drops it.
        norms: takes the vectors besides those of tables that `embedding_regularization` counts; None drops them.
        peers: the workers that make this step, of which this is one.
        syncs_norms: whether batch norms take the statistics of the rows of all workers.
        gates: takes what gates weight their experts with; None drops it, as training does, and costs nothing.
        is_compiled: whether XLA compiles the network.
    """

    training: bool = False
    dtype: tf.DType = tf.float32
    seed: tf.Tensor | None = None
    pending: Pending | None = None
    losses: dict[str, tf.Tensor] | None = None
    views: dict[str, dict[str, Views]] | None = None
    norms: list[tf.Tensor] | None = None
    gates: GateWeights | None = None
    peers: Peers = ONE
    syncs_norms: bool = False
    is_compiled: bool = False

    def add_norm(self, value: tf.Tensor) -> None:
        """Has `embedding_regularization` count vectors that were made of those of tables."""
        if self.norms is not None:
            self.norms.append(value)

    def add_gate(self, gate: str, experts: Sequence[str], weights: tf.Tensor) -> None:
        """Tells the weights `[batch, num_expert]`, 1 in all in each row, that a gate has given to its experts."""
        if self.gates is not None:
            self.gates.add(gate, experts, weights)

    def add_loss(self, name: str, value: tf.Tensor) -> None:
        """Adds a scalar to the losses of the batch, under a name that no other loss has."""
        if self.losses is not None:
            assert name not in self.losses, f"two losses are named {name}"
            self.losses[name] = value

    def add_views(self, loss_type: str, name: str, views: Views) -> None:
        """Tells what the loss of a name compares the rows by: other rows beside them would make it another number."""
        if self.views is not None:
            self.views.setdefault(loss_type, {})[name] = views

    def read(self, variable: tf.Variable) -> tf.Tensor:
        """Returns what a variable holds by now, for layers that `move` it."""
        return tf.convert_to_tensor(variable) if self.pending is None else self.pending.read(variable)

    def move(self, variable: tf.Variable, value: tf.Tensor) -> None:
        """Moves a variable that no optimizer moves. A layer never assigns by itself: the step may be refused."""
        if self.pending is None:
            variable.assign(value)
        else:
            self.pending.set(variable, value)


def _require_possible(name: str, shape: Sequence[int]) -> None:
    """Refuses a weight of more numbers than any dense layer has, before all memory is asked for it.

    Raises:
        UserError: it has more.
    """
    if math.prod(shape) > _MOST_NUMBERS:
        raise UserError(
            f'the weight "{name}" {list(shape)} would have {math.prod(shape):,} numbers; {_MOST_NUMBERS:,} are '
            "possible. Lower hidden_units, or what else its sizes come from."
        )


def name_seed(seed: int, name: str) -> tf.Tensor:
    """Returns int64 `[2]`, the seed of what has a name: a pure function of the model's seed and the name."""
    with tf.device(HOST):
        return tf.constant([seed, zlib.crc32(name.encode())], tf.int64)


def salted(seed: tf.Tensor, salt: tf.Tensor) -> tf.Tensor:
    """Returns int64 `[2]`, the seed of what draws in a step: that of the step, and of its name."""
    with tf.device(HOST):
        return seed + salt
