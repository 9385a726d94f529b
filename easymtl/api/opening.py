"""Which model is opened: a checkpoint of a model_dir, or a SavedModel."""

import os
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from easymtl.api.model_dirs import model_dir_of, trainings_in
from easymtl.api.tensorflow_start import start_tensorflow
from easymtl.checkpoints.written_config import CONFIG_NAME
from easymtl.config import Config, load_config
from easymtl.config.arguments import require_path
from easymtl.data.memory import HeldTable
from easymtl.errors import UserError
from easymtl.reporting.phases import begin

if TYPE_CHECKING:
    from easymtl.api.model import Model
    from easymtl.api.open_model import OpenModel
    from easymtl.checkpoints.folder import Checkpoint
    from easymtl.peers.peers import Peers


def open(folder: str | os.PathLike[str], checkpoint: str | int = "latest") -> "Model":
    """Opens a trained model: that of a model_dir, or an export.

    Args:
        folder: a model_dir, or the config that names it; or the folder of an export, or of several with numbers, of
            which the newest is opened.
        checkpoint: of a model_dir: "latest", "best" or a step.

    Raises:
        UserError: there is no model, or it is damaged.

    Example:
        >>> easymtl.open("models/shop").step
        20
        >>> easymtl.open("models/shop", checkpoint=10).step
        10
    """
    place = require_path("easymtl.open", "folder", "the path of a model_dir or of an export", folder)
    path = Path(model_dir_of(place, "a model_dir or an export"))
    if (path / CONFIG_NAME).is_file():
        config = load_config(str(path / CONFIG_NAME)).with_paths(model_dir=str(path))
        return open_checkpoint(config, str(checkpoint))
    if not any(path.glob("saved_model.pb")) and not any(path.glob("*/saved_model.pb")):
        raise UserError(
            f"{path}: neither a model_dir, which has a {CONFIG_NAME}, nor an export, which has a saved_model.pb."
            f"{trainings_in(path)}"
        )
    if checkpoint != "latest":
        raise UserError(f"{path}: an export has one state of the weights. Leave checkpoint out, or open the model_dir.")
    return _open_export(path)


def _open_export(path: Path) -> "Model":
    start_tensorflow()
    from easymtl.api.model import Model
    from easymtl.serving.saved_model_scorer import newest_export

    export = newest_export(path)
    config_file = export / "assets.extra" / CONFIG_NAME
    if not config_file.is_file():
        raise UserError(f"{export}: there is no {config_file.name} in its assets.extra, by which rows are read.")
    return Model.of_export(load_config(str(config_file)), export)


def open_checkpoint(config: Config, checkpoint: str, tables: Mapping[str, HeldTable] | None = None) -> "Model":
    """Returns the model of a checkpoint in the model_dir of a config.

    Args:
        config: names the model_dir.
        checkpoint: as `find_checkpoint` takes it.
        tables: on which it was trained and evaluated, where these are in memory.

    Raises:
        UserError: there is no such checkpoint.
    """
    found = _find(config, checkpoint)
    from easymtl.api.model import Model

    return Model.of_checkpoint(config, found, tables)


def _find(config: Config, checkpoint: str) -> "Checkpoint":
    start_tensorflow()
    from easymtl.checkpoints.restore import find_checkpoint

    found = find_checkpoint(config.pipeline, checkpoint)
    begin("reading", str(found.path))
    return found


def open_chosen(
    config: Config, checkpoint: str = "latest", saved_model: str | None = None, peers: "Peers | None" = None
) -> "OpenModel":
    """Returns the model that the options of a command choose; a command has files, and needs nothing of pandas.

    Args:
        config: names the model_dir.
        checkpoint: as `find_checkpoint` takes it.
        saved_model: a SavedModel, which is taken instead.
        peers: the workers that score with it together; None for one.

    Raises:
        UserError: there is no such checkpoint or SavedModel, or workers have found different ones.
    """
    if saved_model:
        start_tensorflow()
        from easymtl.api.open_model import OpenModel

        begin("reading", saved_model)
        model = OpenModel.of_export(config, saved_model)
        if peers is not None:
            require_same_model(model.source.name, peers)
        return model
    found = _find(config, checkpoint)
    from easymtl.api.open_model import OpenModel

    if peers is None:
        return OpenModel.of_checkpoint(config, found)
    require_same_model(found.path.name, peers)
    return OpenModel.of_checkpoint(config, found, peers=peers)


def require_same_model(name: str, peers: "Peers") -> None:
    """Checks that workers that score together open the same model; all of them have to ask.

    Args:
        name: of the folder that this worker has found.
        peers: the workers.

    Raises:
        UserError: they have not: a training has saved another checkpoint meanwhile, or their flags differ.
    """
    names = peers.share(name)
    if len(set(names)) > 1:
        index = next(index for index, name in enumerate(names) if name != names[0])
        raise UserError(
            f"worker 0 has opened {names[0]}, and worker {index} {names[index]}: a training may have saved another one "
            "meanwhile. Name one for all workers, such as --checkpoint STEP."
        )
