"""Labels, weights and numbers of the first rows that a training would refuse, or learn nothing from."""

from collections.abc import Collection, Iterator, Mapping
from itertools import islice
from typing import NamedTuple

import pyarrow as pa

from easymtl.api.first_rows import rows_at_first
from easymtl.config import view
from easymtl.config.parallel_histories import parallel_histories
from easymtl.data.bad_values import ADVICE, BadValues, described, usable_rows
from easymtl.data.convert import default_scalar, serving_scalar
from easymtl.data.fields import Field, input_fields
from easymtl.data.rows import Rows
from easymtl.data.text_form import text_forms
from easymtl.errors import UserError
from easymtl.features.label_rules import LearntRule, WeightRule, row_rules
from easymtl.features.labels import LabelCheck, checked_numbers
from easymtl.features.number_texts import NumberTexts, number_texts
from easymtl.features.numbers import Known
from easymtl.features.served import uneven_constants
from easymtl.features.side_by_side import num_steps, uneven
from easymtl.features.tag_weights import TagWeights, tag_weights
from easymtl.protos.pipeline_pb2 import Pipeline


def label_problems(
    paths: str, pipeline: Pipeline, fields: Collection[str] | None = None
) -> tuple[list[str], list[str]]:
    """Returns which labels, weights and numbers of the first rows are wrong, and which towers learn nothing from them.

    Weights are those of rows and of tags, numbers those that features read from texts. Histories are looked at, too.

    Args:
        paths: of the data.
        pipeline: the config.
        fields: those that are read of these data; None for all that the config uses.
    """
    fields = view.used_fields(pipeline) if fields is None else fields
    problems, notes = [], []
    for rule in row_rules(pipeline):
        source, block, batch = rows_at_first(paths, pipeline.data_config, [rule.column.field], text_forms(pipeline))
        try:
            checked_numbers(batch, [rule])
        except BadValues as error:
            if not source.ignore_error:
                problems.append(f"{described(error, source, [block])} {ADVICE}")
                continue
        if not isinstance(rule, WeightRule):
            try:
                notes += _learns_nothing(paths, pipeline, rule)
            except UserError as error:
                problems.append(str(error))
    problems += _number_problems(paths, pipeline, fields)
    problems += _history_problems(paths, pipeline, fields)
    return list(dict.fromkeys(problems)), notes


def _number_problems(paths: str, pipeline: Pipeline, read: Collection[str]) -> Iterator[str]:
    """Yields what is wrong with values that features read as numbers or as weights of tags."""
    readers = [reader for reader in _number_readers(pipeline) if reader.field in read]
    if not readers:
        return
    fields = [reader.field for reader in readers]
    source, block, batch = rows_at_first(paths, pipeline.data_config, fields, text_forms(pipeline))
    for reader in readers:
        bad = reader.bad(batch.column(reader.field).to_pylist())
        if bad and not source.ignore_error:
            error = BadValues(reader.field, bad[0], (), reader.problem(bad[0]))
            yield f"{described(error, source, [block])} {ADVICE}"


def _history_problems(paths: str, pipeline: Pipeline, read: Collection[str]) -> Iterator[str]:
    """Yields a sentence for each two histories that are read side by side and have no equal lengths in a first row."""
    declared = {view.feature_name(feature): feature for feature in view.features_in_groups(pipeline)}
    for first, *others in parallel_histories(pipeline):
        for other in others:
            pair = {name: declared[name] for name in (first, other)}
            fields = list(dict.fromkeys(feature.input_names[0] for feature in pair.values()))
            if not set(fields) <= set(read):
                continue
            source, block, batch = rows_at_first(paths, pipeline.data_config, fields, text_forms(pipeline))
            for row in batch.to_pylist():
                texts = {field: row[field] or "" for field in fields}
                steps = {name: num_steps(feature, texts[feature.input_names[0]]) for name, feature in pair.items()}
                if len(set(steps.values())) > 1 and not source.ignore_error:
                    yield f"{described(uneven(steps, texts), source, [block])} {ADVICE}"
                    break


def _number_readers(pipeline: Pipeline) -> list[NumberTexts | TagWeights]:
    return [*number_texts(pipeline), *tag_weights(pipeline)]


def default_problems(pipeline: Pipeline) -> list[str]:
    """Returns which `default_val` or `serving_value` no reader of its field takes, whether rows need it or not.

    Raises:
        UserError: one is no value of its type.
    """
    fields = input_fields(pipeline.data_config)
    problems = _of_constants(pipeline, fields)
    if pipeline.data_config.ignore_error:
        return problems
    defaults = {name: default_scalar(field) for name, field in fields.items()}
    for reader in _number_readers(pipeline):
        default = defaults[reader.field]
        bad = reader.bad([default.as_py()]) if default is not None else []
        problems += [_of_default(reader.field, reader.problem(value)) for value in bad]
    for rule in row_rules(pipeline):
        name, default = rule.column.field, defaults[rule.column.field]
        if default is not None:
            try:
                checked_numbers(pa.record_batch({name: pa.array([default.as_py()], default.type)}), [rule])
            except BadValues as error:
                problems.append(_of_default(name, error.problem))
    return list(dict.fromkeys(problems))


def _of_constants(pipeline: Pipeline, fields: Mapping[str, Field]) -> list[str]:
    """Returns which `serving_value` no reader of its field takes."""
    constants = {name: serving_scalar(field) for name, field in fields.items()}
    problems = [*uneven_constants(pipeline)]
    for reader in _number_readers(pipeline):
        constant = constants[reader.field]
        bad = reader.bad([constant.as_py()]) if constant is not None else []
        head = f'data_config.input_fields "{reader.field}": with its serving_value,'
        problems += [f"{head} {reader.problem(value)} Set another serving_value." for value in bad]
    return problems


def _of_default(name: str, problem: str) -> str:
    return f'data_config.input_fields "{name}": where its default_val is put, {problem} Set another default_val.'


def _learns_nothing(paths: str, pipeline: Pipeline, rule: LearntRule) -> list[str]:
    """Returns a sentence when none of the first rows counts for a tower or an entry of `kd`.

    Raises:
        UserError: all rows of the data are left out, not the first ones alone.
    """
    fields = [rule.column.field, *(factor.column.field for factor in rule.factors)]
    source, block, batch = rows_at_first(paths, pipeline.data_config, fields, text_forms(pipeline))
    check = LabelCheck(_NothingElse(fields), [rule])
    try:
        batch, rows = usable_rows(check, batch, source, [block])
    except UserError:
        # A number that weighs its rows is wrong, which its own rule says.
        return []
    first = f"first {batch.num_rows:,} rows"
    if not batch.num_rows:
        if len(source.blocks) == 1 and len(list(islice(source.read(block), 2))) == 1:
            raise UserError(f"All rows are left out (data_config.ignore_error). {source.skipped.examples[0]}")
        return [f"All of the first rows are left out. {source.skipped.examples[0]}"]
    check.count(rows)
    field = rule.column.field
    if not check.num_labels[field]:
        return [f'None of the {first} has a label "{field}": {rule.learner} learns nothing from them.']
    reasons = (why for _, why in check.unlearnt(first))
    return [f"{why[:1].upper()}{why[1:]}: {rule.learner} learns nothing from them." for why in reasons]


class _NothingElse(NamedTuple):
    """An encoder of nothing, where labels and weights are all that is looked at."""

    fields: list[str]
    items: tuple[str, ...] = ()

    def __call__(self, batch: pa.RecordBatch, known: Known | None = None) -> Rows:
        return Rows({})
