"""`easymtl export`: a SavedModel, checked against the checkpoint before it is published."""

from argparse import Namespace
from pathlib import Path

from easymtl.api.overwriting import model_folders, require_apart
from easymtl.api.tensorflow_start import start_tensorflow
from easymtl.config import load_config
from easymtl.reporting.phases import begin
from easymtl.serving.formats.packages import require_packages


def run(options: Namespace) -> None:
    """Exports a checkpoint and prints where to, its inputs and outputs, and how it was checked.

    Raises:
        UserError: the config, the checkpoint or the base are wrong, the place is one of data, or the SavedModel does
            not score as the checkpoint does.
    """
    begin("reading", options.pipeline_config)
    config = load_config(options.pipeline_config, options.overrides, options.tasks)
    folder = Path(options.export_dir or Path(config.pipeline.model_dir) / "export" / "final")
    models = model_folders(config.pipeline, options)
    if options.since is not None and Path(options.since).is_dir():
        models.append(options.since)
    require_apart(config, [("--export_dir", folder / "0")], models=models)
    require_packages(config.pipeline)
    start_tensorflow()
    from easymtl.api.exporting import export_chosen
    from easymtl.reporting.terminal import open_terminal

    export_chosen(config, options.checkpoint, folder, open_terminal(), options.since)
