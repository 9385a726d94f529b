"""Fields that no rule of the conversion reads, and why: what is not listed here has no counterpart."""

from easymtl.convert.report import Kind
from easymtl.convert.source import Node

_PLACEMENT = "TensorFlow places the tables."
_TORCH = "it is a switch of PyTorch."
_THREADS = "the reader sizes its threads by the processors it finds."
_MAX_COMPUTE = "MaxCompute is not read."
_ONE_TASK = "each task tower has its own."

_NOT_NEEDED = {
    "DataConfig.fg_threads": _THREADS,
    "DataConfig.force_base_data_group": "there are no sampled negatives.",
    "DataConfig.in_order": "batches come in the order of a seed.",
    "DataConfig.is_orderby_partition": _MAX_COMPUTE,
    "DataConfig.num_workers": _THREADS,
    "DataConfig.odps_data_compression": _MAX_COMPUTE,
    "DataConfig.odps_data_quota_name": _MAX_COMPUTE,
    "DataConfig.pin_memory": _TORCH,
    "DataConfig.sample_weight_fields": "towers name the column of their weights.",
    "DataConfig.delimiter": "only CSV has it.",
    "DataConfig.with_header": "only CSV has it.",
    "EvalConfig.log_step_count_steps": "an evaluation shows its progress.",
    "ExportConfig.cudnn_allow_tf32": _TORCH,
    "ExportConfig.cuda_matmul_allow_tf32": _TORCH,
    "ExportConfig.mixed_precision": "a SavedModel computes in float32.",
    "ModelConfig.kernel": _TORCH,
    "ModelConfig.losses": _ONE_TASK,
    "ModelConfig.metrics": _ONE_TASK,
    "ModelConfig.num_class": _ONE_TASK,
    "ModelConfig.train_metrics": _ONE_TASK,
    "TrainConfig.cuda_matmul_allow_tf32": _TORCH,
    "TrainConfig.cudnn_allow_tf32": _TORCH,
    "TrainConfig.global_embedding_constraints": _PLACEMENT,
    "TrainConfig.grad_scaler": "bfloat16 needs none.",
    "TrainConfig.tensorboard_summaries": "TensorBoard gets losses, rates, metrics and norms.",
}
_LEFT_OUT = {
    "DataConfig.negative_sample_mask_prob": "there are no sampled negatives.",
    "DataConfig.sample_mask_prob": "features are not masked while training.",
    "EvalConfig.use_dense_ema": "see ema of dense_optimizer.",
    "ExportConfig.use_dense_ema": "see ema of dense_optimizer.",
    "TrainConfig.delta_embedding_dump_config": "changes are not streamed: export and load the whole SavedModel.",
    "TrainConfig.fine_tune_ckpt_param_map": "checkpoints of PyTorch are not read.",
    "TrainConfig.save_checkpoints_timestamps": "checkpoints follow save_checkpoints_steps.",
    "TrainConfig.save_checkpoints_timestamp_quorum": "checkpoints follow save_checkpoints_steps.",
}
_OF_ANY_FEATURE = {
    "asset_dir": (Kind.NOT_NEEDED, "the exported model carries what it needs."),
    "embedding_constraints": (Kind.NOT_NEEDED, _PLACEMENT),
}
_OF_ANY_OPTIMIZER = {"fused": (Kind.NOT_NEEDED, _TORCH)}
_OF_ANY_TASK = {
    "pareto_min_loss_weight": (Kind.LEFT_OUT, "only use_pareto_loss_weight of model_config reads it."),
}
_NOTHING = "there is nothing like it here."


def report_unread(source: Node) -> None:
    """Adds a remark on each field of a config that no rule has read."""
    for node, field in list(source.unread()):
        kind, text = _reason(node.name, field)
        node.remark(kind, field, text)


def _reason(message: str, field: str) -> tuple[Kind, str]:
    name = f"{message}.{field}"
    if name in _NOT_NEEDED:
        return Kind.NOT_NEEDED, _NOT_NEEDED[name]
    if name in _LEFT_OUT:
        return Kind.LEFT_OUT, _LEFT_OUT[name]
    return {**_OF_ANY_FEATURE, **_OF_ANY_OPTIMIZER, **_OF_ANY_TASK}.get(field, (Kind.LEFT_OUT, _NOTHING))
