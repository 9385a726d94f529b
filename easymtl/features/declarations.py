"""The features of a config with their shorthands written out, and the rows that their tables have; no TensorFlow."""

from collections.abc import Iterator
from typing import NamedTuple

from easymtl.config import view
from easymtl.config.input_groups import input_groups
from easymtl.config.vocabulary import inspect_vocabulary
from easymtl.errors import UserError, did_you_mean, quoted
from easymtl.protos.feature_pb2 import FeatureConfig, Growing
from easymtl.protos.pipeline_pb2 import Pipeline


class TableSize(NamedTuple):
    """How large an embedding table is.

    Attributes:
        name: the `embedding_name`, else "<group>/<feature>".
        rows: number of rows.
        width: width of a row.
    """

    name: str
    rows: int
    width: int


def declared_features(pipeline: Pipeline) -> dict[str, FeatureConfig]:
    """Returns the features by name; `shared_names` become features of their own that share one table.

    Raises:
        UserError: two features have one name.
    """
    declared: dict[str, FeatureConfig] = {}
    for message in view.features(pipeline):
        for feature in view.written_out(message):
            name = view.feature_name(feature)
            if name in declared:
                raise UserError(f'feature "{name}" is declared twice; give one of them another feature_name.')
            declared[name] = feature
    return declared


def find_feature(declared: dict[str, FeatureConfig], name: str, group: str) -> FeatureConfig:
    """Returns the feature that a group names.

    Raises:
        UserError: there is none of that name.
    """
    if name not in declared:
        raise UserError(
            f'feature group "{group}": "{name}" is not a feature; declared are {quoted(declared)}.'
            + did_you_mean(name, declared)
        )
    return declared[name]


def grouped_features(pipeline: Pipeline) -> Iterator[tuple[str, FeatureConfig]]:
    """Yields the features of all groups, as each reads them, with the name of the table that each would have.

    Features that share a table, and one that several groups read, come again.

    Raises:
        UserError: a feature is not there.
    """
    declared = declared_features(pipeline)
    for group in input_groups(pipeline):
        if group.is_plain:
            continue
        owners = [(name, "") for name in view.group_feature_names(group.config)]
        owners += [(name, "attention/") for name in view.attention_feature_names(group.config)]
        for name, place in owners:
            feature = group.feature(find_feature(declared, name, group.config.group_name))
            yield feature.embedding_name or f"{group.name}/{place}{view.feature_name(feature)}", feature


def table_sizes(pipeline: Pipeline) -> list[TableSize]:
    """Returns the tables of all features in groups, each once, before anything is built.

    Raises:
        UserError: a feature or its vocabulary is not there.
    """
    tables: dict[str, TableSize] = {}
    for table, feature in grouped_features(pipeline):
        rows = _num_rows(feature)
        if rows and feature.embedding_dim:
            tables.setdefault(table, TableSize(table, rows, int(feature.embedding_dim)))
    return list(tables.values())


def readers_of_tables(pipeline: Pipeline) -> dict[str, list[str]]:
    """Returns the features that read each table, each once, by the name of the table.

    Raises:
        UserError: a feature or its vocabulary is not there.
    """
    readers: dict[str, list[str]] = {table.name: [] for table in table_sizes(pipeline)}
    for table, feature in grouped_features(pipeline):
        if table not in readers:
            continue
        found, name = readers[table], view.feature_name(feature)
        if name not in found:
            found.append(name)
    return readers


def growing_settings(pipeline: Pipeline) -> dict[str, Growing]:
    """Returns how the tables of features in groups grow, by the name of their ids, each once.

    Raises:
        UserError: a feature is not there.
    """
    found: dict[str, Growing] = {}
    for _, feature in grouped_features(pipeline):
        growing = view.growing_of(feature)
        if growing is not None:
            found.setdefault(view.ids_name(feature), growing)
    return found


def _num_rows(feature: FeatureConfig) -> int:
    """Returns the rows of a feature's table, 0 without one."""
    if view.is_number(feature):
        return view.num_number_rows(feature)
    growing = view.growing_of(feature)
    if growing is not None:
        return view.num_growing_rows(growing)
    if feature.hash_bucket_size or feature.vocab_list:
        return int(feature.hash_bucket_size) or len(feature.vocab_list)
    return _num_words(feature.vocab_file) if feature.vocab_file else int(feature.num_buckets)


def _num_words(path: str) -> int:
    found = inspect_vocabulary(path)
    if found.problems:
        raise UserError(f"vocab_file {found.problems[0]}")
    return found.num_words
