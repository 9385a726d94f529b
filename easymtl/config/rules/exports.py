"""Rules of export_config: what the inputs, outputs and further files of a SavedModel can be."""

import os
from collections.abc import Iterator

from easymtl.config import view
from easymtl.config.export_files import asset_files, reads_vocabulary_file
from easymtl.config.feature_outputs import feature_outputs
from easymtl.config.multi_values import multi_value_faults, multi_values, value_separators
from easymtl.config.parallel_histories import parallel_histories
from easymtl.config.rules.block_features import texts_of_blocks
from easymtl.config.rules.data import dialect_problems
from easymtl.config.rules.groups import read_names
from easymtl.config.rules.review import FEATURES, INPUT_NAMES, INPUT_TYPES, Review, feature_name
from easymtl.errors import quoted
from easymtl.protos.export_pb2 import ExportConfig
from easymtl.protos.feature_pb2 import FeatureConfig

_EXPORT = "export_config"
_LINE = f"{_EXPORT}.multi_placeholder"
_LISTS = f"{_EXPORT}.multi_value_fields"
_USERS = f"{_EXPORT}.user_fields"
_ASSETS = f"{_EXPORT}.asset_files"
_FORMATS = f"{_EXPORT}.formats"


def check_inputs(review: Review) -> None:
    """Inputs that hold several values are fields that do, and a fixed number of rows is one or more."""
    config = review.pipeline.export_config
    for index, name in enumerate(config.multi_value_fields.input_name):
        review.check_input_field(f"{_LISTS}.input_name[{index}]", name)
    features = [feature for _, feature in review.written_features()]
    for path, text in multi_value_faults(config, features, review.input_types):
        review.problem(path, text, *FEATURES, *INPUT_NAMES, INPUT_TYPES)
    if config.batch_size == 0:
        text = "is 0; it needs the number of rows that each request has, or -1 for any number."
        review.problem(f"{_EXPORT}.batch_size", text)


def check_line(review: Review) -> None:
    """Where the input of a row is one line, its separator splits no field into parts."""
    config = review.pipeline.export_config
    if config.multi_placeholder:
        return
    for field in ("multi_value_fields", "auto_multi_value"):
        if config.HasField(field):
            review.note(f"{_EXPORT}.{field}", "has no effect with multi_placeholder: false, where a row is one line.")
    separator = review.data.separator
    if any(field == "separator" for field, _ in dialect_problems(review.data)):
        text = f"is false, so that a row is one line of fields between data_config.separator, which is {separator!r}; "
        review.problem(_LINE, f'{text}it needs one ASCII character, for example "," or "\\t" or "\\001".')
        return
    for name, feature in _grouped(review):
        if separator in value_separators(feature):
            text = (
                f"is false, so that a row is split at data_config.separator {separator!r}, and so would be the values "
                f'of "{name}": set another data_config.separator, or leave multi_placeholder true.'
            )
            review.problem(_LINE, text, *FEATURES, "data_config.separator")


def check_users(review: Review) -> None:
    """The fields of the user exist and are inputs, and what belongs together is not torn apart."""
    config = review.pipeline.export_config
    names = [(f"{_USERS}[{index}]", name) for index, name in enumerate(config.user_fields)]
    review.check_unique(names, "Leave one of them out.")
    users = set(config.user_fields)
    served = view.constant_fields(review.pipeline)
    read = {name for _, feature in _grouped(review) for name in feature.input_names if name not in served}
    labels = {*review.data.label_fields, review.data.sample_weight} - {""}
    for path, name in names:
        if not review.check_input_field(path, name):
            continue
        if name not in {*read, *served} and (config.filter_inputs or name in labels):
            text = f'names "{name}", which no feature reads, so that it is no input of the SavedModel: leave it out.'
            review.problem(path, text, *FEATURES)
    if not names:
        return
    if not config.multi_placeholder:
        text = "needs an input for each field, and with multi_placeholder: false a row is one line: leave out one."
        review.problem(_USERS, text, _LINE)
    elif read and read <= users:
        text = "names all fields that features read, so that items would have none: leave out those of the items."
        review.problem(_USERS, text, *FEATURES)
    if review.problems:
        # What stands side by side can be told of a config that is right.
        return
    for first, second, why in _belonging_together(review):
        if (first in users) is not (second in users) and not served & {first, second}:
            text = f'names one of "{first}" and "{second}", and not the other: {why}, so name both or none.'
            review.problem(_USERS, text, *FEATURES)


def _belonging_together(review: Review) -> Iterator[tuple[str, str, str]]:
    """Yields pairs of fields that are of the user both or not at all, and why."""
    fields = {name: feature.input_names for name, feature in _grouped(review)}
    for histories in parallel_histories(review.pipeline):
        found = list(dict.fromkeys(fields[name][0] for name in histories if fields.get(name)))
        for other in found[1:]:
            yield found[0], other, "histories that are read side by side have equal lengths"
    lists = multi_values(review.pipeline)
    for name, one in lists.items():
        for tags in one.tags:
            if tags in lists:
                yield tags, name, "weights of a list stand at the places of its tags"


def check_outputs(review: Review) -> None:
    """Each output has a name of its own."""
    if not review.pipeline.export_config.export_features:
        return
    owners: dict[str, str] = {}
    for own, feature in _grouped(review):
        for name in feature_outputs(feature, own):
            owner = owners.setdefault(name, own)
            if owner != own:
                text = f'makes an output "{name}" of "{owner}" and one of "{own}": rename one of these features.'
                review.problem(f"{_EXPORT}.export_features", text, *FEATURES)


def check_assets(review: Review) -> None:
    """The files that go into an export are there, and have names of their own."""
    paths = asset_files(review.pipeline)
    if not paths:
        return
    vocabularies = [feature.vocab_file for _, feature in review.written_features() if reads_vocabulary_file(feature)]
    taken = {os.path.basename(path): path for path in vocabularies}
    for index, path in enumerate(paths):
        where = f"{_ASSETS}[{index}]"
        if not os.path.isfile(path):
            review.problem(where, f'names "{path}", which is no file (relative paths start at {os.getcwd()}).')
            continue
        other = taken.setdefault(os.path.basename(path), path)
        if os.path.abspath(other) != os.path.abspath(path):
            text = f'names "{path}", which would replace "{other}" in the folder assets: give them different names.'
            review.problem(where, text, *FEATURES)


def check_formats(review: Review) -> None:
    """The SavedModel is written in any case, and other formats hold no text and no products in bfloat16."""
    precision = review.pipeline.export_config.precision
    formats = list(review.pipeline.export_config.formats)
    names = [(f"{_FORMATS}[{index}]", ExportConfig.Format.Name(one)) for index, one in enumerate(formats)]
    review.check_unique(names, "Leave one of them out.")
    if formats and ExportConfig.SAVED_MODEL not in formats:
        review.note(_FORMATS, "does not name SAVED_MODEL, which is written all the same: the others stand beside it.")
    for path, name in names:
        texts = sorted(texts_of_blocks(review)) if name != "SAVED_MODEL" else []
        if texts:
            text = (
                f"is {name}, which has no operations of texts, and a block with raw_input reads the text of "
                f"{quoted(texts)}: leave {name} out, or give the blocks numbers or embeddings of these features."
            )
            review.problem(path, text, *FEATURES)
        if name != "SAVED_MODEL" and precision == ExportConfig.BFLOAT16:
            text = f"is {name}, and servers of it compute in no BFLOAT16: let precision be FLOAT32 or FLOAT16."
            review.problem(path, text, f"{_EXPORT}.precision")


def _grouped(review: Review) -> Iterator[tuple[str, FeatureConfig]]:
    """Yields name and message of each feature that a group reads."""
    read = read_names(review)
    for _, feature in review.written_features():
        if (name := feature_name(feature)) in read:
            yield name, feature
