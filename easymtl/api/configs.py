"""Configs for programs: read from files, or drafted for data."""

import os
from collections.abc import Mapping, Sequence
from typing import Any

import pyarrow as pa

from easymtl.api.data_input import Data, as_path, is_path
from easymtl.api.drafted import DraftedConfig
from easymtl.api.python_words import in_python, without_flags
from easymtl.config import Config, parse_config
from easymtl.config.config import read_text
from easymtl.config.edits import overrides_of_values
from easymtl.data.memory import SCHEME
from easymtl.data.table_digest import table_digest
from easymtl.data.tables import hold_table

_ALIKE = ("labels", "model", "preset", "out", "schema", "like", "user", "session", "time", "ignore", "columns")
_FLAGS = {**{name: name for name in (*_ALIKE, "model_dir")}, "eval": "evaluation", "force": "replaces"}
Overrides = Mapping[str, Any] | Sequence[str]


def load(path: str | os.PathLike[str], overrides: Overrides = (), tasks: Sequence[str] | None = None) -> Config:
    """Reads, overrides and checks a config.

    Args:
        path: a text-format file, see docs/config.md.
        overrides: of fields: `{"train_config.num_steps": 100}`, or `["train_config.num_steps=100"]` as after `--set`. A
            value is a text as `--set` takes it, a number, True or False, a list of such, a map of the fields below, or
            a protobuf message.
        tasks: the config with these task towers alone; None keeps all.

    Raises:
        UserError: the config is wrong; the text lists all that was found, by line.

    Example:
        >>> config = easymtl.load("shop.config", {"train_config.num_steps": 100})
        >>> config.pipeline.train_config.num_steps
        100
    """
    return parse_config(read_text(os.fspath(path)), os.fspath(path), overrides, tasks)


@in_python(**_FLAGS)
def init(
    data: Data, labels: str | Sequence[str], evaluation: Data = None, overrides: Overrides = (), **choices: Any
) -> Config:
    """Drafts a config for data: types, features, sizes, tasks and metrics, as `easymtl init` does.

    Without `evaluation` a tenth of the rows is kept aside to judge by: the last ones by time, those of some users, or
    any. Of files the parts are written beside `out`. Of a table the config keeps them, as `config.train` and
    `config.eval`, and `easymtl.train(config, data)` takes each for what it is.

    Args:
        data: a table or paths, with labels.
        labels: the column that is to be predicted, or several.
        evaluation: rows to judge by, as `data`.
        overrides: of fields of the draft, as `load` takes them.
        choices: what else `easymtl.drafting.draft_config` takes, such as `model="mmoe"`, or
            `divides=False`, which keeps no row of a table aside.

    Returns:
        The config; its `notes` say what the draft was unsure of.

    Raises:
        UserError: the data cannot be read, or a label is not there.
    """
    from easymtl.drafting import draft_config

    given = {"train": data, "eval": evaluation}
    sources = {name: None if one is None else _source(one, name) for name, one in given.items()}
    # pandas may call a column by a number.
    names = [labels] if isinstance(labels, str) else [str(label) for label in labels]
    draft = draft_config(sources["train"], names, evaluation=sources["eval"], **choices)
    rows = {name: one for name, one in sources.items() if isinstance(one, pa.Table)}
    if draft.tables:
        rows |= dict(zip(("train", "eval"), draft.tables))
    in_memory = [f"{name}_input_path={SCHEME}{name}" for name in rows]
    if isinstance(overrides, Mapping):
        overrides = overrides_of_values(overrides)
    config = parse_config(draft.text, "the drafted config", [*in_memory, *overrides])
    config.notes.extend(without_flags(str(note), _FLAGS) for note in draft.notes)
    if draft.tables:
        source = sources["train"]
        return DraftedConfig(**vars(config), **rows, source=source, digest=table_digest(source))
    return config


def _source(data: Data, name: str) -> str | pa.Table:
    return as_path(data) if is_path(data) else hold_table(data, name).table
