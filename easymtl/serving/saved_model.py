"""The graph that serves: raw columns in, named scores out."""

from collections.abc import Iterable

import tensorflow as tf

from easymtl.data.fields import input_fields
from easymtl.features.shown import shown_features
from easymtl.layers.context import Call
from easymtl.protos.pipeline_pb2 import Pipeline
from easymtl.serving.freezing import freeze
from easymtl.serving.one_copy import looked_up_on_cpu, scores_in_one_copy
from easymtl.serving.request_form import RequestForm
from easymtl.serving.signatures import Signature, Tensors
from easymtl.tasks.ranker import Ranker

# A graph with all its constants may not pass 2 GB.
MOST_CONSTANT_BYTES = 1 << 30


class ServingModel(tf.Module):
    """A ranker behind its own transforms.

    The transforms are the ones that training runs on distinct values, and are pinned to the CPU, where strings live;
    everything behind them may run on a GPU. The tables are variables; the weights of the network are constants of
    the graph as they are when the signature is made, unless they take more than `MOST_CONSTANT_BYTES`.
    """

    def __init__(self, pipeline: Pipeline, ranker: Ranker):
        super().__init__()
        self._pipeline = pipeline
        self._feature_set = ranker.feature_set
        self._embeddings = ranker.embeddings
        self._is_frozen = _num_bytes(ranker.network.variables) <= MOST_CONSTANT_BYTES
        # What is an attribute is saved with the model: constants need not be saved again.
        self._layers = None if self._is_frozen else ranker.network
        self._network = lambda vectors: scores_in_one_copy(ranker.predictions(ranker.network(vectors, Call())))

    @property
    def fields(self) -> list[str]:
        """Returns the fields of a request: those that features read, or all but labels and sample weight."""
        used = self._feature_set.fields
        if self._pipeline.export_config.filter_inputs:
            return used
        data = self._pipeline.data_config
        others = [name for name in input_fields(data) if name not in {*used, *data.label_fields, data.sample_weight}]
        return [*used, *others]

    @property
    def form(self) -> RequestForm:
        """Returns what a request looks like."""
        return RequestForm.of(self._pipeline, self.fields)

    def signature(self) -> Signature:
        """Returns the signature of raw columns: what `form` says of each field to the predictions by name.

        With `export_config.export_features`, what the features have read is among the outputs.
        """
        form, embeddings, network = self.form, self._embeddings, self._network
        shows = self._pipeline.export_config.export_features
        is_on_cpu = tables_on_cpu(self._pipeline)
        if self._is_frozen:
            network = freeze(network, embeddings.vector_specs())

        def serve(request: Tensors) -> dict[str, tf.Tensor]:
            with tf.device("/CPU:0"):
                columns = form.columns(request)
                batch = self._feature_set.transform(columns)
                shown = shown_features(self._feature_set, columns) if shows else {}
            vectors = (
                looked_up_on_cpu(lambda: embeddings.looked_up(batch)) if is_on_cpu else embeddings.looked_up(batch)
            )
            return {**network(vectors), **shown}

        return Signature(serve, form.specs())


def tables_on_cpu(pipeline: Pipeline) -> bool:
    """Returns whether vectors are looked up on the CPU: `export_config` says so, or else EasyRec's word for it."""
    config = pipeline.export_config
    is_said = config.HasField("embedding_on_cpu")
    return config.embedding_on_cpu if is_said else pipeline.feature_config.embedding_on_cpu


def _num_bytes(variables: Iterable[tf.Variable]) -> int:
    return sum(variable.dtype.size * variable.shape.num_elements() for variable in variables)
