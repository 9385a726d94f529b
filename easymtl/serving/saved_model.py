"""The graph that serves: raw columns in, named scores out."""

import tensorflow as tf

from easymtl.data.fields import input_fields
from easymtl.features.feature_set import TENSOR_TYPES
from easymtl.layers.context import Call
from easymtl.protos.pipeline_pb2 import Pipeline
from easymtl.tasks.ranker import Ranker

SIGNATURE = "serving_default"


class ServingModel(tf.Module):
    """A ranker behind its own transforms.

    The transforms are the ones that training runs on distinct values, and are pinned to the CPU, where strings live;
    everything behind them may run on a GPU.
    """

    def __init__(self, pipeline: Pipeline, ranker: Ranker):
        super().__init__()
        self._pipeline = pipeline
        self.ranker = ranker

    @property
    def fields(self) -> list[str]:
        """Returns the names of the inputs: the fields that features read, or all but labels and sample weight."""
        used = self.ranker.feature_set.fields
        if self._pipeline.export_config.filter_inputs:
            return used
        data = self._pipeline.data_config
        others = [name for name in input_fields(data) if name not in {*used, *data.label_fields, data.sample_weight}]
        return [*used, *others]

    def signature(self) -> tf.types.experimental.ConcreteFunction:
        """Returns the function of the signature: one tensor `[batch]` per field to the predictions by name."""
        types = {name: TENSOR_TYPES[field.type] for name, field in input_fields(self._pipeline.data_config).items()}
        fields = self.fields
        specs = [tf.TensorSpec([None], types[name], name=name) for name in fields]

        def serve(*columns: tf.Tensor) -> dict[str, tf.Tensor]:
            with tf.device("/CPU:0"):
                batch = self.ranker.feature_set.transform(dict(zip(fields, columns)))
            lookups = self.ranker.embeddings.lookup(batch)
            logits, _ = self.ranker.logits(batch, lookups, Call())
            return self.ranker.predictions(logits)

        return tf.function(serve, input_signature=specs, autograph=False).get_concrete_function()
