"""`~` in paths, which no shell has written out: in a config, behind a comma, or behind the "=" of a flag."""

import os
import re

from easymtl.config import view
from easymtl.protos.pipeline_pb2 import Pipeline

_HOME = re.compile(r"(^|,)(\s*)(~[^/,]*)(?=/|,|$)")
_FIELDS = ("train_input_path", "eval_input_path", "parquet_train_input", "parquet_eval_input", "model_dir")
_STARTING_WEIGHTS = ("fine_tune_checkpoint", "fine_tune_ckpt_var_map")


def expand_home(paths: str) -> str:
    """Returns a path, or a comma list of them, with `~` and `~name` at the beginning of each written out.

    The home of a name that does not exist stays as it is; so do remote paths.
    """
    return _HOME.sub(lambda match: match[1] + match[2] + os.path.expanduser(match[3]), paths)


def expand_home_of(pipeline: Pipeline) -> None:
    """Writes out `~` in all paths of a config."""
    for name in _FIELDS:
        if pipeline.HasField(name):
            setattr(pipeline, name, expand_home(getattr(pipeline, name)))
    for name in _STARTING_WEIGHTS:
        if pipeline.train_config.HasField(name):
            setattr(pipeline.train_config, name, expand_home(getattr(pipeline.train_config, name)))
    if pipeline.data_config.encoded_cache.path:
        pipeline.data_config.encoded_cache.path = expand_home(pipeline.data_config.encoded_cache.path)
    for feature in view.features(pipeline):
        if feature.vocab_file:
            feature.vocab_file = expand_home(feature.vocab_file)
    if pipeline.HasField("export_config"):
        assets = pipeline.export_config.asset_files
        assets[:] = ["!" * path.startswith("!") + expand_home(path.removeprefix("!")) for path in assets]
