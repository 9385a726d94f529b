"""Configs for programs: read from files, or drafted for data."""

import os
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import pyarrow as pa

from easymtl.api.data_input import Data, as_path, is_path
from easymtl.api.drafted import DraftedConfig
from easymtl.api.python_words import in_python, without_flags
from easymtl.config import Config, parse_config
from easymtl.config.arguments import require_path, wrong_argument
from easymtl.config.config import read_text
from easymtl.config.edits import overrides_of_values
from easymtl.data.memory import SCHEME
from easymtl.data.table_digest import table_digest
from easymtl.data.tables import hold_table, is_table

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
    instead = "Of a config that is there already the overrides are: Config.of(config.pipeline, overrides)."
    place = require_path("easymtl.load", "path", "the path of a config", path, instead * isinstance(path, Config))
    return parse_config(read_text(place), place, overrides, tasks)


def config_of(config: Config | str | os.PathLike[str], function: str, data: str = "data") -> Config:
    """Returns a config as it is, or reads it.

    Args:
        config: a config or its path.
        function: that has been given it, for messages.
        data: what that takes behind it.

    Raises:
        UserError: it is neither, or it is wrong.
    """
    if isinstance(config, Config):
        return config
    instead = f"The config comes first: {function}(config, {data})." if is_table(config) else ""
    return load(require_path(function, "config", "a Config, or the path of one", config, instead))


@in_python(**_FLAGS)
def init(
    data: Data,
    labels: str | Sequence[str],
    evaluation: Data = None,
    overrides: Overrides = (),
    *,
    model: str = "mmoe",
    preset: str = "small",
    out: str | os.PathLike[str] | None = None,
    schema: str | os.PathLike[str] | None = None,
    like: str | os.PathLike[str] | None = None,
    user: str | None = None,
    session: str | None = None,
    time: str | None = None,
    ignore: str | Sequence[str] = (),
    columns: Sequence[str] | None = None,
    model_dir: str | os.PathLike[str] | None = None,
    replaces: bool = False,
    divides: bool = True,
) -> Config:
    """Drafts a config for data: types, features, sizes, tasks and metrics, as `easymtl init` does.

    Without `evaluation` a tenth of the rows, from 20,000 on a twentieth, is kept aside to judge by: the last ones by
    time, those of some users, or any. Of files the parts are written beside `out`. Of a table the config keeps them, as
    `config.train` and `config.eval`, and `easymtl.train(config, data)` takes each for what it is.

    Args:
        data: a table or paths, with labels.
        labels: the column that is to be predicted, or several.
        evaluation: rows to judge by, as `data`.
        overrides: of fields of the draft, as `load` takes them.
        model: an architecture.
        preset: "small", or "strong", which is wider and trains longer.
        out: the file that the config is for, beside which the parts of files are written; it is not written itself.
        schema: `schema.pbtxt` of Merlin or TFX, which tells what columns are.
        like: a config whose features, labels and training are kept; columns that it does not have are added.
        user: the column that tells users apart, where its name does not.
        session: the column that tells requests apart.
        time: the column that says when a row happened.
        ignore: a column that nothing shall read, or several.
        columns: names of the columns of CSV files without a header.
        model_dir: where the model will be trained.
        replaces: whether parts of files that are there are written over.
        divides: whether rows of a table are kept aside to judge by.

    Returns:
        The config; its `notes` say what the draft was unsure of, and what it left out.

    Raises:
        UserError: the data cannot be read, or a label is not there.

    Example:
        >>> config = easymtl.init(rows.drop(columns="note"), ["click", "buy"], overrides={"train_config.num_steps": 50})
        >>> config, config.train.num_rows + config.eval.num_rows == len(rows)
        (<Config the drafted config: mmoe, "click", "buy", "buy_given_click">, True)
    """
    from easymtl.drafting import draft_config

    given = {"train": data, "eval": evaluation}
    sources = {name: None if one is None else _source(one, name) for name, one in given.items()}
    draft = draft_config(
        sources["train"],
        _names_of(labels),
        model=model,
        preset=preset,
        evaluation=sources["eval"],
        out=_text_of(out),
        schema=_text_of(schema),
        like=_text_of(like),
        user=user,
        session=session,
        time=time,
        ignore=[ignore] if isinstance(ignore, str) else ignore,
        columns=columns,
        model_dir=_text_of(model_dir),
        replaces=replaces,
        divides=divides,
    )
    rows = {name: one for name, one in sources.items() if isinstance(one, pa.Table)}
    if draft.tables:
        rows |= dict(zip(("train", "eval"), draft.tables))
    in_memory = [f"{name}_input_path={SCHEME}{name}" for name in rows]
    if isinstance(overrides, Mapping):
        overrides = overrides_of_values(overrides)
    config = parse_config(draft.text, "the drafted config", [*in_memory, *overrides])
    left_out = [f"left out: {', '.join(draft.left_out_texts)}"] if draft.left_out else []
    config.notes.extend(without_flags(str(note), _FLAGS) for note in (*draft.notes, *left_out))
    if draft.tables:
        source = sources["train"]
        return DraftedConfig(**vars(config), **rows, source=source, digest=table_digest(source))
    return config


def _names_of(labels: Any) -> list[str]:
    """Returns the names of labels; pandas may call a column by a number."""
    if isinstance(labels, str):
        return [labels]
    # Rows, or a column of them, are no list of names, whatever their values are; the columns of pandas are one.
    has_values = is_table(labels) or (hasattr(labels, "to_frame") and not type(labels).__name__.endswith("Index"))
    found = list(labels) if isinstance(labels, Iterable) and not has_values else [None]
    if not all(isinstance(name, (str, int)) and not isinstance(name, bool) for name in found):
        name = getattr(labels, "name", None) or "click"
        instead = f'Give the name of the column: easymtl.init(data, ["{name}"]).'
        raise wrong_argument("easymtl.init", "labels", "names of columns", labels, instead)
    return [str(name) for name in found]


def _text_of(path: str | os.PathLike[str] | None) -> str | None:
    return None if path is None else os.fspath(path)


def _source(data: Data, name: str) -> str | pa.Table:
    return as_path(data) if is_path(data) else hold_table(data, name).table
