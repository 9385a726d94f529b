"""A config under review: where rules read it and put what they find."""

import re
from collections.abc import Collection, Iterable, Iterator

from google.protobuf.message import Message

from easymtl.config import view
from easymtl.config.problems import Findings, Problem, join, sentence
from easymtl.errors import did_you_mean, quoted
from easymtl.protos.data_pb2 import DatasetConfig
from easymtl.protos.feature_pb2 import FeatureConfig
from easymtl.protos.pipeline_pb2 import Pipeline
from easymtl.protos.task_pb2 import TaskTower

FieldType = DatasetConfig.FieldType
_INDEX = re.compile(r"\[\d+\]")
_WORD = re.compile(r"[a-z]\w+")

LABELS = ("data_config", "data_config.label_fields")
INPUT_NAMES = ("data_config", "data_config.input_fields", "data_config.input_fields.input_name")
INPUT_TYPES = "data_config.input_fields.input_type"
FEATURES = (
    "feature_config",
    *(
        base + field
        for base in ("feature_configs", "feature_config.features")
        for field in ("", ".feature_name", ".input_names")
    ),
)
_MOST_HINTS = 100
NUMBER_TYPES = ("INT32", "INT64", "FLOAT", "DOUBLE", "BOOL")


class Review:
    """One config, the problems found in it and the notes on it.

    Reading may have left fields out because of a mistake that is reported already; what a rule says of their absence
    would only mislead. So a sentence on a message is dropped when it names a field of that message that was left
    out, and a rule that compares two places names in `reads` the fields, without indexes, that it compares with.

    Attributes:
        pipeline: The config.
        places: Where its fields are written.
        problems: What the rules found.
        notes: What the rules remarked.
        input_types: Type of each input field, by name.
        feature_names: Path of each feature, by name.
    """

    def __init__(self, pipeline: Pipeline, findings: Findings):
        self.pipeline = pipeline
        self.places = findings.places
        self.problems: list[Problem] = []
        self.notes: list[Problem] = []
        self._unremarkable = findings.unremarkable
        self._damaged = {form for path in findings.damaged for form in (path, _INDEX.sub("", path))}
        self.input_types = {
            name: FieldType.Name(field.input_type)
            for field in self.data.input_fields
            if (view.range_size(field.input_name) or 1) <= view.LONGEST_RANGE
            for name in view.input_field_names(self.data, field)
        }
        self.feature_names = {
            name: path for path, feature in self.written_features() if (name := feature_name(feature))
        }

    @property
    def data(self) -> DatasetConfig:
        """The data_config."""
        return self.pipeline.data_config

    def problem(self, path: str, text: str, *reads: str) -> None:
        """Reports a mistake at a path; the text goes on after the last two steps of the path."""
        named = (join(path, word) for word in _WORD.findall(text))
        if self._damaged.isdisjoint((path, *named, *reads)):
            self.problems.append(Problem(self.places.where(path), sentence(path, text), self.places.position(path)))

    def note(self, path: str, text: str) -> None:
        """Remarks on what is legal and has no effect, or perhaps not the one that was wished for."""
        if path not in self._unremarkable:
            self.notes.append(Problem(self.places.where(path), sentence(path, text), self.places.position(path)))

    def check_known(self, path: str, name: str, known: Collection[str], where: str, *reads: str) -> bool:
        """Reports a name that is not in a list; returns whether it is."""
        if name in known:
            return True
        hint = did_you_mean(name, known) if len(self.problems) < _MOST_HINTS else ""
        self.problem(path, f'"{name}" is not in {where} ({quoted(known)}).{hint}', *reads)
        return False

    def check_number_field(self, path: str, name: str) -> None:
        """Reports the name of an input field that does not exist or holds no numbers; a label may hold their texts."""
        if not self.check_input_field(path, name):
            return
        if self.input_types[name] in NUMBER_TYPES or name in self.data.label_fields:
            return
        text = f'"{name}" is a {self.input_types[name]} field; it needs a number ({", ".join(NUMBER_TYPES)}).'
        self.problem(path, text, INPUT_TYPES)

    def check_input_field(self, path: str, name: str) -> bool:
        """Reports a name that is no input field; returns whether it is one."""
        return self.check_known(path, name, self.input_types, "data_config.input_fields", *INPUT_NAMES)

    def check_label_field(self, path: str, name: str) -> None:
        """Reports a name that is no label field."""
        self.check_known(path, name, self.data.label_fields, "data_config.label_fields", *LABELS)

    def check_feature(self, path: str, name: str) -> None:
        """Reports a name that is no feature."""
        self.check_known(path, name, self.feature_names, "the features", *FEATURES)

    def check_range(self, path: str, pattern: str) -> bool:
        """Reports a range of names that is empty or too long to expand; returns whether it is right."""
        size = view.range_size(pattern)
        if size is None or 0 < size <= view.LONGEST_RANGE:
            return True
        self.problem(path, f'"{pattern}" is a range of {size} names; 1 to {view.LONGEST_RANGE} are allowed.')
        return False

    def check_unique(self, named: Iterable[tuple[str, str]], advice: str = "Rename one of them.") -> None:
        """Reports every name that came before, given (path, name) pairs."""
        first: dict[str, str] = {}
        for path, name in named:
            if name and name in first:
                self.problem(path, f'"{name}" is taken: {self.places.where(first[name])} has it too. {advice}')
            first.setdefault(name, path)

    def features(self) -> Iterator[tuple[str, FeatureConfig]]:
        """Yields path and message of each feature."""
        base = "feature_config.features" if self.pipeline.feature_config.features else "feature_configs"
        for index, feature in enumerate(view.features(self.pipeline)):
            yield f"{base}[{index}]", feature

    def written_features(self) -> Iterator[tuple[str, FeatureConfig]]:
        """Yields path and message of each feature, those that `shared_names` stand for included."""
        for path, feature in self.features():
            yield from self.written_out(path, feature)

    def written_out(self, path: str, feature: FeatureConfig) -> Iterator[tuple[str, FeatureConfig]]:
        """Yields path and message of the features that a declaration stands for; ranges that are wrong are left out."""
        usual = FeatureConfig()
        usual.CopyFrom(feature)
        sizes = [view.range_size(pattern) for pattern in feature.shared_names]
        is_right = [size is None or 0 < size <= view.LONGEST_RANGE for size in sizes]
        usual.shared_names[:] = [name for name, right in zip(feature.shared_names, is_right) if right]
        for one in view.written_out(usual):
            is_shared = not set(one.input_names) <= set(feature.input_names)
            yield (f"{path}.shared_names" if is_shared else path), one

    def model(self) -> tuple[str, Message] | None:
        """Path and message of the model, when there is one."""
        name = view.model_name(self.pipeline)
        return (f"model_config.{name}", view.model_message(self.pipeline)) if name else None

    def tower_reads(self, *fields: str) -> list[str]:
        """The paths, without indexes, of the towers, of their names and of further fields of theirs."""
        paths = {_INDEX.sub("", path) for path, _ in self.towers()}
        return [join(path, field).rstrip(".") for path in paths for field in ("", "tower_name", *fields)]

    def towers(self) -> list[tuple[str, TaskTower]]:
        """Path and message of each task tower."""
        model = self.model()
        if model is None:
            return []
        return list(zip(view.task_tower_paths(self.pipeline), view.task_towers(self.pipeline)))


def feature_name(feature: FeatureConfig) -> str:
    """Returns the name of a feature, empty when it has neither a name nor an input."""
    return view.feature_name(feature) if feature.feature_name or feature.input_names else ""


def walk(message: Message, path: str = "") -> Iterator[tuple[str, Message]]:
    """Yields path and message of a message and of all messages set below it; maps are left out."""
    yield path, message
    for descriptor, value in message.ListFields():
        if descriptor.message_type is None or descriptor.message_type.GetOptions().map_entry:
            continue
        inner = join(path, descriptor.name)
        if not descriptor.is_repeated:
            yield from walk(value, inner)
            continue
        for index, item in enumerate(value):
            yield from walk(item, f"{inner}[{index}]")
