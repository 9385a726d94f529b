"""Where the folder of a training is meant, its config may be named, too."""

from pathlib import Path

from easymtl.checkpoints.written_config import CONFIG_NAME
from easymtl.config import load_config
from easymtl.errors import UserError


def model_dir_of(place: str, what: str = "the model_dir of a training") -> str:
    """Returns a folder as it is, and in place of the file of a config the model_dir that it names.

    Args:
        place: a folder or a file.
        what: the folder that was meant, for who has named neither.

    Raises:
        UserError: there is neither, the file is no config, or nothing has been trained in its model_dir.
    """
    path = Path(place)
    if path.is_dir():
        return place
    if not path.exists():
        raise UserError(f"{place}: there is no such folder, and no such config. Name {what}, or its config.")
    model_dir = load_config(place).pipeline.model_dir
    if not Path(model_dir).is_dir():
        raise UserError(f"{place}: its model_dir, {model_dir}, is not there. Train it first: easymtl train {place}")
    return model_dir


def trainings_in(folder: Path) -> str:
    """Returns a sentence that names the folders of trainings in a folder; empty where there are none."""
    near = sorted(str(path.parent) for path in folder.glob(f"*/{CONFIG_NAME}"))[:5]
    return f" There are trainings in it: name {' or '.join(near)}." if near else ""
