"""The graph that serves: raw columns or packed tensors in, named scores out."""

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path

import tensorflow as tf

from easymtl.data.fields import input_fields
from easymtl.features.served_tables import ServedTables
from easymtl.features.shown import shown_features
from easymtl.layers.context import Call
from easymtl.protos.pipeline_pb2 import Pipeline
from easymtl.serving import tf_example
from easymtl.serving.equal_rows import require_equal_rows
from easymtl.serving.freezing import freeze, traced_once
from easymtl.serving.narrow_kernels import narrow_kernels
from easymtl.serving.one_copy import looked_up_on_cpu, scores_in_one_copy
from easymtl.serving.packed_shapes import require_packed, reshaped_packed
from easymtl.serving.precision import Precision
from easymtl.serving.request_form import RequestForm, UserForm
from easymtl.serving.signatures import ENCODE, ENCODED, SIGNATURE, TF_EXAMPLE, USER_ONCE, Signature, Tensors
from easymtl.serving.streamed_tables import write_tables
from easymtl.serving.tf_example import ExampleForm
from easymtl.tasks.ranker import Ranker

# A graph with all its constants may not pass 2 GB.
MOST_CONSTANT_BYTES = 1 << 30


@dataclass(frozen=True)
class Sizes:
    """Bytes of the weights of a SavedModel.

    Attributes:
        tables: of the rows of tables, with their scales.
        tables_in_float32: what they would be in float32.
        network: of the weights of the network.
        network_in_float32: what they would be in float32.
    """

    tables: int
    tables_in_float32: int
    network: int
    network_in_float32: int

    def document(self) -> dict[str, int]:
        """Returns what `easymtl.json` says."""
        return asdict(self)


class ServingModel(tf.Module):
    """A ranker behind its own transforms.

    The transforms are the ones that training runs on distinct values, and are pinned to the CPU, where strings live;
    everything behind them may run on a GPU. The tables are variables; the weights of the network are constants of
    the graph, unless they take more than `MOST_CONSTANT_BYTES`. Both are as they are when the signatures are made.

    All signatures call one encoder and one network, and look up rows of the same tables.
    """

    def __init__(self, pipeline: Pipeline, ranker: Ranker):
        """Copies nothing yet.

        Args:
            pipeline: the config.
            ranker: the weights.
        """
        super().__init__()
        self._pipeline = pipeline
        self._feature_set = ranker.feature_set
        self._precision = Precision.of(pipeline)
        # What is an attribute and a module, or a list of variables, is saved with the model: functions are not.
        self._tables: ServedTables | None = None
        self._weights: list[tf.Variable] = []
        self._network_bytes = 0
        self._ranker = lambda: ranker

    @property
    def sizes(self) -> Sizes:
        """Returns the bytes of the weights, after `signatures`."""
        assert self._tables is not None, "signatures come first"
        wide = sum(4 * width * (1 + rows) for width, rows in self._feature_set.rows_by_width.items())
        return Sizes(
            tables=_num_bytes(self._tables.variables),
            tables_in_float32=wide,
            network=self._network_bytes,
            network_in_float32=_num_bytes(self._ranker().network.variables),
        )

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
        tables = self._served_tables()
        specs = self._column_specs()
        encoder = traced_once(self._packed, specs)
        scores = self._scores(tables)
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
        packing, scores = self._feature_set.packing, self._scores(self._served_tables())
        return Signature(
            lambda request: scores(reshaped_packed(request, packing.tensors)), packing.specs(self.form.num_rows)
        )

    def write_tables(self, folder: Path) -> None:
        """Writes into the folder where this was saved what TensorFlow could not: rows that are on disk.

        Raises:
            UserError: they cannot be read, or cannot be stored in the precision of the export.
            OSError: they could not be written.
        """
        tables = self._served_tables()
        if tables.are_on_disk and tables.variables:
            write_tables(folder, "_tables", tables)

    def blocks_of(self, variable: tf.Variable) -> Iterator[tf.Tensor]:
        """Yields the numbers of a variable that the scores read, rows of tables in blocks, also those that are on disk.

        Raises:
            UserError: they cannot be read, or cannot be stored in the precision of the export.
        """
        for _, table, blocks in self._served_tables().parts():
            if table is variable:
                return blocks
        value = variable.read_value()
        assert value.shape == variable.shape, "rows that are on disk are found above"
        return iter([value])

    def _served_tables(self) -> ServedTables:
        """Returns the tables, which are made when they are asked for first."""
        if self._tables is None:
            self._tables = ServedTables(self._ranker().embeddings, self._precision.rows)
        return self._tables

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

    def _scores(self, served: ServedTables) -> Callable[[Tensors], dict[str, tf.Tensor]]:
        """Returns the function from packed tensors to the predictions by name."""
        packing, tables = self._feature_set.packing, served.by_width()
        network = self._network(packing.vector_specs())
        is_on_cpu = tables_on_cpu(self._pipeline)

        def scores(packed: Tensors) -> dict[str, tf.Tensor]:
            def look_up() -> Tensors:
                return packing.vectors(packed, tables)

            return network(looked_up_on_cpu(look_up) if is_on_cpu else look_up())

        return scores

    def _network(self, specs: Mapping[str, tf.TensorSpec]) -> Callable[[Tensors], dict[str, tf.Tensor]]:
        """Returns the function from vectors of features to the predictions, with the weights that there are now."""
        ranker, dtype = self._ranker(), self._precision.products

        def predict(vectors: Tensors) -> dict[str, tf.Tensor]:
            scores = ranker.predictions(ranker.network(vectors, Call(dtype=dtype)))
            return scores_in_one_copy({name: _of_clients(value) for name, value in scores.items()})

        with narrow_kernels(ranker.network, predict, specs, dtype) as variables:
            is_frozen = _num_bytes(variables) <= MOST_CONSTANT_BYTES
            self._network_bytes = _num_bytes(variables)
            # Constants need not be saved again.
            self._weights = [] if is_frozen else variables
            # Of fewer bytes, the kernels are what the checkpoint rounds them to.
            return freeze(predict, specs, dtype == tf.float32) if is_frozen else traced_once(predict, specs)


def _of_clients(value: tf.Tensor) -> tf.Tensor:
    """Returns float32 of numbers that are narrower: clients are given no other."""
    return tf.cast(value, tf.float32) if value.dtype in (tf.float16, tf.bfloat16) else value


def signatures_of(pipeline: Pipeline, form: RequestForm) -> tuple[str, ...]:
    """Returns the names of the signatures of a model, before there are any."""
    return (SIGNATURE, ENCODE, ENCODED, TF_EXAMPLE, *((USER_ONCE,) if UserForm.of(pipeline, form) else ()))


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
