"""Rules of checkpoints: what has no effect of what the config says of them."""

from easymtl.config.rules.review import Review
from easymtl.protos.train_pb2 import TrainConfig

_DELTAS = "train_config.checkpoint_deltas"


def note_deltas(review: Review) -> None:
    """Deltas of tables whose rows all move in every step are noted."""
    settings = review.pipeline.train_config
    if not settings.HasField("checkpoint_deltas") or not settings.optimizer_config:
        return
    optimizer = settings.optimizer_config[0]
    kind = optimizer.WhichOneof("optimizer")
    if kind and getattr(getattr(optimizer, kind), "dense_embedding_update", False):
        text = "has no effect: dense_embedding_update moves every row in every step, so that every checkpoint is full."
        review.note(_DELTAS, text)


def note_rollback(review: Review) -> None:
    """A training that would go back to its beginning is noted."""
    settings = review.pipeline.train_config
    has_saves = settings.save_checkpoints_steps or settings.HasField("save_checkpoints_secs")
    if settings.nan_policy == TrainConfig.ROLLBACK and not has_saves:
        text = (
            "is ROLLBACK, and no checkpoint is saved on the way: training would go back to its beginning. Set "
            "save_checkpoints_steps."
        )
        review.note("train_config.nan_policy", text)
