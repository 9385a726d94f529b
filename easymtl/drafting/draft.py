"""`draft_config`: from rows and the names of labels to a config with the reason of every choice."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

import pyarrow as pa

from easymtl.config.parser import Parser
from easymtl.config.problems import ConfigError, Findings, Places
from easymtl.config.validate import validate
from easymtl.convert.layout import config_text
from easymtl.drafting.architectures import ARCHITECTURES, require_architecture, require_fitting
from easymtl.drafting.existing import Existing, read_existing
from easymtl.drafting.margin import num_rows_of
from easymtl.drafting.models import draft_model
from easymtl.drafting.pipeline import Locations, draft_pipeline, header
from easymtl.drafting.profile import Profile, read_profile
from easymtl.drafting.roles import Roles
from easymtl.drafting.schema import read_schema
from easymtl.drafting.sizes import Sizes, sizes_of
from easymtl.drafting.split import Split, choose_split, require_free, split_table, write_split
from easymtl.drafting.table import Progress, Table, open_table, stem
from easymtl.drafting.understood import Understood, understand
from easymtl.drafting.unsure import draft_notes
from easymtl.errors import UserError, did_you_mean, quoted
from easymtl.protos.pipeline_pb2 import Pipeline

_MODEL = "mmoe"


@dataclass(frozen=True)
class Draft:
    """A drafted config.

    Attributes:
        text: the config, with comments.
        notes: what was guessed or left out, for people.
        pipeline: the same as a message.
        files: what was written: training and evaluation rows, where they were divided.
        path: where the config belongs: `out`, or a name made of the data's.
        tables: the same of a table in memory; empty where it was not divided.
        left_out: columns that no feature reads, and why.
    """

    text: str
    notes: tuple[str, ...]
    pipeline: Pipeline
    files: tuple[str, ...]
    path: str
    tables: tuple[pa.Table, ...] = ()
    left_out: Mapping[str, str] = field(default_factory=dict)

    @property
    def left_out_texts(self) -> list[str]:
        """Returns what was left out and why, `item_id (1.1 rows for each value: ...)` each."""
        return [f"{name or 'a column without a name'} ({reason})" for name, reason in self.left_out.items()]


def draft_config(
    source: "str | pa.Table",
    labels: Sequence[str],
    *,
    model: str | None = None,
    preset: str = "small",
    evaluation: "str | pa.Table | None" = None,
    out: str | None = None,
    schema: str | None = None,
    like: str | None = None,
    user: str | None = None,
    session: str | None = None,
    time: str | None = None,
    ignore: Sequence[str] = (),
    columns: Sequence[str] | None = None,
    model_dir: str | None = None,
    replaces: bool = False,
    divides: bool = True,
    progress: Progress | None = None,
) -> Draft:
    """Drafts a config from rows. The config itself is not written: `Draft.text` is what a file would hold.

    Rows are divided into training and evaluation rows where `evaluation` is not given: the parts of files are written
    beside `out`, those of a table in memory are `Draft.tables`.

    Args:
        source: Parquet or CSV: files, globs and folders, separated by commas; or a table in memory.
        labels: the columns to learn. With `like`, those of that config where there are none.
        model: an architecture such as `mmoe`, which it is without.
        preset: `small`, or `strong`, which is wider and trains longer.
        evaluation: rows to judge by, as `source`.
        out: the file that the config will be; beside it lie the parts of divided rows.
        schema: a schema of TensorFlow Metadata as text, `schema.pbtxt` of Merlin or TFX, that tells what columns are.
        like: a config whose features, labels and training are kept; columns that it does not have are added.
        user: the column that tells users apart, where its name does not.
        session: the column that tells requests apart.
        time: the column that says when a row happened.
        ignore: columns that nothing shall read.
        columns: the names of the columns of CSV files without a header, in order.
        model_dir: where the model will be trained.
        replaces: whether parts of divided rows that are there are written over.
        divides: whether rows of a table in memory are kept aside to judge by.
        progress: is told how many bytes of how many have been read.

    Returns:
        The draft, which is right: `easymtl check` says nothing against it.

    Raises:
        UserError: data, labels or options do not fit each other, or nothing can be learnt.

    Example:
        >>> import pyarrow as pa
        >>> rows = pa.table({"age": [20, 30, 40, 50] * 50, "click": [0, 1, 1, 0] * 50})
        >>> "MMoE" in draft_config(rows, ["click"]).text
        True
    """
    require_architecture(model or _MODEL)
    width = sizes_of(preset, 1).width
    existing = read_existing(like, labels) if like else None
    told = read_schema(schema) if schema else None
    wanted = list(labels or (existing.labels if existing else ()) or (told.labels if told else ()))
    _require_labels(wanted, like, schema)
    table = open_table(source, columns, wanted)
    judged = open_table(evaluation, columns, wanted) if evaluation is not None else None
    if judged is not None:
        _require_alike(table, judged)
    named = {"user": user, "session": session, "time": time}
    _require_columns(table, {"--labels": wanted})
    _require_columns(table, {**{f"--{role}": [name] for role, name in named.items() if name}, "--ignore": list(ignore)})
    path = Path(out or f"{stem(table)}.config")
    parts = _parts(table, path, replaces) if table.paths and judged is None else None

    profile = read_profile(table, wanted, progress)
    found = understand(profile, wanted, judged, told, existing, named, ignore, width)
    require_fitting(model or _MODEL, found.plan(profile, sizes_of(preset, profile.num_rows)))
    # What is written comes last: a draft that fails leaves nothing behind.
    is_divided = judged is None and divides
    split, num_rows, tables = _divide(table, profile, found.roles, parts, is_divided, replaces, progress)
    sizes = sizes_of(preset, num_rows, found.has_rare_ids(profile), bool(found.features.blocks))
    places = Locations(
        train=str(parts[0]) if parts else table.paths,
        evaluation=str(parts[1]) if parts else (judged.paths if judged else ""),
        model_dir=model_dir or f"model_dir/{path.stem}",
        has_header=bool(parts) or table.data_config.with_header,
        num_judged=_num_judged(profile, judged, num_rows) if judged is not None or split is not None else None,
    )
    files = (str(parts[0]), str(parts[1])) if parts else ()
    draft = _finish(profile, found, sizes, places, model or _MODEL, split, files, str(path), existing)
    return replace(draft, tables=tables)


def _divide(
    table: Table,
    profile: Profile,
    roles: Roles,
    parts: tuple[Path, Path] | None,
    divides: bool,
    replaces: bool,
    progress: Progress | None,
) -> tuple[Split | None, int, tuple[pa.Table, ...]]:
    """Keeps rows aside to judge by: of files in `parts`, of a table in memory where it is to be divided.

    Returns:
        How they were chosen, the rows to train on, and the parts of a table in memory.
    """
    is_held = not table.paths and divides
    split = choose_split(profile, roles) if parts or is_held else None
    if split is None:
        return None, profile.num_rows, ()
    if parts:
        return split, write_split(table, split, *parts, replaces, progress)[0], ()
    tables = split_table(table, split)
    return (split, tables[0].num_rows, tables) if tables else (None, profile.num_rows, ())


def _num_judged(profile: Profile, judged: Table | None, num_rows: int) -> int:
    """Returns how many rows there are to judge by, of `num_rows` to train on."""
    return profile.num_rows - num_rows if judged is None else num_rows_of(judged, profile)


def _parts(table: Table, path: Path, replaces: bool) -> tuple[Path, Path]:
    """Returns where the parts of divided rows go, which is free."""
    train, evaluation = (path.with_suffix(f".{part}{_ending(table)}") for part in ("train", "eval"))
    for target in (train, evaluation):
        require_free(table, target, replaces)
    return train, evaluation


def _finish(
    profile: Profile,
    found: Understood,
    sizes: Sizes,
    places: Locations,
    model_name: str,
    split: Split | None,
    files: tuple[str, ...],
    path: str,
    existing: Existing | None,
) -> Draft:
    plan = found.plan(profile, sizes)
    model = draft_model(model_name, plan)
    pipeline, comments = draft_pipeline(profile, places, plan, model, ARCHITECTURES[model_name].shares_layers)
    comments |= {f"model_config.{at}": text for at, text in plan.comments.items()}
    if existing is not None:
        pipeline, comments = existing.joined(pipeline, comments)
    notes = draft_notes(profile, found, split, files, pipeline)
    text = config_text(pipeline, header(profile, found.labels, sizes, places, notes, found.roles), comments)
    checked = _checked(text, path, bool(places.train))
    return Draft(text, tuple(notes), checked, files, path, left_out=dict(found.roles.left_out))


def _checked(text: str, path: str, has_paths: bool) -> Pipeline:
    """Returns the message of a text, and sees to it that the rules of a config have nothing against it."""
    findings, pipeline = Findings(Places(path)), Pipeline()
    Parser(text, findings).parse(pipeline)
    problems = validate(pipeline, findings).problems
    if not has_paths:
        problems = [problem for problem in problems if "train_input_path" not in problem.text]
    if problems:
        raise ConfigError(path, problems)
    return pipeline


def _require_labels(wanted: Sequence[str], like: str | None, schema: str | None) -> None:
    if not wanted:
        where = " The schema names no targets." if schema else (" The config names none." if like else "")
        raise UserError(f"--labels is missing: name the columns to learn, such as --labels click,like.{where}")
    twice = sorted({name for name in wanted if list(wanted).count(name) > 1})
    if twice:
        raise UserError(f"--labels: {quoted(twice)} is named twice.")


def _require_columns(table: Table, named: dict[str, list[str]]) -> None:
    for option, names in named.items():
        for name in names:
            if name not in table.types:
                raise UserError(
                    f'{option}: there is no column "{name}".{did_you_mean(name, table.types)} '
                    f"The columns are {quoted(table.types)}."
                )


def _require_alike(table: Table, judged: Table) -> None:
    """Checks that one config can read both."""
    if table.form != judged.form:
        raise UserError(
            f"--eval: {judged.paths or 'the table'} is read as {judged.form}, and the training data are {table.form}: "
            "one config reads both. Write them alike."
        )


def _ending(table: Table) -> str:
    return ".csv" if table.is_csv else ".parquet"
