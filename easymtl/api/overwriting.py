"""No command writes over what it reads, or over training data: one mistyped path must not delete data."""

import os
import tempfile
from argparse import Namespace
from collections.abc import Mapping, Sequence
from pathlib import Path

from easymtl.checkpoints.publishing import reason
from easymtl.checkpoints.written_config import CONFIG_NAME
from easymtl.config import Config, load_config, view
from easymtl.config.export_files import asset_files
from easymtl.config.input_groups import input_groups
from easymtl.data.reading import is_same_file, lies_in, local_files, same_input, would_read
from easymtl.data.remote import is_remote
from easymtl.errors import UserError
from easymtl.protos.pipeline_pb2 import Pipeline
from easymtl.reporting.rates_files import rates_files

# What a training writes into its model_dir, and the folders of these that it keeps in order, removing files.
_ENTRIES = (
    "eval_result.json",
    "history.jsonl",
    "input_oddities.json",
    "import.json",
    "fine_tune.json",
    "checkpoints",
    "summaries",
    "export",
    "profile",
)
_KEPT_FOLDERS = ("checkpoints", "summaries", "profile")


def require_apart(
    config: Config,
    writes: Sequence[tuple[str, str | Path]],
    inputs: Mapping[str, str | None] | None = None,
    models: Sequence[str] = (),
) -> None:
    """Checks, before anything slow is done, that nothing that is to be written is read, or would be read as data.

    Args:
        config: its training and evaluation data, its vocabularies and asset files, and its own file are read.
        writes: what is written, by what names it: `--output`, and a file or folder.
        inputs: further data, such as `--input` -> a comma list of globs, folders and files.
        models: folders that a model is read from.

    Raises:
        UserError: a target is an input, lies in a folder that a model is read from, or would be read as data.
    """
    data = {**_data_of(config.pipeline), **{name: paths for name, paths in (inputs or {}).items() if paths}}
    for option, target in writes:
        _require_no_input(f"{option} {target}", str(target), data, _files_of(config))
        for folder in models:
            if lies_in(str(target), folder):
                raise UserError(
                    f"{option} {target} lies in {folder}, which a model is read from. Name a place outside of it."
                )


def require_writable(option: str, target: str | Path) -> None:
    """Checks, before anything slow is done, that a file can be written; what there is not of folders is made later.

    Args:
        option: what names the file: `--output`.
        target: the file.

    Raises:
        UserError: it is on another file system, or its folder, or the one that this will be made in, takes no files.
    """
    require_local(option, target, "file")
    folder = next(folder for folder in Path(target).absolute().parents if folder.exists())
    try:
        # Permissions alone do not tell: of a full or read-only disk, or to the superuser.
        with tempfile.TemporaryFile(dir=folder):
            return
    except OSError as error:
        raise UserError(
            f"{option} {target}: cannot be written: {folder} takes no files ({reason(error)}). Name another place."
        ) from None


def require_local(option: str, target: str | Path, kind: str) -> None:
    """Refuses what would become a folder of the name `s3:` here.

    Args:
        option: what names it: `--output`.
        target: what is written.
        kind: what it is: `file` or `folder`.

    Raises:
        UserError: it is on another file system.
    """
    if is_remote(str(target)):
        raise UserError(f"{option}: {target} is no local {kind}. Name a local one, and copy it.")


def require_apart_from_training(config: Config) -> None:
    """Checks that what a training writes into its model_dir is none of its inputs, nor would be read as data.

    Raises:
        UserError: it is.
    """
    model_dir = Path(config.pipeline.model_dir)
    _require_resolved(config, model_dir / CONFIG_NAME)
    require_apart(config, [("model_dir:", model_dir / name) for name in _ENTRIES])
    if config.pipeline.model_config.HasField("variational_dropout"):
        groups = [group.name for group in input_groups(config.pipeline)]
        files = [path for group in groups for path in rates_files(str(model_dir), group).values()]
        require_apart(config, [("model_dir:", path) for path in files])
    data = [(name, path) for name, paths in _data_of(config.pipeline).items() for path in local_files(paths)]
    for name, path in [*_files_of(config).items(), *data]:
        for kept in _KEPT_FOLDERS:
            if lies_in(path, str(model_dir / kept)):
                raise UserError(
                    f"{name} {path} lies in {model_dir / kept}, where a training writes and removes files. Copy it to "
                    "another folder, or train in another model_dir (--set model_dir=...)."
                )


def model_folders(pipeline: Pipeline, options: Namespace) -> list[str]:
    """Returns the folders that a command reads a model from, as its options choose it."""
    named = [getattr(options, "saved_model", None), options.checkpoint]
    return [str(Path(pipeline.model_dir) / "checkpoints"), *(path for path in named if path and os.path.isdir(path))]


def _require_no_input(what: str, target: str, data: Mapping[str, str], files: Mapping[str, str]) -> None:
    for name, path in files.items():
        if is_same_file(path, target):
            raise UserError(_over(what, f"{name} {path}"))
    for name, paths in data.items():
        found = same_input(paths, target)
        if found:
            raise UserError(_over(what, f"{found}, which {name} reads"))
        part = would_read(paths, target)
        if part:
            raise UserError(
                f'{what} lies in "{part}", of which {name} reads all files: what is written there would be read as '
                "data. Name a place outside of it."
            )


def _over(what: str, read: str) -> str:
    return f"{what} is the file {read}: it would be overwritten, and what it holds lost. Name another one."


def _data_of(pipeline: Pipeline) -> dict[str, str]:
    """Returns the input paths of a config, by what names them."""
    found = {
        "train_input_path": view.train_input(pipeline),
        "eval_input_path": view.eval_input(pipeline),
        "eval_config.calibration_input_path": pipeline.eval_config.calibration_input_path,
    }
    return {name: paths for name, paths in found.items() if paths}


def _files_of(config: Config) -> dict[str, str]:
    """Returns the other files that a config reads, by what names them: one of each name is enough for a message."""
    files = {"--pipeline_config": config.path}
    for feature in view.features(config.pipeline):
        if feature.vocab_file:
            files[f'vocab_file of "{view.feature_name(feature)}"'] = feature.vocab_file
    settings = config.pipeline.train_config
    if settings.fine_tune_ckpt_var_map:
        files["fine_tune_ckpt_var_map"] = settings.fine_tune_ckpt_var_map
    for asset in asset_files(config.pipeline):
        files[f'asset_files "{os.path.basename(asset)}"'] = asset
    return files


def _require_resolved(config: Config, target: Path) -> None:
    """Lets a training go on with the config that an earlier one wrote, and leaves a hand-written one as it is."""
    if not is_same_file(config.path, str(target)):
        return
    text = Path(config.path).read_text(encoding="utf-8-sig")
    if load_config(config.path).text() != text:
        raise UserError(
            f"--pipeline_config {config.path} is the file into which a training writes its resolved config: the text "
            f"and its comments would be lost. Rename it, or train in another model_dir (--set model_dir=...)."
        )
