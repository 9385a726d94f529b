"""Whether what `fine_tune_checkpoint` and its like name is there; told without TensorFlow, before anything is built."""

import re
from pathlib import Path

from easymtl.config.config import Config
from easymtl.config.problems import ConfigError, Problem
from easymtl.config.variable_map import read_variable_map
from easymtl.errors import did_you_mean, quoted
from easymtl.protos.pipeline_pb2 import Pipeline

CHECKPOINT = "train_config.fine_tune_checkpoint"
_MAP = "train_config.fine_tune_ckpt_var_map"
_FILE = re.compile(r"\.(index|meta|data-\d+-of-\d+)$")
_FORMS = 'a checkpoint such as ".../model.ckpt-1000", a folder of such, or a model_dir'
_OWN = ("state.json", "step-*/state.json", "checkpoints/step-*/state.json")
_THEIRS = ("checkpoint", "*.index")


def without_ending(source: str) -> str:
    """Returns the path of a checkpoint that one of its files is named by."""
    return _FILE.sub("", source)


def is_own(source: str) -> bool:
    """Returns whether a path names a checkpoint of easymtl, or a folder of such, and not one of EasyRec."""
    path = Path(without_ending(source))
    folder = path.parent if path.name == "weights" else path
    return any(next(folder.glob(pattern), None) for pattern in _OWN)


def require_starting_weights(config: Config) -> None:
    """Checks that the weights that a training would start from are there.

    A model_dir with checkpoints of its own starts from those, and what else is named is not looked at.

    Raises:
        ConfigError: they are not, or the map of variables is no such.
    """
    settings = config.pipeline.train_config
    if not settings.fine_tune_checkpoint or has_checkpoint(config.pipeline):
        return
    problems = []
    missing = _missing(settings.fine_tune_checkpoint)
    if missing:
        problems.append(_problem(config, CHECKPOINT, missing))
    if settings.fine_tune_ckpt_var_map:
        texts = read_variable_map(settings.fine_tune_ckpt_var_map)[1]
        problems += [_problem(config, _MAP, text) for text in texts]
    if problems:
        raise ConfigError(config.path, problems)


def has_checkpoint(pipeline: Pipeline) -> bool:
    """Returns whether the model_dir of a config has a checkpoint of its own, from which a training goes on."""
    return any(Path(pipeline.model_dir).glob("checkpoints/step-*/state.json"))


def _problem(config: Config, path: str, text: str) -> Problem:
    return Problem(config.where(path), f"{path}: {text}", config.places.position(path))


def _missing(source: str) -> str:
    """Returns what is wrong with the path of a checkpoint; empty where there is one."""
    if "://" in source:
        return f'"{source}" is no local path: copy the checkpoint here first.'
    path = Path(source)
    if path.is_dir():
        if is_own(source) or any(next(path.glob(pattern), None) for pattern in _THEIRS):
            return ""
        return f'"{source}" is a folder without a checkpoint; name {_FORMS}.'
    prefix = without_ending(source)
    if Path(f"{prefix}.index").is_file():
        return ""
    beside = sorted(found.stem for found in Path(prefix).parent.glob("*.index"))
    hint = did_you_mean(Path(prefix).name, beside)
    there = f" {Path(prefix).parent} has {quoted(beside, limit=5)}.{hint}" if beside else ""
    relative = f" (relative paths start at {Path.cwd()})"
    return f'"{source}" is no checkpoint: {prefix}.index does not exist{relative}.{there} Name {_FORMS}.'
