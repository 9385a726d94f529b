"""`train_config`, `eval_config` and `export_config` of TorchEasyRec."""

from easymtl.convert.optimizers import convert_optimizer
from easymtl.convert.source import Node
from easymtl.protos.pipeline_pb2 import Pipeline
from easymtl.protos.train_pb2 import TrainConfig

_PRECISIONS = {"": None, "BF16": TrainConfig.BFLOAT16, "FP16": TrainConfig.BFLOAT16}
_LARGEST = 2**32 - 1
_METRICS = {"grouped_auc": "gauc"}
_WITHOUT_COUNTERPART = ("multiclass_auc", "grouped_xauc")


def convert_training(source: Node, pipeline: Pipeline) -> None:
    """Fills `train_config`, and `data_config.num_epochs`."""
    theirs, ours = source.node("train_config"), pipeline.train_config
    if theirs is None:
        source.guessed("train_config", "there is none: write optimizers and num_steps into train_config.")
        return
    for field, what in (("sparse_optimizer", "embeddings"), ("dense_optimizer", "dense weights")):
        optimizer = theirs.node(field)
        if optimizer is not None:
            ours.optimizer_config.append(convert_optimizer(optimizer, what))
        else:
            theirs.guessed(field, f"there is none, so one optimizer moves all weights, the {what} included.")
    if len(ours.optimizer_config) == 1 and ours.optimizer_config[0].use_moving_average:
        theirs.changed("dense_optimizer", "its ema is the average of the embeddings, too, as one optimizer moves both.")
    _length(theirs, pipeline)
    _checkpoints(theirs, ours)
    _clipping(theirs, ours)
    _precision(theirs, ours)


def _length(theirs: Node, pipeline: Pipeline) -> None:
    if theirs.take("num_steps"):
        pipeline.train_config.num_steps = theirs.take("num_steps")
    if theirs.take("num_epochs"):
        pipeline.data_config.num_epochs = theirs.take("num_epochs")
    if not theirs.take("num_steps") and not theirs.take("num_epochs"):
        pipeline.data_config.num_epochs = 1
        theirs.guessed(
            "num_epochs", "neither num_steps nor num_epochs is set: data_config.num_epochs: 1 ends training."
        )


def _checkpoints(theirs: Node, ours: TrainConfig) -> None:
    ours.save_checkpoints_steps = theirs.take("save_checkpoints_steps")
    if theirs.take("save_checkpoints_epochs"):
        ours.save_checkpoints_steps = 0 if not theirs.has("save_checkpoints_steps") else ours.save_checkpoints_steps
        text = "checkpoints are counted in steps: set save_checkpoints_steps to the steps of so many epochs."
        theirs.left_out("save_checkpoints_epochs", text)
    if theirs.take("save_checkpoints_timestamp_interval"):
        ours.save_checkpoints_secs = theirs.take("save_checkpoints_timestamp_interval")
        text = "it is save_checkpoints_secs, which counts seconds of the clock and not of the data's timestamps."
        theirs.changed("save_checkpoints_timestamp_interval", text)
    if theirs.has("keep_checkpoint_max"):
        ours.keep_checkpoint_max = theirs.take("keep_checkpoint_max")
    ours.log_step_count_steps = theirs.take("log_step_count_steps")
    if theirs.take("is_profiling"):
        ours.is_profiling = True
    if not theirs.take("use_tensorboard"):
        ours.save_summary_steps = 0


def _clipping(theirs: Node, ours: TrainConfig) -> None:
    clipping = theirs.node("grad_clipping")
    if clipping is None:
        return
    kind, limit = clipping.take("clipping_type").lower(), clipping.take("max_gradient")
    clipping.mark_all()
    if kind == "norm" and clipping.take("norm_type") == 2:
        ours.gradient_clipping_by_norm = limit
        clipping.changed("max_gradient", "the norm is that of all gradients, those of the embeddings included.")
    elif kind not in ("", "none"):
        text = "only the Euclidean norm of all gradients is cut: set train_config.gradient_clipping_by_norm."
        clipping.left_out("clipping_type", text)


def _precision(theirs: Node, ours: TrainConfig) -> None:
    name = theirs.take("mixed_precision").upper()
    if name == "FP16":
        theirs.changed("mixed_precision", "matrix products are in bfloat16, not float16, and need no grad_scaler.")
    elif name not in _PRECISIONS:
        theirs.left_out("mixed_precision", f'there is no "{name}": it stays AUTO, which measures.')
    precision = _PRECISIONS.get(name)
    if precision is not None:
        ours.mixed_precision = precision
    steps = theirs.take("gradient_accumulation_steps") or 0
    if steps > 1:
        text = f"gradients are applied in each step: multiply data_config.batch_size by {steps} for the same updates."
        theirs.left_out("gradient_accumulation_steps", text)
    if theirs.take("fine_tune_checkpoint"):
        text = "checkpoints of PyTorch are not read: the model trains from its start."
        theirs.left_out("fine_tune_checkpoint", text)
        theirs.mark("fine_tune_ckpt_param_map")


def convert_evaluation(source: Node, pipeline: Pipeline, batch_size: int) -> None:
    """Fills `eval_config`.

    Args:
        source: the whole config.
        pipeline: where it goes.
        batch_size: rows of a batch in an evaluation there, which `num_steps` counts.
    """
    theirs = source.node("eval_config")
    steps = theirs.take("num_steps") if theirs is not None else 0
    if theirs is not None and steps:
        rows = min(steps * batch_size, _LARGEST)
        pipeline.eval_config.num_examples = rows
        text = f"it is num_examples: {rows}, which are {steps} batches of {batch_size} rows."
        theirs.changed("num_steps", text)


def convert_export(source: Node, pipeline: Pipeline) -> None:
    """Fills `export_config`."""
    theirs = source.node("export_config")
    if theirs is None:
        return
    kind = theirs.take("exporter_type")
    if kind == "best":
        pipeline.export_config.exporter_type = "best"
        metric = theirs.take("best_exporter_metric")
        if metric.startswith(_WITHOUT_COUNTERPART):
            text = f'there is no "{metric}": the mean of auc tells the best checkpoint. Name another metric.'
            theirs.left_out("best_exporter_metric", text)
        else:
            pipeline.export_config.best_exporter_metric = _renamed(metric)
        pipeline.export_config.metric_bigger = theirs.take("metric_larger_is_better")
    elif kind != "latest":
        theirs.left_out("exporter_type", f'"{kind}" is neither "latest" nor "best": the latest checkpoint is exported.')
    theirs.mark("best_exporter_metric", "metric_larger_is_better")


def _renamed(metric: str) -> str:
    for theirs, ours in _METRICS.items():
        if metric == theirs or metric.startswith(f"{theirs}_"):
            return ours + metric.removeprefix(theirs)
    return metric
