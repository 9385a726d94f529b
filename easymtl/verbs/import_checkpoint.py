"""`easymtl import-checkpoint`: a checkpoint of EasyRec becomes one of ours, at its step."""

import json
from argparse import Namespace
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

from easymtl.config import load_config
from easymtl.errors import quoted
from easymtl.verbs.overwriting import require_apart_from_training
from easymtl.verbs.tensorflow_start import start_tensorflow

if TYPE_CHECKING:
    from easymtl.training.import_checkpoint import ImportReport

REPORT_NAME = "import.json"


def run(options: Namespace) -> None:
    """Imports, prints what became of each weight, and writes all of it to `import.json` in the model_dir.

    Raises:
        UserError: the config is wrong, the model_dir in use, or the checkpoint missing, damaged or of another model.
    """
    config = load_config(options.pipeline_config, options.overrides)
    require_apart_from_training(config)
    start_tensorflow()
    from easymtl.models.backbone import located
    from easymtl.reporting.tables import key_values
    from easymtl.reporting.terminal import open_terminal, print_line
    from easymtl.training.import_checkpoint import import_checkpoint

    with located(config):
        report = import_checkpoint(config.pipeline, options.source, options.fresh_optimizer)
    path = Path(config.pipeline.model_dir) / REPORT_NAME
    path.write_text(json.dumps(asdict(report), indent=2) + "\n", encoding="utf-8")
    terminal = open_terminal()
    key_values(describe(report), terminal, "Imported")
    for warning in warnings(report):
        print_line(terminal, f"Warning: {warning}", "yellow")
    print_line(terminal, f"Wrote {path}, with all names")


def describe(report: "ImportReport") -> dict[str, object]:
    """Returns what an import has done, by heading."""
    renamed = [f"{ours} = {there}" for ours, there in report.parameters.items() if ours != there]
    values: dict[str, object] = {
        "from": report.source,
        "checkpoint": f"{report.path} (step {report.step})",
        "parameters": f"{len(report.parameters)} taken over, {len(report.fresh)} fresh",
        "under another name": ", ".join(renamed),
        "optimizer slots": f"{len(report.slots)} taken over, {len(report.fresh_slots)} fresh",
        "norms": f"{len(report.converged)}, their statistics count as converged" if report.converged else "",
        "fresh here": quoted(report.fresh),
        "not used there": quoted(report.unused),
        "slots not used there": quoted(report.unused_slots, limit=5),
    }
    return {name: value for name, value in values.items() if value}


def warnings(report: "ImportReport") -> list[str]:
    """Returns what a user should know before the model is used or trained on."""
    found = []
    if report.fresh:
        are = "is" if len(report.fresh) == 1 else "are"
        found.append(f"{len(report.fresh)} of the parameters {are} not in the checkpoint and start as in a new model.")
    if report.unused:
        have = "has" if len(report.unused) == 1 else "have"
        found.append(f"{len(report.unused)} of its variables {have} no place in this model.")
    if report.step and any(name.endswith("/Adam") for name in report.fresh_slots):
        found.append(
            f"optimizer slots start anew at step {report.step}, where Adam no longer corrects for that: its first "
            "steps are several times too long. To train on, import with --fresh_optimizer, which begins at step 0."
        )
    return found
