"""A schema of TensorFlow Metadata as text, as Merlin and TFX write it: what people said of columns.

Only what a draft goes by is read: names, types, domains and tags. Other fields are skipped, whatever they hold.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from easymtl.config.config import read_text
from easymtl.config.lexer import Token, tokens
from easymtl.drafting.column_profile import ColumnProfile
from easymtl.drafting.drafted import Drafted
from easymtl.drafting.features import Features
from easymtl.drafting.kinds import Kind
from easymtl.drafting.profile import Profile
from easymtl.drafting.roles import Roles
from easymtl.errors import UserError
from easymtl.protos.data_pb2 import DatasetConfig
from easymtl.protos.feature_pb2 import FeatureConfig

_TARGETS = {"target", "binary_classification", "binary", "regression", "multi_class_classification", "multi_class"}
_MOST_BUCKETS = 10_000_000
_CLOSING = {"{": "}", "<": ">"}

Tree = dict[str, list[Any]]


@dataclass(frozen=True)
class Told:
    """What a schema says of one column.

    Attributes:
        tags: in lower case, without a prefix such as `Tags.`.
        high: the largest id of an int_domain; None where it says none.
        is_categorical: whether numbers are ids.
        values: of a string_domain.
    """

    tags: frozenset[str]
    high: int | None = None
    is_categorical: bool = False
    values: tuple[str, ...] = ()


@dataclass
class Schema:
    """What a schema says.

    Attributes:
        path: of its file.
        columns: by name, in order.
    """

    path: str
    columns: dict[str, Told] = field(default_factory=dict)

    @property
    def labels(self) -> list[str]:
        """The columns that are tagged as targets."""
        return [name for name, told in self.columns.items() if told.tags & _TARGETS]

    def leave_out(self, profile: Profile, roles: Roles, labels: list[str]) -> None:
        """Leaves out columns that the schema does not have, and targets that are no labels."""
        for name in profile.columns:
            if name not in self.columns and name not in labels and name != roles.sample_weight:
                roles.left_out.setdefault(name, "not in the schema")
            elif name in self.labels and name not in labels:
                roles.left_out[name] = "a target by the schema, and no label here"

    def refine(self, features: Features) -> None:
        """Takes vocabularies and numbers of ids from the schema, where no table is shared."""
        for name, draft in features.drafts.items():
            told, feature = self.columns.get(name), draft.features[0]
            if told is None or feature.embedding_name or feature.feature_type == FeatureConfig.SequenceFeature:
                continue
            _refine(draft, feature, told)


def _refine(draft: Drafted, feature: FeatureConfig, told: Told) -> None:
    is_number = draft.field.input_type in (DatasetConfig.INT32, DatasetConfig.INT64)
    if feature.feature_type == FeatureConfig.IdFeature and told.high is not None and is_number:
        if 0 < told.high < _MOST_BUCKETS:
            feature.ClearField("hash_bucket_size")
            feature.ClearField("growing")
            feature.num_buckets = told.high + 1
            draft.reason += f"; ids to {told.high:,} by the schema"
    elif told.values and draft.num_ids and feature.feature_type == FeatureConfig.IdFeature:
        feature.ClearField("hash_bucket_size")
        feature.ClearField("growing")
        del feature.vocab_list[:]
        feature.vocab_list.extend(told.values)
        draft.reason += "; the values of the schema"


def read_schema(path: str) -> Schema:
    """Reads a schema.

    Raises:
        UserError: there is no such file, or it is no schema.
    """
    stream = iter(tokens(read_text(path)))
    tree = _message(stream, "", path)
    schema = Schema(path)
    for one in tree.get("feature", []):
        if isinstance(one, dict) and one.get("name"):
            schema.columns[str(one["name"][0])] = _told(one, tree)
    if not schema.columns:
        raise UserError(
            f"{path}: there is no feature {{ name: ... }} in it: it is no schema of TensorFlow Metadata in text format."
        )
    return schema


def _told(feature: Tree, schema: Tree) -> Told:
    tags = [tag for note in feature.get("annotation", []) if isinstance(note, dict) for tag in note.get("tag", [])]
    plain = frozenset(str(tag).lower().rpartition(".")[2] for tag in tags)
    whole = next((one for one in feature.get("int_domain", []) if isinstance(one, dict)), {})
    texts = next((one for one in feature.get("string_domain", []) if isinstance(one, dict)), {})
    named = next((str(name) for name in feature.get("domain", [])), "")
    for one in schema.get("string_domain", []):
        if named and isinstance(one, dict) and one.get("name", [""])[0] == named:
            texts = one
    is_categorical = whole.get("is_categorical", ["false"])[0] == "true" or "categorical" in plain
    high = whole.get("max", [None])[0] if is_categorical else None
    values = tuple(str(value) for value in texts.get("value", []))
    return Told(plain, int(high) if high is not None and str(high).isdigit() else None, is_categorical, values)


def apply_schema(schema: Schema, profile: Profile, named: dict[str, str | None]) -> None:
    """Lets tags say what columns are: users, sessions, times, ids, amounts.

    Args:
        schema: what was said.
        profile: whose columns are told apart by it.
        named: `user`, `session` and `time`, filled where nobody named them otherwise.
    """
    for name, told in schema.columns.items():
        column = profile.columns.get(name)
        if column is None:
            continue
        for role, tag in (("user", "user_id"), ("session", "session_id"), ("time", "time")):
            if tag in told.tags and not named.get(role):
                named[role] = name
        _apply(column, told)


def _apply(column: ColumnProfile, told: Told) -> None:
    if told.is_categorical and column.kind in (Kind.WHOLE, Kind.TEXT):
        column.told = "ids"
    elif "continuous" in told.tags and column.is_number:
        column.told = "amounts"


def _message(stream: Iterator[Token], closing: str, path: str) -> Tree:
    """Returns the fields of a message: by name, all that were written, messages as trees, others as texts."""
    tree: Tree = {}
    for token in stream:
        if token.text == closing or (token.kind == "end" and not closing):
            return tree
        if token.text in (",", ";"):
            continue
        if token.kind != "word":
            raise UserError(f"{path}:{token.line}:{token.column}: {token.shown} stands where a field should begin.")
        tree.setdefault(token.text, []).extend(_values(stream, token, path))
    raise UserError(f"{path}: the text ends inside of a message.")


def _values(stream: Iterator[Token], name: Token, path: str) -> list[Any]:
    token = next(stream)
    if token.text == ":":
        token = next(stream)
    if token.text in _CLOSING:
        return [_message(stream, _CLOSING[token.text], path)]
    if token.text == "[":
        return _list(stream, path)
    sign = ""
    if token.text == "-":
        sign, token = "-", next(stream)
    if token.kind not in ("word", "number", "string"):
        raise UserError(f"{path}:{token.line}:{token.column}: {token.shown} is no value of {name.text}.")
    return [sign + _plain(token)]


def _list(stream: Iterator[Token], path: str) -> list[Any]:
    values: list[Any] = []
    for token in stream:
        if token.text == "]":
            return values
        if token.text in _CLOSING:
            values.append(_message(stream, _CLOSING[token.text], path))
        elif token.kind in ("word", "number", "string"):
            values.append(_plain(token))
        elif token.text not in (",", "-"):
            raise UserError(f"{path}:{token.line}:{token.column}: {token.shown} is no item of a list.")
    raise UserError(f"{path}: the text ends inside of a list.")


def _plain(token: Token) -> str:
    if token.kind != "string":
        return token.text
    return token.text[1:-1].replace('\\"', '"').replace("\\'", "'").replace("\\\\", "\\")
