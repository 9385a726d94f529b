"""Holds a search space against the config that it is for, before the first trial."""

from collections.abc import Iterator, Mapping, Sequence

from easymtl.config import Config, parse_config, view
from easymtl.config.edit_paths import PathError, written_paths
from easymtl.config.edits import Override
from easymtl.config.problems import ConfigError
from easymtl.errors import did_you_mean, quoted
from easymtl.protos.pipeline_pb2 import Pipeline
from easymtl.tuning.sampling import Draw, draws_of, overrides_of_drawn, weight_paths
from easymtl.tuning.space import Fault, Space

_KEPT = {
    "model_dir": "each trial has a folder of its own in the study",
    "eval_input_path": "trials on different rows cannot be compared",
    "parquet_eval_input": "trials on different rows cannot be compared",
    "eval_config": "trials on different rows cannot be compared",
    "train_config.seed": "a seed is no setting to choose: --seeds trains each trial with several",
}
_FLAG = "a value of the space"
_MOST_TOLD = 3


def check_space(space: Space, text: str, config: Config, overrides: Sequence[str] = ()) -> list[Draw]:
    """Checks that a config can have every end and every choice of a space, each by itself; returns what is drawn.

    Args:
        space: the space.
        text: the text of the config.
        config: it, overridden and checked.
        overrides: those of the command.

    Raises:
        ConfigError: a path is none of the config, or a field cannot have a value; by line of the space.
    """
    faults = list(_weights_faults(space, config.pipeline)) or list(_path_faults(space, config.pipeline))
    if faults:
        raise space.error(faults)
    draws = draws_of(space, config.pipeline)
    faults = list(_name_faults(space, draws))
    if faults:
        raise space.error(faults)
    trial = _Trial(text, config, overrides)
    faults = [fault for index in range(len(space.names)) for fault in _field_faults(space, index, trial)]
    if not faults:
        faults = list(_corner_faults(space, draws, trial))
    if faults:
        raise space.error(faults)
    return draws


def _weights_faults(space: Space, pipeline: Pipeline) -> Iterator[Fault]:
    if not space.message.HasField("task_weights"):
        return
    weights = space.message.task_weights
    known = [tower.tower_name for tower in view.task_towers(pipeline)]
    unknown = [name for name in weights.tower if name not in known]
    for name in unknown:
        index = list(weights.tower).index(name)
        hint = did_you_mean(name, known) or f" There are {quoted(known)}."
        yield f"task_weights.tower[{index}]", f'is "{name}", and the config has no such tower.{hint}'
    number = len(weight_paths(space, pipeline))
    if unknown:
        return
    if number < 2 and weights.WhichOneof("range") == "simplex":
        yield "task_weights", "of one tower are no mixture: name at least two towers, or leave task_weights out."
    elif weights.WhichOneof("range") == "simplex" and number * weights.simplex.least >= 1:
        least = weights.simplex.least
        yield (
            "task_weights.simplex",
            f"least is {least:g}, too much for {number} towers: less than 1/{number}.",
        )


def _path_faults(space: Space, pipeline: Pipeline) -> Iterator[Fault]:
    """Yields what is wrong with paths: they stand for nothing, are kept, or two of them write one field."""
    taken: dict[str, str] = dict.fromkeys(weight_paths(space, pipeline).values(), "task_weights")
    for index, field in enumerate(space.message.field):
        for place, path in enumerate(field.path):
            where = f"field[{index}].path[{place}]"
            try:
                written = written_paths(pipeline, path)
            except PathError as error:
                yield where, f'"{path}": {error}'
                continue
            for one in written:
                kept = next((known for known in _KEPT if _overlap(one, known)), None)
                other = next((known for known in taken if _overlap(one, known)), None)
                if kept:
                    yield where, f'"{path}" is not searched: {_KEPT[kept]}.'
                    break
                if other:
                    yield where, f'"{path}" writes {one}, and {taken[other]} writes {other}. Leave one of them out.'
                    break
                taken[one] = where


def _name_faults(space: Space, draws: Sequence[Draw]) -> Iterator[Fault]:
    """Yields the fields whose names are those of what is drawn for `task_weights`: a study has one value of a name."""
    taken = {draw.name for draw in draws[len(space.names) :]}
    for index, name in enumerate(space.names):
        if name in taken:
            yield f"field[{index}]", f'has the name "{name}", which task_weights draws. Give it another name.'


def _overlap(one: str, other: str) -> bool:
    """Returns whether a path is another one, or leads into it."""
    longer, shorter = (one, other) if len(one) >= len(other) else (other, one)
    return longer == shorter or longer.startswith((f"{shorter}.", f"{shorter}["))


class _Trial:
    """A config that is tried with values."""

    def __init__(self, text: str, config: Config, overrides: Sequence[str]):
        self.pipeline = config.pipeline
        self._text = text
        self._path = config.path
        self._overrides = overrides

    def complaints(self, values: Sequence[str]) -> list[str]:
        """Returns what is wrong with the config once it has the values."""
        try:
            parse_config(self._text, self._path, [*self._overrides, *values])
        except ConfigError as error:
            return [problem.text if problem.where in ("--set", _FLAG) else str(problem) for problem in error.problems]
        return []


def _field_faults(space: Space, index: int, trial: _Trial) -> Iterator[Fault]:
    """Yields what a config says against the ends, or the choices, of one field.

    A value may be right by itself, or once the other fields have values of theirs: two items of a list that the config
    does not have yet.
    """
    field = space.message.field[index]
    kind = field.WhichOneof("range")
    values = _values(index, kind, getattr(field, kind))
    found = {}
    for where, value in values.items():
        own = [Override.of(_FLAG, path, value) for path in field.path]
        complaints = trial.complaints(own)
        if complaints and trial.complaints(_with_first_values(space, index, own)):
            found[where] = (value, complaints[0])
    if len(found) == len(values) and len({complaint for _, complaint in found.values()}) == 1:
        yield f"field[{index}].path[0]", f"{quoted(field.path)}: {next(iter(found.values()))[1]}"
        return
    for where, (value, complaint) in found.items():
        if kind == "float" and "needs a whole number" in complaint:
            yield f"field[{index}].float", "is a range of numbers for a field of whole numbers. Write int { ... }."
            return
        yield where, f"gives {quoted(field.path)} the value {value}, which the config refuses: {complaint}"


def _values(index: int, kind: str, numbers) -> dict[str, str]:
    """Returns the ends, or the choices, of a field by where they are written."""
    if kind == "choice":
        return {f"field[{index}].choice.value[{place}]": value for place, value in enumerate(numbers.value)}
    return {f"field[{index}].{kind}.{end}": repr(getattr(numbers, end)) for end in ("low", "high")}


def _with_first_values(space: Space, index: int, own: Sequence[str]) -> list[str]:
    """Returns the values of one field among the first ones of the others, in the order of the space."""
    found: list[str] = []
    for place, field in enumerate(space.message.field):
        kind = str(field.WhichOneof("range"))
        value = next(iter(_values(place, kind, getattr(field, kind)).values()))
        found += own if place == index else [Override.of(_FLAG, path, value) for path in field.path]
    return found


def _corner_faults(space: Space, draws: Sequence[Draw], trial: _Trial) -> Iterator[Fault]:
    """Yields what is said against all first, and all last, values together."""
    for place, what in ((0, "first"), (-1, "last")):
        drawn: Mapping = {draw.name: draw.ends[place] for draw in draws}
        found = trial.complaints(overrides_of_drawn(space, trial.pipeline, drawn, _FLAG))
        if found:
            shown = "; ".join(found[:_MOST_TOLD])
            yield "", f"the {what} values of all fields together are refused by the config: {shown}"
            return
