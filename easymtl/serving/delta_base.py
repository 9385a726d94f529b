"""What a delta is made from: an export, what an earlier delta leads to, or a checkpoint that is still kept."""

import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from easymtl.checkpoints.folder import Checkpoint, CheckpointFolder
from easymtl.checkpoints.meaning import digests_of
from easymtl.checkpoints.restore import find_checkpoint, load_ranker
from easymtl.errors import UserError, did_you_mean, quoted
from easymtl.protos.pipeline_pb2 import Pipeline
from easymtl.serving.delta_folders import is_delta, is_whole, version_of, versions_in
from easymtl.serving.delta_joining import chain_of, join
from easymtl.serving.form_of_export import describe
from easymtl.serving.partitions import read_meta_graph
from easymtl.serving.saved_model import ServingModel
from easymtl.serving.signatures import save

WAY_OUT = "A delta cannot say that: make a whole export, easymtl export without --since."

Form = dict[str, tuple[int, str]]


@dataclass(frozen=True)
class Base:
    """What `--since` names.

    Attributes:
        since: the word itself.
        version: of an export, or of what a delta leads to; None of a checkpoint, or if the folder has another name.
        step: of its checkpoint; None if the export does not say.
        path: the export or the delta; None of a checkpoint.
        checkpoint: None of an export.
    """

    since: str
    version: int | None
    step: int | None
    path: Path | None = None
    checkpoint: Checkpoint | None = None

    def __str__(self) -> str:
        """Returns it for a message."""
        return f"{self.path or 'the checkpoint'} of step {'?' if self.step is None else self.step}"


def find_base(pipeline: Pipeline, folder: Path, since: str) -> Base:
    """Returns what `--since` names: a path, a version in the folder, or a step, of an export there or of a checkpoint.

    Raises:
        UserError: there is none, or its features, vocabularies or towers are not those of the config.
    """
    versions = versions_in(folder)
    named = [Path(since), *(path for number, path in versions.items() if since in (str(number), path.name))]
    exports = [path for path in named if is_whole(path) or is_delta(path)]
    if not exports:
        exports = [
            path for _, path in sorted(versions.items(), reverse=True) if str(_said_by(path).get("step")) == since
        ]
    if exports:
        return _of_export(pipeline, exports[0], since)
    steps = [str(one.step) for one in CheckpointFolder(pipeline.model_dir).all()]
    if since in steps or (Path(since) / "state.json").is_file():
        checkpoint = find_checkpoint(pipeline, since)
        return Base(since, None, checkpoint.step, checkpoint=checkpoint)
    known = [*map(str, versions), *steps]
    raise UserError(
        f'--since "{since}" is no version in {folder} ({quoted(map(str, versions)) or "there is none"}), no step of a '
        f"checkpoint in {pipeline.model_dir} ({quoted(steps) or 'there is none'}), and no folder of an export."
        f"{did_you_mean(since, known)}"
    )


def materialize(pipeline: Pipeline, base: Base, work: Path) -> Path:
    """Returns the folder of a SavedModel that has the rows of the base; one that is made is `work`.

    Raises:
        UserError: the checkpoint is damaged or of another model, or the base of a delta is not there.
    """
    if base.path is not None and is_whole(base.path):
        return base.path
    shutil.rmtree(work, ignore_errors=True)
    if base.path is not None:
        join(chain_of(base.path), work)
    elif base.checkpoint is not None:
        ranker = load_ranker(pipeline, base.checkpoint, is_exported=True, is_on_disk=True)
        model = ServingModel(pipeline, ranker)
        work.parent.mkdir(parents=True, exist_ok=True)
        save(model, work, model.signatures(), model.write_tables)
    return work


def require_same_signatures(new: Path, base: Path) -> None:
    """Sees that requests to one of two SavedModels are requests to the other.

    Raises:
        UserError: a signature, or an input or output of it, is in one alone, or has another type or shape.
    """
    forms = [_forms(folder) for folder in (new, base)]
    for name in sorted(forms[0].keys() ^ forms[1].keys()):
        raise UserError(f'the signature "{name}" is in one of the two alone')
    for name, tensors in forms[0].items():
        there = forms[1][name]
        for tensor in sorted(tensors.keys() | there.keys()):
            if tensors.get(tensor) != there.get(tensor):
                raise UserError(f"the {tensor} of {name} is not the same in both")


def _of_export(pipeline: Pipeline, path: Path, since: str) -> Base:
    said = _said_by(path)
    there, here = said.get("meaning"), digests_of(pipeline)
    # Exports from before there were deltas do not tell; what cannot be joined is told of them later.
    if isinstance(there, Mapping) and there != here:
        changed = next(name for name in (*here, *there) if here.get(name) != there.get(name))
        raise UserError(f"--since {since}: {path} is another model: {changed} is not what it was. {WAY_OUT}")
    return Base(since, version_of(path), said.get("step"), path=path)


def _said_by(path: Path) -> Mapping[str, Any]:
    """Returns what an export or a delta tells of itself; nothing where that cannot be read."""
    try:
        said = describe(path)
    except (OSError, ValueError):
        return {}
    return said if isinstance(said, Mapping) else {}


def _forms(folder: Path) -> dict[str, Form]:
    """Returns type and shape of the inputs and outputs of each signature."""
    return {
        name: {
            f'{kind} "{key}"': (info.dtype, str([dim.size for dim in info.tensor_shape.dim]))
            for kind, infos in (("input", signature.inputs), ("output", signature.outputs))
            for key, info in infos.items()
        }
        for name, signature in read_meta_graph(folder).signature_def.items()
        if not name.startswith("__")
    }
