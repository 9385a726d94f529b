"""`easymtl export`: a SavedModel, checked against the checkpoint before it is published."""

from argparse import Namespace
from pathlib import Path

from easymtl.config import load_config
from easymtl.verbs.tensorflow_start import start_tensorflow


def run(options: Namespace) -> None:
    """Exports a checkpoint and prints where to, its inputs and outputs, and how it was checked.

    Raises:
      UserError: the config or the checkpoint are wrong, or the SavedModel does not score as the checkpoint does.
    """
    config = load_config(options.pipeline_config, options.overrides, options.tasks)
    start_tensorflow()
    from easymtl.reporting.terminal import open_terminal
    from easymtl.serving.export import export
    from easymtl.training.restore import find_checkpoint
    from easymtl.verbs.exporting import print_export

    checkpoint = find_checkpoint(config.pipeline, options.checkpoint)
    folder = options.export_dir or Path(config.pipeline.model_dir) / "export" / "final"
    print_export(export(config.pipeline, checkpoint, folder), open_terminal())
