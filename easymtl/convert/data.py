"""`data_config` of TorchEasyRec, and where the data and the model lie."""

from easymtl.convert.columns import Columns
from easymtl.convert.source import Node
from easymtl.protos.data_pb2 import DatasetConfig
from easymtl.protos.pipeline_pb2 import Pipeline

_INPUT_TYPES = {"CsvDataset": DatasetConfig.CSVInput, "ParquetDataset": DatasetConfig.ParquetInput}


def convert_paths(source: Node, pipeline: Pipeline) -> None:
    """Fills the paths."""
    for field in ("train_input_path", "eval_input_path", "model_dir"):
        path = source.take(field)
        if path:
            setattr(pipeline, field, path)
        if path.startswith("odps://"):
            source.left_out(field, "MaxCompute is not read: write the table as Parquet files and name them here.")


def convert_data(data: Node, columns: Columns, data_config: DatasetConfig) -> None:
    """Fills `data_config` but for the fields that belong to features, labels and the length of a training."""
    kind = data.name_of("dataset_type")
    data_config.input_type = _INPUT_TYPES.get(kind, DatasetConfig.ParquetInput)
    if kind not in _INPUT_TYPES:
        data.left_out("dataset_type", f"{kind} is not read: write the data as Parquet files, which is ParquetInput.")
    if kind == "CsvDataset":
        _csv(data, columns, data_config)
    data_config.batch_size = data.take("batch_size")
    if data.has("eval_batch_size"):
        data_config.eval_batch_size = data.take("eval_batch_size")
    if data.take("drop_remainder"):
        data_config.drop_remainder = True
    data_config.shuffle = data.take("shuffle")
    if data_config.shuffle and data.has("shuffle_buffer_size"):
        data_config.shuffle_buffer_size = min(data.take("shuffle_buffer_size"), 2**31 - 1)
    data.mark("shuffle_buffer_size")
    data_config.label_fields.extend(data.values("label_fields"))
    sampler = data.chosen("sampler")
    if sampler is not None:
        sampler.left_out("", "it draws negatives for retrieval: write the negatives into the training data.")
        sampler.mark_all()
    if data.take("batch_cost_size"):
        data.left_out("batch_cost_size", "every batch has batch_size rows, whatever they cost.")
        data.mark("sample_cost_field")


def _csv(data: Node, columns: Columns, data_config: DatasetConfig) -> None:
    delimiter = data.take("delimiter")
    if delimiter != ",":
        data_config.separator = delimiter
    if data.take("with_header"):
        data_config.with_header = True
    elif not columns.are_declared:
        data_config.with_header = True
        text = "no input_fields tell the columns, so that the first line of each file is taken for their names."
        data.guessed("with_header", text)
