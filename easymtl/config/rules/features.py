"""Rules of the features: names, inputs, tables, and what each type needs."""

from easymtl.config import view
from easymtl.config.expressions import COMPARISONS, ExpressionFault, names_in, parse_expression
from easymtl.config.rules.feature_faults import TABLE_SOURCES, feature_faults, table_sources
from easymtl.config.rules.groups import grouped_names
from easymtl.config.rules.review import FEATURES, Review, feature_name
from easymtl.config.vocabulary import has_blanks_around, inspect_vocabulary
from easymtl.errors import quoted
from easymtl.protos.feature_pb2 import FeatureConfig

_OF_NUMBERS = ("boundaries", "min_val", "max_val", "raw_input_dim", "sequence_length")
_WITH_TABLES = (
    "IdFeature",
    "RawFeature",
    "TagFeature",
    "ComboFeature",
    "LookupFeature",
    "SequenceFeature",
    "ExprFeature",
)
_WITH_IDS = ("IdFeature", "TagFeature", "ComboFeature", "SequenceFeature")
_NUMBERS = ("RawFeature", "ExprFeature")
# The types that read a field, of those that not all types read.
_READ_BY: dict[str, tuple[str, ...]] = {
    **dict.fromkeys([*TABLE_SOURCES, "embedding_dim", "embedding_name", "initializer"], _WITH_TABLES),
    **dict.fromkeys(["vocab_list", "vocab_file"], tuple(kind for kind in _WITH_TABLES if kind not in _NUMBERS)),
    **dict.fromkeys(["growing", "ev_params"], _WITH_IDS),
    **dict.fromkeys(_OF_NUMBERS, ("RawFeature", "ExprFeature", "SequenceFeature")),
    **dict.fromkeys(["max_seq_len", "sequence_combiner", "sub_feature_type", "sequence_length"], ("SequenceFeature",)),
    **dict.fromkeys(["combo_join_sep", "combo_input_seps"], ("ComboFeature",)),
    "normalizer_fn": _NUMBERS,
    "seq_multi_sep": ("SequenceFeature", "RawFeature"),
    "kv_separator": ("TagFeature", "LookupFeature"),
    "lookup_max_sel_elem_num": ("LookupFeature",),
    "expression": ("ExprFeature",),
}


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


def check_growing_ids(review: Review) -> None:
    """Ids that grow go by the name of their feature, or of the table that features share: no two of them by one."""
    shared = {one.embedding_name for _, one in review.written_features() if one.embedding_name}
    for path, feature in review.written_features():
        name = feature_name(feature)
        if view.growing_of(feature) is not None and not feature.embedding_name and name in shared:
            text = f'of "{name}" and those of the embedding_name "{name}" would have one name: rename one of them.'
            review.problem(f"{path}.growing", f"the ids {text}", *FEATURES)


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
        review.problem(f"{path}.{fault.path}" if fault.path else path, fault.text, *fault.reads)


def _input_types(review: Review, feature: FeatureConfig) -> list[str]:
    return [review.input_types.get(name, "") for name in feature.input_names]


def _note_what_has_no_effect(review: Review, path: str, feature: FeatureConfig) -> None:
    _note_fields_of_other_types(review, path, feature)
    if feature.feature_type == FeatureConfig.ExprFeature:
        _note_unread_inputs(review, path, feature)
    if feature.feature_type in (FeatureConfig.RawFeature, FeatureConfig.ExprFeature):
        if feature.num_buckets and feature.max_val == feature.min_val:
            review.note(f"{path}.num_buckets", "has no effect without min_val and max_val.")
        if feature.hash_bucket_size:
            kind = _with_article(FeatureConfig.FeatureType.Name(feature.feature_type))
            review.note(f"{path}.hash_bucket_size", f"has no effect: {kind} holds numbers.")
        return
    sources = table_sources(feature)
    if len(sources) > 1 and (feature.feature_type != FeatureConfig.ComboFeature or feature.HasField("ev_params")):
        first = sources[0] if feature.HasField("growing") or not feature.HasField("ev_params") else "ev_params"
        review.note(path, f"takes {first}; {' and '.join(sources[1:])} has no effect.")
    with_blanks = [word for word in feature.vocab_list if word.strip() and has_blanks_around(word)]
    if with_blanks:
        text = f"holds {quoted(with_blanks, limit=5)} with blanks around: only values with the same blanks match."
        review.note(f"{path}.vocab_list", text)


def _note_fields_of_other_types(review: Review, path: str, feature: FeatureConfig) -> None:
    kind = FeatureConfig.FeatureType.Name(feature.feature_type)
    has_steps_of_ids = feature.feature_type == FeatureConfig.SequenceFeature and not view.is_number(feature)
    for field, value in feature.ListFields():
        readers = _READ_BY.get(field.name, (kind,))
        if not field.is_repeated and field.message_type is None and value == field.default_value:
            continue
        if kind not in readers:
            review.note(
                f"{path}.{field.name}", f"has no effect in {_with_article(kind)}: read by {', '.join(readers)}."
            )
        elif has_steps_of_ids and field.name in _OF_NUMBERS:
            review.note(
                f"{path}.{field.name}", "has no effect: its steps are ids. sub_feature_type says what they are."
            )
    if feature.feature_type == FeatureConfig.RawFeature and feature.seq_multi_sep and not view.has_parts(feature):
        review.note(f"{path}.seq_multi_sep", "has no effect without combiner, which makes one number of several.")


def _note_unread_inputs(review: Review, path: str, feature: FeatureConfig) -> None:
    try:
        read = names_in(parse_expression(feature.expression, COMPARISONS, list(feature.input_names)))
    except ExpressionFault:
        return
    for index, name in enumerate(feature.input_names):
        if name not in read:
            review.note(f"{path}.input_names[{index}]", f'"{name}" has no effect: the expression does not name it.')


def _with_article(kind: str) -> str:
    return f"{'an' if kind[0] in 'EI' else 'a'} {kind}"


def _table(feature: FeatureConfig) -> dict[str, object]:
    """Returns what makes the table of a feature."""
    initializer = " ".join(str(feature.initializer).split()) if feature.HasField("initializer") else "the default"
    growing = view.growing_of(feature)
    return {
        "embedding_dim": feature.embedding_dim,
        "the number of rows": _rows(feature),
        "initializer": initializer,
        "growing": " ".join(str(growing).split()) if growing else "not there",
    }


def _damage_of_tables(*paths: str) -> list[str]:
    return [f"{path}.{field}" for path in paths for field in (*TABLE_SOURCES, "embedding_dim", "boundaries")]


def _rows(feature: FeatureConfig) -> object:
    if view.is_number(feature):
        return view.num_number_rows(feature)
    growing = view.growing_of(feature)
    if growing is not None:
        return growing.max_rows
    if table_sources(feature)[:1] == ["vocab_file"]:
        return inspect_vocabulary(feature.vocab_file).num_words
    return feature.hash_bucket_size or len(feature.vocab_list) or feature.num_buckets
