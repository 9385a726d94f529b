"""`easymtl import-checkpoint`: a checkpoint of EasyRec becomes one of ours, at its step."""

import json
from argparse import Namespace
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

from easymtl.api.overwriting import require_apart_from_training
from easymtl.api.tensorflow_start import start_tensorflow
from easymtl.config import load_config
from easymtl.reporting.outcomes_around import Imported
from easymtl.reporting.output import current
from easymtl.reporting.phases import begin

if TYPE_CHECKING:
    from easymtl.training.transfer import Transfer

REPORT_NAME = "import.json"


def run(options: Namespace) -> None:
    """Imports, prints what became of each weight, and writes all of it to `import.json` in the model_dir.

    Raises:
        UserError: the config is wrong, the model_dir in use, or the checkpoint missing, damaged or of another model.
    """
    begin("reading", options.pipeline_config)
    config = load_config(options.pipeline_config, options.overrides)
    require_apart_from_training(config)
    start_tensorflow()
    from easymtl.models.backbone import located
    from easymtl.reporting.terminal import open_terminal, print_line
    from easymtl.reporting.transfer_table import print_transfer
    from easymtl.training.import_checkpoint import import_checkpoint

    begin("importing", options.source)
    with located(config):
        report = import_checkpoint(config.pipeline, options.source, options.fresh_optimizer, options.partial)
    path = Path(config.pipeline.model_dir) / REPORT_NAME
    path.write_text(json.dumps(asdict(report), indent=2) + "\n", encoding="utf-8")
    found = warnings(report)

    def show() -> None:
        terminal = open_terminal()
        if not current().is_quiet:
            print_transfer(report, terminal, "Imported")
        print_line(terminal, f"Checkpoint: {report.path} (step {report.step})")
        for warning in found:
            print_line(terminal, f"Warning: {warning}", "yellow")
        print_line(terminal, f"Wrote {path}, with all names")

    current().result(Imported(report.path, report.step, path, len(report.parameters), found), show)


def warnings(report: "Transfer") -> list[str]:
    """Returns what a user should know before the model is used or trained on."""
    found = []
    new = len(report.fresh) + len(report.misfits)
    if new:
        start = "parameter starts" if new == 1 else "parameters start"
        found.append(f"{new} {start} as in a new model: the checkpoint has nothing of this name and shape.")
    if report.unused:
        have = "has" if len(report.unused) == 1 else "have"
        found.append(f"{len(report.unused)} of its variables {have} no place in this model.")
    if report.step and any(name.endswith("/Adam") for name in report.fresh_slots):
        found.append(
            f"optimizer slots start anew at step {report.step}, where Adam no longer corrects for that: its first "
            "steps are several times too long. To train on, import with --fresh_optimizer, which begins at step 0."
        )
    return found
