"""Rules of the inputs and of data_config."""

import math
from collections.abc import Iterator

from easymtl.config import view
from easymtl.config.field_values import parse_value
from easymtl.config.rules.review import FieldType, Review
from easymtl.protos.data_pb2 import DatasetConfig
from easymtl.protos.feature_pb2 import FeatureConfig

_OF_NUMBERS = (FeatureConfig.RawFeature, FeatureConfig.ExprFeature)
_LARGEST_FLOAT = (2 - 2.0**-23) * 2.0**127


def check_inputs(review: Review) -> None:
    """There is training data, and a folder for the model."""
    pipeline = review.pipeline
    is_made_up = review.data.input_type == DatasetConfig.DummyInput
    if not view.train_input(pipeline) and not is_made_up:
        review.problem("", 'train_input_path is missing, for example train_input_path: "data/train/*.parquet".')
    if is_made_up:
        review.note("data_config.input_type", "is DummyInput: rows are made up, no file is read, nothing is evaluated.")
    elif not view.eval_input(pipeline):
        review.note("", "eval_input_path is not set: the model is not evaluated while it trains.")
    if not pipeline.model_dir:
        review.problem("", 'model_dir is missing: name a folder for the model, for example model_dir: "models/first".')


def check_input_fields(review: Review) -> None:
    """Input fields have unique names and default values of their type."""
    fields = [(f"data_config.input_fields[{index}]", field) for index, field in enumerate(review.data.input_fields)]
    if not fields:
        review.problem("data_config", "has no input_fields: declare the columns of the data.")
    review.check_unique((f"{path}.input_name", field.input_name) for path, field in fields)
    for path, field in fields:
        if not field.input_name:
            review.problem(path, "has no input_name.")
        if review.data.auto_expand_input_fields:
            review.check_range(f"{path}.input_name", field.input_name)
        type_name = FieldType.Name(field.input_type)
        if field.default_val and not parses(type_name, field.default_val):
            text = f'"{field.default_val}" is no {type_name}.'
            review.problem(f"{path}.default_val", text, f"{path}.input_type")
        elif field.default_val and not is_finite(type_name, field.default_val):
            text = f'"{field.default_val}" is no number that can stand for a missing value: no finite {type_name}.'
            review.problem(f"{path}.default_val", text, f"{path}.input_type")


def check_defaults_of_numbers(review: Review) -> None:
    """The default of a text that a feature reads as numbers is made of numbers."""
    texts = {field.input_name: field for field in review.data.input_fields if field.input_type == FieldType.STRING}
    for path, feature in review.features():
        for field in (texts[name] for name in feature.input_names if name in texts):
            if feature.feature_type not in _OF_NUMBERS or not field.default_val:
                continue
            separator = feature.seq_multi_sep if view.has_parts(feature) else feature.separator
            several = view.has_parts(feature) or (feature.raw_input_dim > 1 and feature.separator)
            parts = field.default_val.split(separator) if several else [field.default_val]
            if not all(is_number(part.strip()) for part in parts if part.strip()):
                text = f'reads numbers, and data_config.input_fields "{field.input_name}" has default_val '
                review.problem(path, f'{text}"{field.default_val}". Write a number there.')


def check_labels(review: Review) -> None:
    """Labels are input fields, of numbers or of texts that spell or stand for them."""
    if not review.data.label_fields:
        review.problem("data_config", "has no label_fields: name the columns that the towers learn.")
    for index, label in enumerate(review.data.label_fields):
        review.check_input_field(f"data_config.label_fields[{index}]", label)


def check_sample_weight(review: Review) -> None:
    """The sample weight is a number field."""
    if review.data.sample_weight:
        review.check_number_field("data_config.sample_weight", review.data.sample_weight)


def check_encoded_cache(review: Review) -> None:
    """Encoded rows are kept in a local folder, if at all."""
    cache = review.data.encoded_cache
    if "://" in cache.path:
        text = f'is "{cache.path}"; its files are mapped into memory: name a folder of a local disk.'
        review.problem("data_config.encoded_cache.path", text)
    if review.data.HasField("encoded_cache") and not cache.path:
        text = 'has no path: name a local folder for the encoded rows, for example path: "cache/encoded".'
        review.problem("data_config.encoded_cache", text)


def check_dialect(review: Review) -> None:
    """Columns of a CSV file are separated, and quoted, by characters that mean nothing else."""
    for field, text in dialect_problems(review.data):
        review.problem(f"data_config.{field}", text)


def dialect_problems(data: DatasetConfig) -> Iterator[tuple[str, str]]:
    """Yields which field keeps CSV files from being read, and what is wrong with it."""
    separator, quote = data.separator, data.quote
    if len(separator) != 1 or not separator.isascii() or separator in "\n\r\0":
        yield "separator", f'is {separator!r}; it needs one ASCII character, for example "," or "\\t" or "\\001".'
    elif separator == quote:
        text = 'it needs one ASCII character that is not the quote. Where nothing is quoted, set data_config.quote: "".'
        yield "separator", f"is {separator!r}; {text}"
    if quote and (len(quote) != 1 or not quote.isascii() or quote in "\n\r\0"):
        text = 'it needs one ASCII character, or none (quote: "") where nothing is quoted.'
        yield "quote", f"is {quote!r}; {text}"


def is_finite(type_name: str, text: str) -> bool:
    """Returns whether a text that is a value of a type is a finite one, where that is a type of decimal numbers."""
    if type_name not in ("FLOAT", "DOUBLE"):
        return True
    largest = _LARGEST_FLOAT if type_name == "FLOAT" else math.inf
    value = abs(float(text))
    return value <= largest and value < math.inf


def is_number(text: str) -> bool:
    """Returns whether a text is a finite number."""
    try:
        return math.isfinite(float(parse_value("DOUBLE", text)))
    except ValueError:
        return False


def parses(type_name: str, text: str) -> bool:
    """Returns whether a text is a value of a type, such as `INT32`."""
    try:
        parse_value(type_name, text)
    except ValueError:
        return False
    return True
