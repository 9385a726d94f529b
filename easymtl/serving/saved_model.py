"""The graph that serves: raw columns or packed tensors in, named scores out."""

from collections.abc import Callable, Iterable, Mapping

import tensorflow as tf

from easymtl.data.fields import input_fields
from easymtl.features.served_tables import ServedTables
from easymtl.features.shown import shown_features
from easymtl.layers.context import Call
from easymtl.protos.pipeline_pb2 import Pipeline
from easymtl.serving import tf_example
from easymtl.serving.equal_rows import require_equal_rows
from easymtl.serving.freezing import freeze, traced_once
from easymtl.serving.one_copy import looked_up_on_cpu, scores_in_one_copy
from easymtl.serving.packed_shapes import require_packed, reshaped_packed
from easymtl.serving.request_form import RequestForm, UserForm
from easymtl.serving.signatures import ENCODE, ENCODED, SIGNATURE, TF_EXAMPLE, USER_ONCE, Signature, Tensors
from easymtl.serving.tf_example import ExampleForm
from easymtl.tasks.ranker import Ranker

# A graph with all its constants may not pass 2 GB.
MOST_CONSTANT_BYTES = 1 << 30


class ServingModel(tf.Module):
    """A ranker behind its own transforms.

    The transforms are the ones that training runs on distinct values, and are pinned to the CPU, where strings live;
    everything behind them may run on a GPU. The tables are variables; the weights of the network are constants of
    the graph as they are when the signatures are made, unless they take more than `MOST_CONSTANT_BYTES`.

    All signatures call one encoder and one network, and look up rows of the same tables.
    """

    def __init__(self, pipeline: Pipeline, ranker: Ranker):
        super().__init__()
        self._pipeline = pipeline
        self._feature_set = ranker.feature_set
        # What is an attribute is saved with the model: the tables of training, without the zero row, are none.
        self._tables = ServedTables(ranker.embeddings)
        self._is_frozen = _num_bytes(ranker.network.variables) <= MOST_CONSTANT_BYTES
        # Constants need not be saved again.
        self._layers = None if self._is_frozen else ranker.network
        self._network = lambda vectors: scores_in_one_copy(ranker.predictions(ranker.network(vectors, Call())))

    @property
    def fields(self) -> list[str]:
        """Returns the fields of a request: those that features read, or all but labels and sample weight.

        Fields with a `serving_value` are none of them.
        """
        used = self._feature_set.request_fields
        if self._pipeline.export_config.filter_inputs:
            return used
        data = self._pipeline.data_config
        left_out = {*used, *data.label_fields, data.sample_weight}
        declared = input_fields(data).items()
        others = [name for name, field in declared if name not in left_out and field.serving is None]
        return [*used, *others]

    @property
    def form(self) -> RequestForm:
        """Returns what a request looks like."""
        return RequestForm.of(self._pipeline, self.fields)

    def signatures(self) -> dict[str, Signature]:
        """Returns the signatures by name.

            serving_default   raw columns, as `form` has them, to the predictions by name
            encode            raw columns to packed tensors, see `easymtl.features.packing`
            encoded           packed tensors to the predictions
            tf_example        serialized examples to the predictions
            user_once         raw columns, those of `export_config.user_fields` `[1]`, to the predictions

        With `export_config.export_features`, what the features have read is among the outputs of raw columns.
        """
        form, packing = self.form, self._feature_set.packing
        specs = self._column_specs()
        encoder = traced_once(self._packed, specs)
        scores = self._scores()
        examples = ExampleForm.of(self._pipeline, form)

        def encode(request: Tensors) -> Tensors:
            with tf.device("/CPU:0"):
                return encoder(form.columns(request))

        def of_columns(read: Callable[[Tensors], Mapping[str, tf.Tensor]]) -> Callable[[Tensors], Tensors]:
            def serve(request: Tensors) -> Tensors:
                with tf.device("/CPU:0"):
                    columns = read(request)
                    packed, shown = encoder(columns), self._shown(columns)
                return {**scores(packed), **shown}

            return serve

        def encoded(request: Tensors) -> Tensors:
            with tf.device("/CPU:0"):
                packed = require_packed(request, packing.tensors, form.num_rows)
            return scores(packed)

        rows = tf.TensorSpec([form.num_rows], tf.string)
        result = {
            SIGNATURE: Signature(of_columns(form.columns), form.specs()),
            ENCODE: Signature(encode, form.specs()),
            ENCODED: Signature(encoded, packing.specs(form.num_rows)),
            TF_EXAMPLE: Signature(
                of_columns(lambda request: examples.columns(_of_fixed_size(request[tf_example.INPUT], form.num_rows))),
                {tf_example.INPUT: rows},
            ),
        }
        users = UserForm.of(self._pipeline, form)
        return result | ({USER_ONCE: self._user_once(users, scores)} if users else {})

    def convertible(self) -> Signature:
        """Returns `encoded` without text and without assertions, for formats that have none."""
        packing, scores = self._feature_set.packing, self._scores()
        return Signature(
            lambda request: scores(reshaped_packed(request, packing.tensors)), packing.specs(self.form.num_rows)
        )

    def _user_once(self, form: UserForm, scores: Callable[[Tensors], Tensors]) -> Signature:
        def serve(request: Tensors) -> Tensors:
            with tf.device("/CPU:0"):
                columns = form.columns(request)
                packed, shown = self._packed(columns, form.user.fields), self._shown(form.repeated(columns))
            return {**scores(packed), **shown}

        return Signature(serve, form.specs())

    def _packed(self, columns: Tensors, of_all: Iterable[str] = ()) -> dict[str, tf.Tensor]:
        with tf.device("/CPU:0"):
            return self._feature_set.packed(columns, set(of_all))

    def _shown(self, columns: Tensors) -> dict[str, tf.Tensor]:
        shows = self._pipeline.export_config.export_features
        return shown_features(self._feature_set, columns) if shows else {}

    def _column_specs(self) -> dict[str, tf.TensorSpec]:
        types = self._feature_set.field_types
        return {name: tf.TensorSpec([None], types[name]) for name in self._feature_set.request_fields}

    def _scores(self) -> Callable[[Tensors], dict[str, tf.Tensor]]:
        """Returns the function from packed tensors to the predictions by name."""
        packing, tables = self._feature_set.packing, self._tables
        network = (freeze if self._is_frozen else traced_once)(self._network, packing.vector_specs())
        is_on_cpu = tables_on_cpu(self._pipeline)

        def scores(packed: Tensors) -> dict[str, tf.Tensor]:
            def look_up() -> Tensors:
                return packing.vectors(packed, tables.by_width())

            return network(looked_up_on_cpu(look_up) if is_on_cpu else look_up())

        return scores


def _of_fixed_size(rows: tf.Tensor, num_rows: int | None) -> tf.Tensor:
    """Returns the rows, which cannot be computed from if they are not as many as each request has to have."""
    return require_equal_rows({tf_example.INPUT: rows}, num_rows=num_rows)[tf_example.INPUT]


def tables_on_cpu(pipeline: Pipeline) -> bool:
    """Returns whether vectors are looked up on the CPU: `export_config` says so, or else EasyRec's word for it."""
    config = pipeline.export_config
    is_said = config.HasField("embedding_on_cpu")
    return config.embedding_on_cpu if is_said else pipeline.feature_config.embedding_on_cpu


def _num_bytes(variables: Iterable[tf.Variable]) -> int:
    return sum(variable.dtype.size * variable.shape.num_elements() for variable in variables)
