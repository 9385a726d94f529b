"""In how many bytes an export keeps its weights: `export_config.precision` and `row_precision`."""

from dataclasses import dataclass

import tensorflow as tf

from easymtl.protos import export_pb2
from easymtl.protos.export_pb2 import ExportConfig
from easymtl.protos.pipeline_pb2 import Pipeline

_DTYPES = {
    ExportConfig.FLOAT32: tf.float32,
    ExportConfig.FLOAT16: tf.float16,
    ExportConfig.BFLOAT16: tf.bfloat16,
}


@dataclass(frozen=True)
class Precision:
    """What a SavedModel computes in and stores.

    Attributes:
        products: the type of matrix products, and of the kernels in them.
        rows: the `RowPrecision` of tables.
    """

    products: tf.DType
    rows: int

    @classmethod
    def of(cls, pipeline: Pipeline) -> "Precision":
        """Returns that of a config."""
        config = pipeline.export_config
        return cls(_DTYPES[config.precision], config.row_precision)

    @property
    def is_narrow(self) -> bool:
        """Returns whether anything is not in float32."""
        return self.products != tf.float32 or self.rows != export_pb2.FLOAT32

    @property
    def names(self) -> tuple[str, str]:
        """Returns the name of each as in a config."""
        return self.products.name.upper(), export_pb2.RowPrecision.Name(self.rows)
