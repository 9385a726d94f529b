"""How a value finds its row: hash, numbers, vocabularies; and how the table itself starts."""

import math

from easymtl.convert.source import Node
from easymtl.protos.feature_pb2 import FeatureConfig, Growing, Initializer

UNKNOWN = "<OOV>"
"""The word of the row that values outside of a vocabulary take: row 0 here, a row of its own there."""

_NO_DEFAULT = "<default>"
_RESERVED = 2


def is_growing(node: Node) -> bool:
    """Returns whether the table of a feature takes any number as an id, and gives it a row when it is seen."""
    return node.has("zch") or node.has("dynamicemb")


def has_table(node: Node) -> bool:
    """Returns whether the values of a feature are ids, and not numbers, as far as tables are concerned."""
    fields = ("zch", "dynamicemb", "hash_bucket_size", "num_buckets", "vocab_list", "vocab_dict", "vocab_file")
    return any(node.has(field) for field in fields)


def set_rows(node: Node, feature: FeatureConfig) -> bool:
    """Fills how a raw value finds its row; returns whether there is a way.

    Of several, the one that counts there counts.
    """
    for field, grown in (("zch", "zch_size"), ("dynamicemb", "max_capacity")):
        table = node.node(field)
        if table is not None:
            feature.growing.max_rows = table.take(grown)
            _admit(table, feature.growing)
            table.mark_all()
            text = (
                f"growing {{ max_rows: {feature.growing.max_rows} }} takes its place: when all rows are taken, further "
                "ids share row 0, where there the ids that are used least make room; expire_after_steps frees rows."
            )
            node.changed(field, text)
            return True
    if node.has("hash_bucket_size"):
        feature.hash_bucket_size = node.take("hash_bucket_size")
    elif node.has("num_buckets"):
        feature.num_buckets = node.take("num_buckets")
    elif node.has("vocab_list"):
        feature.vocab_list.extend(_vocabulary(node))
    elif node.has("vocab_dict"):
        feature.vocab_list.extend(_dictionary(node))
    elif node.has("vocab_file"):
        _file(node, feature)
    return bool(feature.hash_bucket_size or feature.num_buckets or feature.vocab_list or feature.vocab_file)


def _admit(table: Node, growing: Growing) -> None:
    """Takes over how often an id is seen before it has a row, where that is a number."""
    admission = table.node("frequency_admission_strategy") if table.name == "DynamicEmbedding" else None
    if admission is not None and admission.take("threshold"):
        growing.admit_after = admission.take("threshold")
    if table.name == "ZeroCollisionHash" and table.take("threshold_filtering_func"):
        table.left_out("threshold_filtering_func", "say how often an id is seen before it has a row: admit_after.")


def num_encoded_rows(node: Node) -> int:
    """Returns the rows of the table of a feature whose values are row numbers already; 0 when nobody can tell."""
    reserved = 0 if node.has("default_bucketize_value") else _RESERVED
    node.mark("default_bucketize_value")
    if node.has("boundaries"):
        return len(node.values("boundaries")) + 1
    if node.has("vocab_list"):
        return len(node.values("vocab_list")) + reserved
    if node.has("vocab_dict"):
        return 1 + max(entry.take("value") for entry in node.nodes("vocab_dict"))
    return node.take("hash_bucket_size") or node.take("num_buckets") or 0


def _vocabulary(node: Node) -> list[str]:
    """Returns the words, the one whose row unknown values take in front."""
    words = node.values("vocab_list")
    if not node.has("default_bucketize_value"):
        return _with_reserved(node, words)
    place = node.take("default_bucketize_value")
    if place >= len(words):
        text = f"is {place}, and vocab_list has {len(words)} words: unknown values take a row of their own."
        node.changed("default_bucketize_value", text)
        return [UNKNOWN, *words]
    return [words[place], *words[:place], *words[place + 1 :]]


def _with_reserved(node: Node, words: list[str]) -> list[str]:
    """Returns words behind those rows that are reserved there: for unknown values, and for the default."""
    default = node.take("default_value")
    if default and default not in words:
        return [UNKNOWN, default, *words]
    # A table that features share has the same rows for all of them, whatever their defaults are.
    return [UNKNOWN, *([_NO_DEFAULT] if node.has("embedding_name") else []), *words]


def _dictionary(node: Node) -> list[str]:
    entries = [(entry.take("value"), entry.take("key")) for entry in node.nodes("vocab_dict")]
    words = [word for _, word in sorted(entries, key=lambda entry: entry[0])]
    if len({row for row, _ in entries}) < len(entries):
        text = "words that share a row there have rows of their own here: write one word for them into the data."
        node.changed("vocab_dict", text)
    if not node.has("default_bucketize_value"):
        return _with_reserved(node, words)
    first = [word for row, word in entries if row == node.take("default_bucketize_value")][:1] or [UNKNOWN]
    return [*first, *(word for word in words if word not in first)]


def _file(node: Node, feature: FeatureConfig) -> None:
    feature.vocab_file = node.take("vocab_file")
    place = node.take("default_bucketize_value")
    if place:
        text = (
            f"unknown values take row 0 here, that of the first line: move line {place + 1} of the file to the front."
        )
        node.changed("default_bucketize_value", text)
    text = (
        "each line is one word; where the file has a number behind the word, leave words alone, in the order of these."
    )
    node.changed("vocab_file", text)
    if node.has("asset_dir"):
        node.not_needed("asset_dir", "the exported model carries the vocabulary.")


def set_table(node: Node, feature: FeatureConfig) -> None:
    """Fills what makes a table: width, name, initial values, and how several vectors become one."""
    feature.embedding_dim = node.take("embedding_dim")
    if node.take("embedding_name"):
        feature.embedding_name = node.take("embedding_name")
    pooling = node.take("pooling")
    if pooling != "sum":
        feature.combiner = pooling
    if node.take("init_fn"):
        initializer = _initializer(node, node.take("init_fn"))
        if initializer is not None:
            feature.initializer.CopyFrom(initializer)
    if node.take("data_type") != "FP32":
        node.left_out("data_type", "tables are in float32.")


def _initializer(node: Node, text: str) -> Initializer | None:
    """Returns the initializer that a function of torch.nn.init, with its arguments, stands for."""
    name, *pieces = (piece.strip() for piece in text.split(","))
    name = name.removeprefix("torch.").removeprefix("nn.init.").removesuffix("_")
    try:
        numbers = {key.strip(): float(value) for key, value in (piece.split("=") for piece in pieces)}
    except ValueError:
        name, numbers = "", {}
    result = Initializer()
    deviation = numbers.get("std", 1.0)
    if name in ("zeros", "ones", "constant"):
        result.constant_initializer.consts.append({"zeros": 0.0, "ones": 1.0}.get(name, numbers.get("val", 0.0)))
    elif name == "normal" or (name == "trunc_normal" and min(_borders(numbers)) >= 4 * deviation):
        # Borders that far out cut nothing.
        result.random_normal_initializer.mean = numbers.get("mean", 0.0)
        result.random_normal_initializer.stddev = deviation
    elif name == "trunc_normal":
        result.truncated_normal_initializer.mean = numbers.get("mean", 0.0)
        result.truncated_normal_initializer.stddev = deviation
        if any(not math.isclose(border, 2 * deviation, rel_tol=1e-3) for border in _borders(numbers)):
            node.changed("init_fn", "the normal distribution is cut at two standard deviations.")
    elif name == "uniform":
        low, high = numbers.get("a", 0.0), numbers.get("b", 1.0)
        result.random_normal_initializer.mean = (low + high) / 2
        result.random_normal_initializer.stddev = (high - low) / math.sqrt(12)
        node.changed("init_fn", f'"{text}" is a normal distribution with the same mean and deviation.')
    elif name in ("xavier_normal", "kaiming_normal"):
        result.glorot_normal_initializer.SetInParent()
        node.changed("init_fn", f'"{text}" is glorot_normal_initializer, a truncated normal.')
    else:
        node.left_out("init_fn", f'there is no "{text}": the default is used, a truncated normal of small numbers.')
        return None
    return result


def _borders(numbers: dict[str, float]) -> tuple[float, float]:
    """Returns how far below and above its mean a truncated normal ends."""
    mean = numbers.get("mean", 0.0)
    return mean - numbers.get("a", -2.0), numbers.get("b", 2.0) - mean
