"""Bringing a model back from its model_dir, for training on, evaluation and export."""

from pathlib import Path

from easymtl.config import load_config
from easymtl.errors import UserError, quoted
from easymtl.protos.pipeline_pb2 import Pipeline
from easymtl.protos.train_pb2 import TrainConfig
from easymtl.tasks.ranker import Ranker
from easymtl.training.checkpoints import Checkpoint, CheckpointFolder
from easymtl.training.meaning import require_same_meaning
from easymtl.training.memory import require_scoring_memory
from easymtl.training.precision import Precision, resolve_precision
from easymtl.training.weights import Weights

CONFIG_NAME = "pipeline.config"


def find_checkpoint(pipeline: Pipeline, choice: str = "latest") -> Checkpoint:
    """Returns a checkpoint of the config's model_dir.

    Args:
        pipeline: names the model_dir.
        choice: "latest", "best", a step, or the path of a checkpoint folder.

    Raises:
        UserError: there is no such checkpoint.
    """
    folder = CheckpointFolder(pipeline.model_dir)
    checkpoints = folder.all()
    if (Path(choice) / "state.json").is_file():
        state = Checkpoint(Path(choice), 0).state()
        return Checkpoint(Path(choice), int(state["step"]))
    if not checkpoints:
        raise UserError(
            f"{folder.path}: there is no checkpoint. Train first: easymtl train --pipeline_config ..., "
            "or name another model_dir: --set model_dir=..."
        )
    if choice == "latest":
        return checkpoints[-1]
    step = checkpoints[-1].state().get("best", {}).get("step") if choice == "best" else choice
    found = folder.at(int(step)) if str(step).isdigit() else None
    if found is None:
        steps = quoted(str(checkpoint.step) for checkpoint in checkpoints)
        raise UserError(
            f'{folder.path}: there is no checkpoint "{choice}"; use latest, best, a folder, or a step: {steps}.'
        )
    return found


def load_ranker(pipeline: Pipeline, checkpoint: Checkpoint) -> Ranker:
    """Builds the model of a config and fills it from a checkpoint.

    Raises:
        UserError: the model does not fit in memory, or the checkpoint is damaged or of another model.
    """
    require_scoring_memory(pipeline)
    ranker = Ranker(pipeline)
    Weights(ranker).read(checkpoint.path)
    require_same_meaning(pipeline, checkpoint, checkpoint.state())
    return ranker


def settle_precision(pipeline: Pipeline, ranker: Ranker) -> Precision:
    """Returns the precision of training: that of an earlier run in the same model_dir, else what `AUTO` comes to."""
    written = Path(pipeline.model_dir) / CONFIG_NAME
    if pipeline.train_config.mixed_precision == TrainConfig.AUTO and written.exists():
        try:
            earlier = load_config(str(written)).pipeline.train_config.mixed_precision
        except UserError:
            earlier = TrainConfig.AUTO
        if earlier != TrainConfig.AUTO:
            return Precision(earlier, f"this model_dir was begun in it ({written})")
    return resolve_precision(pipeline, ranker)
