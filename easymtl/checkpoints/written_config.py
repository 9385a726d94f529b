"""The config that a training leaves in its model_dir, by which commands know the model later."""

from pathlib import Path

from easymtl.checkpoints.publishing import reason, sweep, write_text
from easymtl.config import Config
from easymtl.errors import UserError

CONFIG_NAME = "pipeline.config"


def write_config(config: Config) -> None:
    """Writes it, and removes what writers that were killed have left in the model_dir.

    Raises:
        UserError: the file cannot be written.
    """
    path = Path(config.pipeline.model_dir) / CONFIG_NAME
    try:
        write_text(path, config.text())
    except OSError as error:
        raise UserError(f"{path}: cannot be written: {reason(error)}. Check model_dir.") from None
    sweep(path.parent)
