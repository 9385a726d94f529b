"""Rules of the features: names, inputs, tables, and what each type needs."""

from easymtl.config import view
from easymtl.config.expressions import COMPARISONS, ExpressionFault, names_in, parse_expression
from easymtl.config.rules.feature_faults import TABLE_SOURCES, feature_faults, table_sources
from easymtl.config.rules.groups import grouped_names
from easymtl.config.rules.review import FEATURES, Review, feature_name
from easymtl.config.vocabulary import has_blanks_around, inspect_vocabulary
from easymtl.errors import quoted
from easymtl.protos.feature_pb2 import FeatureConfig


def check_features(review: Review) -> None:
    """Every feature has a name of its own, inputs that exist, and what its type needs."""
    if review.pipeline.feature_config.features and review.pipeline.feature_configs:
        text = "and feature_config.features are both set; move all features into feature_config."
        review.problem("feature_configs", text)
    if not list(review.features()):
        review.problem("feature_config", "has no features.", *FEATURES)
    review.check_unique((path, feature_name(feature)) for path, feature in review.written_features())
    for path, feature in review.features():
        for index, pattern in enumerate(feature.shared_names):
            review.check_range(f"{path}.shared_names[{index}]", pattern)
        for index, name in enumerate(feature.input_names):
            review.check_input_field(f"{path}.input_names[{index}]", name)
        _check_faults(review, path, feature)
        _note_what_has_no_effect(review, path, feature)


def check_shared_features(review: Review) -> None:
    """What a feature shares its definition with exists, and can be read with it."""
    for path, feature in review.features():
        faults = set(feature_faults(feature, _input_types(review, feature)))
        for shared_path, shared in review.written_out(path, feature):
            (name,) = shared.input_names[:1] or [""]
            if shared_path == path or not review.check_input_field(shared_path, name):
                continue
            for fault in feature_faults(shared, _input_types(review, shared)):
                if fault not in faults:
                    review.problem(shared_path, str(fault), *fault.reads)


def check_shared_tables(review: Review) -> None:
    """Features with one embedding_name agree in everything that makes the table."""
    first: dict[str, tuple[str, FeatureConfig]] = {}
    for path, feature in review.written_features():
        if not feature.embedding_name:
            continue
        first_path, other = first.setdefault(feature.embedding_name, (path, feature))
        shared = _table(other)
        for what, value in _table(feature).items():
            if value != shared[what]:
                text = (
                    f'"{feature.embedding_name}" is shared with {feature_name(other)} '
                    f"({review.places.where(first_path)}), but {what} differs: {value} here, {shared[what]} there."
                )
                review.problem(f"{path}.embedding_name", text, *_damage_of_tables(path, first_path))


def note_leaks(review: Review) -> None:
    """A feature that reads what a server will not have, and what gives the answer away, is noted."""
    reads, grouped = _answers(review), grouped_names(review)
    for path, feature in review.written_features():
        if feature_name(feature) not in grouped:
            continue
        for name in feature.input_names:
            if name in reads:
                text = f'"{feature_name(feature)}" reads "{name}", {reads[name]}, and a server will not have it.'
                review.note(path, text)


def _answers(review: Review) -> dict[str, str]:
    """Returns the fields that are known only after the event, with what they are and why they give it away."""
    answers: dict[str, str] = {}
    data = review.data
    if data.sample_weight:
        answers[data.sample_weight] = "the sample weight of every task: what rows are worth is known afterwards"
    for _, tower in review.towers():
        for weight in tower.sample_weights:
            if weight.column:
                text = f'a sample weight of the tower "{tower.tower_name}": what rows are worth is known afterwards'
                answers[weight.column] = text
    for name in data.label_fields:
        answers[name] = "a label field: it is known afterwards"
    for kd in review.pipeline.model_config.kd:
        answers[kd.soft_label_name] = "a soft label: the model will know the answer of its teacher"
    labels = list(data.label_fields)
    for index, (_, tower) in reversed(list(enumerate(review.towers()))):
        label = tower.label_name or "".join(labels[index : index + 1])
        answers[label] = f'the label of the tower "{tower.tower_name}": the model will know the answer'
    return answers


def _check_faults(review: Review, path: str, feature: FeatureConfig) -> None:
    for fault in feature_faults(feature, _input_types(review, feature)):
        review.problem(f"{path}.{fault.field}" if fault.field else path, fault.text, *fault.reads)


def _input_types(review: Review, feature: FeatureConfig) -> list[str]:
    return [review.input_types.get(name, "") for name in feature.input_names]


def _note_what_has_no_effect(review: Review, path: str, feature: FeatureConfig) -> None:
    if feature.feature_type == FeatureConfig.ExprFeature:
        _note_unread_inputs(review, path, feature)
    if feature.feature_type in (FeatureConfig.RawFeature, FeatureConfig.ExprFeature):
        if feature.num_buckets and feature.max_val == feature.min_val:
            review.note(f"{path}.num_buckets", "has no effect without min_val and max_val.")
        if feature.hash_bucket_size:
            review.note(f"{path}.hash_bucket_size", f"has no effect: {_kind(feature)} holds numbers.")
        return
    sources = table_sources(feature)
    if len(sources) > 1 and feature.feature_type != FeatureConfig.ComboFeature:
        review.note(path, f"takes {sources[0]}; {' and '.join(sources[1:])} has no effect.")
    with_blanks = [word for word in feature.vocab_list if word.strip() and has_blanks_around(word)]
    if with_blanks:
        text = f"holds {quoted(with_blanks, limit=5)} with blanks around: only values with the same blanks match."
        review.note(f"{path}.vocab_list", text)


def _note_unread_inputs(review: Review, path: str, feature: FeatureConfig) -> None:
    try:
        read = names_in(parse_expression(feature.expression, COMPARISONS, list(feature.input_names)))
    except ExpressionFault:
        return
    for index, name in enumerate(feature.input_names):
        if name not in read:
            review.note(f"{path}.input_names[{index}]", f'"{name}" has no effect: the expression does not name it.')


def _kind(feature: FeatureConfig) -> str:
    return "an ExprFeature" if feature.feature_type == FeatureConfig.ExprFeature else "a RawFeature"


def _table(feature: FeatureConfig) -> dict[str, object]:
    """Returns what makes the table of a feature."""
    initializer = " ".join(str(feature.initializer).split()) if feature.HasField("initializer") else "the default"
    return {"embedding_dim": feature.embedding_dim, "the number of rows": _rows(feature), "initializer": initializer}


def _damage_of_tables(*paths: str) -> list[str]:
    return [f"{path}.{field}" for path in paths for field in (*TABLE_SOURCES, "embedding_dim", "boundaries")]


def _rows(feature: FeatureConfig) -> object:
    if view.is_number(feature):
        return view.num_number_rows(feature)
    if table_sources(feature)[:1] == ["vocab_file"]:
        return inspect_vocabulary(feature.vocab_file).num_words
    return feature.hash_bucket_size or len(feature.vocab_list) or feature.num_buckets
