"""A multi-task ranking model whole: tables, architecture and tasks, from a packed batch to predictions."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from functools import partial

import tensorflow as tf

from easymtl.config import view
from easymtl.features.embeddings import Embeddings, Lookup
from easymtl.features.feature_set import FeatureSet
from easymtl.layers.context import HOST, Build, Call, Parameter
from easymtl.models.base import MultiTaskModel
from easymtl.models.compiled import compiled
from easymtl.models.inputs import InputShapes
from easymtl.models.making import make_model
from easymtl.models.network import Network
from easymtl.peers.peers import ONE, Peers
from easymtl.protos.pipeline_pb2 import Pipeline
from easymtl.tasks.build import build_tasks, key_fields, number_columns
from easymtl.tasks.final_scores import FinalScores
from easymtl.tasks.labelled import Labelled
from easymtl.tasks.post_calibration import Curve
from easymtl.tasks.reach import Reach
from easymtl.tasks.sampling import of_all_rows
from easymtl.tasks.sums import Sums, of_all_workers
from easymtl.tasks.task import Task

Batch = Mapping[str, tf.Tensor]


@dataclass(frozen=True)
class LossParts:
    """The losses of a batch, float32 scalars.

    Attributes:
        by_task: the loss entries of each task by loss name, all weights applied, by tower name.
        regularization: both regularizations; 0 in evaluation.
        of_layers: the losses of no task, which layers have added, by name.
    """

    by_task: dict[str, dict[str, tf.Tensor]]
    regularization: tf.Tensor
    of_layers: dict[str, tf.Tensor] = field(default_factory=dict)

    @property
    def entries(self) -> dict[str, tf.Tensor]:
        """All loss entries by loss name."""
        return {name: loss for entries in self.by_task.values() for name, loss in entries.items()}

    @property
    def total(self) -> tf.Tensor:
        """The sum of everything: what training descends unless task balancing weighs the tasks."""
        return tf.add_n([*self.entries.values(), self.rest])

    @property
    def rest(self) -> tf.Tensor:
        """What belongs to no task: regularization and the losses of layers."""
        return tf.add_n([*self.of_layers.values(), self.regularization]) if self.of_layers else self.regularization


class Ranker(tf.Module):
    """Everything between a packed batch (see `FeatureSet`) and losses or predictions.

    Attributes:
        feature_set: how raw columns become the packed batch.
        embeddings: the tables.
        network: the layers; maps the vectors of features to logits.
        tasks: what becomes of the logits, one `Task` per tower.
        final_scores: the formulas over what the tasks predict.
        number_columns: the columns of `numbers` in a batch that has labels.
        key_fields: the columns of `keys` in a batch that has labels; mostly none.
        parameters: every weight by name.
        unread: names of layers that EasyRec makes and whose results nothing reads; they have no parameters here.
        curves: what the probability of a task goes through, by tower name: `post_calibration`, once it is fitted.
    """

    def __init__(self, pipeline: Pipeline, owners: Peers = ONE, draws_tables: bool = True):
        """Makes the model.

        Args:
            pipeline: the config.
            owners: the workers that the rows of the tables are dealt out to, and the ids of those that grow.
            draws_tables: whether rows of tables get initial values; zeros will do where a checkpoint is read.
        """
        super().__init__()
        config = pipeline.model_config
        seed = pipeline.train_config.seed
        self.feature_set = FeatureSet(pipeline, owners)
        self.tasks: list[Task] = build_tasks(pipeline)
        self.final_scores = FinalScores(pipeline)
        self.curves: dict[str, Curve] = {}
        self.number_columns = number_columns(self.tasks)
        self.key_fields = key_fields(self.tasks)
        self._table_device = HOST if pipeline.feature_config.embedding_on_cpu else None
        self.embeddings = self.make_embeddings(seed, owners, draws_tables)
        build = Build(seed=seed, bn_debias=config.bn_debias)
        message = view.model_message(pipeline)
        self.network = self.make_network(pipeline, build)
        self.unread = tuple(build.unread)
        self._regularized = build.regularized
        self._l2_regularization = message.l2_regularization
        self._embedding_regularization = config.embedding_regularization
        self._of_losses = [variable for task in self.tasks for variable in task.make_variables(build)]
        self.parameters: dict[str, Parameter] = {**self.embeddings.parameters(), **build.parameters}

    def make_embeddings(self, seed: int, owners: Peers = ONE, draws: bool = True) -> Embeddings:
        """Returns the tables, filled if it `draws`; what only counts the weights of a model makes none."""
        return Embeddings(self.feature_set, seed, owners, self._table_device, draws)

    def make_network(self, pipeline: Pipeline, build: Build) -> Network:
        """Returns the layers of the config with weights of their own, for the features and tasks of this ranker."""
        num_outputs = {task.name: task.num_outputs for task in self.tasks}

        def model_of(shapes: InputShapes) -> MultiTaskModel:
            return make_model(pipeline, build, shapes, num_outputs)

        config = pipeline.model_config
        dropout = config.variational_dropout if config.HasField("variational_dropout") else None
        return Network(build, self.feature_set, model_of, dropout)

    @property
    def model(self) -> MultiTaskModel:
        """Returns the architecture."""
        return self.network.model

    @property
    def dense_variables(self) -> list[tf.Variable]:
        """The trained variables of the architecture and of the losses, the tables not among them."""
        return [*self.network.trainable_variables, *self._of_losses]

    def logits(self, batch: Batch, lookups: Mapping[int, Lookup], call: Call) -> tuple[dict[str, tf.Tensor], tf.Tensor]:
        """Returns the logits `[batch, num_outputs]` of each task, and half the squared norm of the embeddings."""
        vectors = self.embeddings.vectors(batch, lookups)
        network = partial(compiled, self.network) if call.is_compiled else self.network
        if not self._embedding_regularization:
            return network(vectors, call), tf.constant(0.0)
        combined: list[tf.Tensor] = []
        logits = network(vectors, replace(call, norms=combined))
        return logits, tf.add_n([self.embeddings.squared_norm(vectors), *map(tf.nn.l2_loss, combined)])

    def losses(self, batch: Batch, lookups: Mapping[int, Lookup], call: Call) -> LossParts:
        """Returns the losses of a batch; `call.training` decides whether regularization counts."""
        of_layers: dict[str, tf.Tensor] = {}
        logits, norm = self.logits(batch, lookups, replace(call, losses=of_layers))
        parts = self.losses_of(logits, batch, norm if call.training else None, call.peers)
        return _of_all_rows(replace(parts, of_layers=of_layers), batch, call.peers)

    def losses_of(
        self, logits: Mapping[str, tf.Tensor], batch: Batch, norm: tf.Tensor | None, peers: Peers = ONE
    ) -> LossParts:
        """Returns the losses that logits have on a batch; without a norm there is no regularization.

        Where several workers have a part of the rows each, it is this one's share: the shares add up.
        """
        sums = of_all_workers(self.loss_sums(logits, batch), peers)
        by_task = {task.name: task.reduced(sums[task.name]) for task in self.tasks}
        regularization = tf.constant(0.0) if norm is None else self._regularization(norm, peers)
        return LossParts(by_task, regularization)

    def loss_sums(self, logits: Mapping[str, tf.Tensor], batch: Batch, reach: Reach | None = None) -> dict[str, Sums]:
        """Returns the losses of each task, by tower name, as numbers that add up over batches and workers.

        Args:
            logits: of the batch.
            batch: has labels.
            reach: returns the entries that have to see this together; None for all entries.
        """
        labelled = self.labelled(batch)
        return {task.name: task.sums(logits, labelled, reach) for task in self.tasks}

    def predictions(self, logits: Mapping[str, tf.Tensor]) -> dict[str, tf.Tensor]:
        """Returns the named predictions of all tasks, `[batch]` or `[batch, num_class]`, and what else comes out.

        That is the model's own outputs and the final scores. Probabilities are those of all rows, where the data kept
        a share of the negatives, and go through `curves`.
        """
        result: dict[str, tf.Tensor] = {}
        logits = of_all_rows(logits, self.tasks)
        for task in self.tasks:
            result |= task.predictions(logits)
            if task.name in self.curves:
                result[f"probs_{task.output_name}"] = self.curves[task.name](task.log_odds(logits))
        for name in self.model.output_names:
            result[name] = tf.squeeze(logits[name], axis=1) if logits[name].shape[1] == 1 else logits[name]
        return result | self.final_scores(result)

    def labelled(self, batch: Batch) -> Labelled:
        """Returns what losses need beside the logits: labels, weights, indicators and keys by name."""
        return Labelled(
            numbers={column.name: batch["numbers"][:, index] for index, column in enumerate(self.number_columns)},
            keys={field: batch["keys"][:, index] for index, field in enumerate(self.key_fields)},
        )

    def _regularization(self, norm: tf.Tensor, peers: Peers) -> tf.Tensor:
        result = self._embedding_regularization * norm
        if self._l2_regularization:
            # The kernels are the same on every worker, and the rows of the batch are not.
            result += (
                self._l2_regularization / peers.size * tf.add_n([tf.nn.l2_loss(kernel) for kernel in self._regularized])
            )
        return result


def _of_all_rows(parts: LossParts, batch: Batch, peers: Peers) -> LossParts:
    """Returns the losses of the rows of all workers, each with the gradient of this worker's share.

    The losses of layers are means over the rows of a worker: of all rows they are the mean by the number of rows.
    """
    if not peers.are_several:
        return parts
    entries = {(task, name): loss for task, losses in parts.by_task.items() for name, loss in losses.items()}
    of_layers = _shares_of_layers(parts.of_layers, batch, peers)
    own = [*entries.values(), *of_layers.values(), parts.regularization]
    *totals, regularization = peers.total(own)
    by_task: dict[str, dict[str, tf.Tensor]] = {task: {} for task in parts.by_task}
    for (task, name), total in zip(entries, totals):
        by_task[task][name] = total
    return LossParts(by_task, regularization, dict(zip(of_layers, totals[len(entries) :])))


def _shares_of_layers(losses: Mapping[str, tf.Tensor], batch: Batch, peers: Peers) -> dict[str, tf.Tensor]:
    if not losses:
        return {}
    num_rows = tf.cast(batch["batch_size"], tf.float32)
    [num_all] = peers.sum([num_rows])
    # The mean of no rows is no number.
    return {
        name: tf.where(num_rows > 0, loss, 0.0) * num_rows / tf.maximum(num_all, 1) for name, loss in losses.items()
    }
