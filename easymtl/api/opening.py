"""Which model is opened: a checkpoint of a model_dir, or a SavedModel."""

from easymtl.api.model import Model
from easymtl.checkpoints.restore import find_checkpoint
from easymtl.config import Config


def open_chosen(config: Config, checkpoint: str = "latest", saved_model: str | None = None) -> Model:
    """Returns the model that the options of a command choose.

    Args:
        config: names the model_dir.
        checkpoint: as `find_checkpoint` takes it.
        saved_model: a SavedModel, which is taken instead.

    Raises:
        UserError: there is no such checkpoint or SavedModel.
    """
    if saved_model:
        return Model.of_export(config, saved_model)
    return Model.of_checkpoint(config, find_checkpoint(config.pipeline, checkpoint))
