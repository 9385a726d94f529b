"""Exporting from a program: a SavedModel that was compared with its checkpoint."""

import os
from pathlib import Path
from typing import TYPE_CHECKING

from easymtl.api.data_input import Data, data_as_paths
from easymtl.api.opening import open
from easymtl.api.overwriting import require_apart
from easymtl.api.run import Run
from easymtl.api.tensorflow_start import start_tensorflow
from easymtl.config.arguments import wrong_argument
from easymtl.errors import UserError
from easymtl.serving.formats.packages import require_packages

if TYPE_CHECKING:
    from easymtl.api.model import Model


def export(
    model: "Model | Run | str | os.PathLike[str]",
    folder: str | os.PathLike[str] | None = None,
    data: Data = None,
    *,
    verbose: bool = True,
) -> Path:
    """Exports a model as a SavedModel, in a new subfolder named by the time, and compares it with the checkpoint.

    Args:
        model: an open model of a checkpoint; or a run, a model_dir or a config that names one, of which the newest
            checkpoint is exported.
        folder: where the numbered subfolder is made; None is `export/final` of the model_dir.
        data: rows on which the scores are compared, a table or paths; None for the evaluation data, else the training
            data, that the model was trained with.
        verbose: whether to print what `easymtl export` prints.

    Returns:
        The folder of the SavedModel.

    Raises:
        UserError: it is an export already, the place is one of data, or the SavedModel does not score as the
            checkpoint.

    Example:
        >>> folder = easymtl.export(model, "exports/shop", data=rows, verbose=False)
        >>> easymtl.open(folder).predict(rows).shape == model.predict(rows).shape
        True
    """
    if isinstance(model, (str, os.PathLike)):
        model = open(model)
    if not hasattr(model, "config") or not hasattr(model, "tables"):
        raise wrong_argument("easymtl.export", "model", "an open model, a run, or a model_dir", model)
    config, choice = model.config, "latest"
    if not isinstance(model, Run):
        if model.is_export:
            raise UserError(f"{model.source}: this is an export already. Open its model_dir, and export that.")
        choice = str(model.source)
    target = Path(folder) if folder is not None else Path(config.pipeline.model_dir) / "export" / "final"
    require_apart(config, [("folder", target / "0")], models=[str(Path(config.pipeline.model_dir) / "checkpoints")])
    require_packages(config.pipeline)
    start_tensorflow()
    from easymtl.api.exporting import export_chosen
    from easymtl.reporting.terminal import open_terminal

    terminal = open_terminal()
    terminal.quiet = not verbose
    # Of the tables of a training those that its evaluation read.
    name = "data" if data is not None else next((name for name in ("eval", "train") if name in model.tables), "data")
    with data_as_paths({name: data}, config.pipeline, held=model.tables) as paths:
        compared = config.with_paths(eval_input_path=paths[name]) if name in paths else config
        return export_chosen(compared, choice, target, terminal)
