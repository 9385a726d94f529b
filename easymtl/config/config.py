"""From the text or the message of a config, and overrides, to a checked `Config`."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from google.protobuf import text_format

from easymtl.config import view
from easymtl.config.arguments import wrong_argument
from easymtl.config.edits import overrides_of_values
from easymtl.config.home import expand_home_of
from easymtl.config.overrides import apply_overrides
from easymtl.config.parser import Parser
from easymtl.config.problems import ConfigError, Findings, Places, Problem, sentence
from easymtl.config.selection import select_tasks
from easymtl.config.validate import validate
from easymtl.errors import UserError, quoted
from easymtl.protos.pipeline_pb2 import Pipeline

_LARGEST_BYTES = 64 * 2**20
# What a table begins with, or is called, where a config was to be named.
_PARQUET_MAGIC = b"PAR1"
_TABLE_SUFFIXES = (".parquet", ".csv", ".tsv")
_IN_PYTHON = "the config made in Python"
IN_MEMORY = "memory://train"
"""The path of a table that a program has yet to give."""


@dataclass(repr=False)
class Config:
    """A config that is right: its message, and where each of its fields is written.

    Attributes:
        pipeline: The message, overrides applied, with the chosen tasks alone.
        path: The file it was read from.
        notes: Sentences about what is legal and yet deserves a word: ignored fields, unused features.

    Example:
        >>> easymtl.load("shop.config")
        <Config shop.config: mmoe, "click", "buy">
    """

    pipeline: Pipeline
    path: str
    notes: list[str] = field(default_factory=list)
    places: Places = field(default_factory=lambda: Places(""))

    @classmethod
    def of(cls, pipeline: Pipeline, overrides: Sequence[str] | Mapping[str, object] = ()) -> "Config":
        """Returns the config of a message that was made in Python, checked as a file is.

        Args:
            pipeline: The message; it is left as it is. One without train_input_path is for a table in memory.
            overrides: As `easymtl.load` takes them.

        Raises:
            ConfigError: It is wrong; places are lines of its text.
            UserError: It is no message.

        Example:
            >>> pipeline = easymtl.load("shop.config").pipeline
            >>> pipeline.train_config.num_steps = 20
            >>> easymtl.Config.of(pipeline).pipeline.train_config.num_steps
            20
        """
        if not isinstance(pipeline, Pipeline):
            instead = "A path is read by easymtl.load(path)." if isinstance(pipeline, str) else ""
            raise wrong_argument("Config.of", "pipeline", "a Pipeline, the message of a config", pipeline, instead)
        complete = Pipeline(train_input_path=IN_MEMORY) if not view.train_input(pipeline) else Pipeline()
        complete.MergeFrom(pipeline)
        return parse_config(text_format.MessageToString(complete, as_utf8=True), _IN_PYTHON, overrides)

    def with_paths(self, **paths: str) -> "Config":
        """Returns this config with other paths, checked again; the places of fields stay.

        Args:
            paths: `train_input_path`, `eval_input_path`, `model_dir` and what else of the message is a text.

        Raises:
            ConfigError: Something is wrong now.

        Example:
            >>> easymtl.load("shop.config").with_paths(model_dir="runs/second").pipeline.model_dir
            'runs/second'
        """
        pipeline = Pipeline()
        pipeline.CopyFrom(self.pipeline)
        for name, path in paths.items():
            setattr(pipeline, name, path)
        stale = {str(note) for note in validate(self.pipeline, Findings(self.places)).notes}
        checked = validate(pipeline, Findings(self.places))
        if checked.problems:
            raise ConfigError(self.path, checked.problems)
        notes = [*(note for note in self.notes if note not in stale), *map(str, sorted(checked.notes, key=_order))]
        return replace(self, pipeline=pipeline, notes=notes)

    def __str__(self) -> str:
        """Returns the resolved config as text."""
        return self.text()

    def __repr__(self) -> str:
        return f"<Config {self.path}: {view.model_name(self.pipeline)}, {quoted(view.result_rows(self.pipeline))}>"

    def where(self, field_path: str) -> str:
        """Returns `x.config:41` for a path such as `model_config.dbmtl.task_towers[1].label_name`.

        A field that is not written answers with the message around it, an overridden one with `--set`.

        Example:
            >>> easymtl.load("shop.config").where("model_dir")
            'shop.config:4'
        """
        return self.places.where(field_path)

    def error(self, faults: Iterable[tuple[str, str]]) -> ConfigError:
        """Returns the error of mistakes that show only when the model is made, given (path, sentence) of each."""
        return ConfigError(
            self.path,
            [Problem(self.where(path), sentence(path, text), self.places.position(path)) for path, text in faults],
        )

    def remarks(self, faults: Iterable[tuple[str, str]]) -> list[str]:
        """Returns notes that show only when the model is made, given (path, sentence) of each."""
        found = [Problem(self.where(path), sentence(path, text), self.places.position(path)) for path, text in faults]
        return [str(note) for note in sorted(found, key=_order)]

    def text(self) -> str:
        """Returns the resolved config as text that `load_config` reads back to an equal message.

        Example:
            >>> print(easymtl.load("shop.config").text()[:22])
            train_input_path: "tra
        """
        return text_format.MessageToString(self.pipeline, as_utf8=True)


def load_config(path: str, overrides: Sequence[str] = (), tasks: Sequence[str] | None = None) -> Config:
    """Reads, overrides and checks a config.

    Args:
        path: A text-format file of the EasyRec dialect.
        overrides: `path=value` each, applied in order.
        tasks: The names of the task towers to keep; None keeps all.

    Raises:
        ConfigError: The config is wrong; its text lists all that was found, in the order of the file.
        UserError: There is no such file, or it is no text.
    """
    return parse_config(read_text(str(path)), str(path), overrides, tasks)


def parse_config(
    text: str, path: str, overrides: Sequence[str] | Mapping[str, object] = (), tasks: Sequence[str] | None = None
) -> Config:
    """Overrides and checks the text of a config, as `load_config` does that of a file.

    Args:
        text: The config.
        path: What messages call it.
        overrides: `path=value` each, or a map of paths and values, see `overrides_of_values`.
        tasks: The names of the task towers to keep; None keeps all.

    Raises:
        ConfigError: The config is wrong.
        UserError: An override has a value that no field can have.
    """
    findings = Findings(Places(path))
    pipeline = Pipeline()
    Parser(text, findings).parse(pipeline)
    if isinstance(overrides, Mapping):
        overrides = overrides_of_values(overrides)
    apply_overrides(pipeline, overrides, findings)
    expand_home_of(pipeline)
    if tasks is not None:
        select_tasks(pipeline, tasks, findings)
    checked = validate(pipeline, findings)
    if checked.problems:
        raise ConfigError(path, checked.problems, more_to_come=findings.is_broken)
    notes = [*findings.ignored.values(), *checked.notes]
    return Config(pipeline, path, [str(note) for note in sorted(notes, key=_order)], findings.places)


def _order(note: Problem) -> tuple[float, float]:
    return note.order


def read_text(path: str) -> str:
    """Returns the text of a config file.

    Raises:
        UserError: there is no such file, or it is no text.
    """
    file = Path(path)
    try:
        if file.is_dir():
            raise UserError(f"{path}: this is a folder. Name the config file in it.")
        with file.open("rb") as opened:
            # A pipe has no size, and a device may never end.
            content = opened.read(_LARGEST_BYTES + 1)
        if len(content) > _LARGEST_BYTES:
            raise UserError(f"{path}: larger than {_LARGEST_BYTES // 2**20} MiB, this is no config.")
    except UserError:
        raise
    except FileNotFoundError as error:
        raise UserError(f"{path}: there is no such file{_neighbours(file)}.") from error
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or str(error)
        raise UserError(f"{path}: cannot be read: {reason}.") from error
    if content.startswith(_PARQUET_MAGIC) or file.suffix.lower() in _TABLE_SUFFIXES:
        raise UserError(
            f"{path}: this is a table, and no config. Draft a config for it: easymtl init {path} --labels A,B."
        )
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        raise UserError(f"{path}:{line}: this is no UTF-8 text. Save the config as UTF-8.") from error


def _neighbours(file: Path) -> str:
    """Says which configs the folder holds instead, or that the folder is missing."""
    if not file.parent.is_dir():
        return f", and no folder {file.parent}"
    names = sorted(entry.name for entry in file.parent.glob("*.config"))[:5]
    return f"; {file.parent} holds {', '.join(names)}" if names else ""
