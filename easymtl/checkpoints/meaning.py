"""What the rows of tables and the columns of the first kernel mean, so that weights are not read with another meaning.

Shapes alone do not tell: features of one width in another order, other boundaries or another normalizer fit just as
well, and score wrongly.
"""

import hashlib
import json
from collections.abc import Iterable, Mapping
from typing import Any

from google.protobuf import text_format

from easymtl.checkpoints import extensions
from easymtl.checkpoints.folder import Checkpoint
from easymtl.checkpoints.weights import advice_for_another_config
from easymtl.config import view
from easymtl.config.block_graph import wiring
from easymtl.config.names import is_lambda, normalizer_name
from easymtl.config.rules.feature_faults import table_sources
from easymtl.config.vocabulary import read_vocabulary
from easymtl.errors import UserError, quoted
from easymtl.features.declarations import declared_features
from easymtl.protos.feature_pb2 import FeatureConfig
from easymtl.protos.pipeline_pb2 import Pipeline

# What does not change which row or number a value becomes.
_FREE = ("initializer", "max_partitions", "vocab_file", "feature_name", "growing", "ev_params")
_DEFAULTS = {
    field.name: str(field.default_value) for field in FeatureConfig.DESCRIPTOR.fields if field.has_default_value
}


def meaning_of(pipeline: Pipeline) -> dict[str, Any]:
    """Returns features and towers in their order, and how a feature becomes rows and numbers, as JSON can hold it.

    The names of some layers count the towers, so that another choice or order of them would fit and be wrong.
    """
    groups = {group.group_name: view.group_feature_names(group) for group in pipeline.model_config.feature_groups}
    for group in pipeline.model_config.feature_groups:
        for block in group.sequence_features:
            names = [name for one in block.seq_att_map for name in [*one.key, "over", *one.hist_seq, *one.aux_hist_seq]]
            groups[f"{group.group_name}, attention {block.group_name}"] = names
    used = view.grouped_names(pipeline)
    features = {
        view.feature_name(one): _fields(feature)
        for feature in view.features(pipeline)
        for one in view.written_out(feature)
    }
    towers = [tower.tower_name for tower in view.task_towers(pipeline)]
    of_packages = extensions.extensions_of(pipeline)
    return {
        **({"extensions": of_packages} if of_packages else {}),
        "groups": groups,
        "features": {name: features[name] for name in sorted(used & set(features))},
        "towers": towers,
        "vocabularies": _vocabularies(pipeline, used),
        "label_transforms": {
            tower.tower_name: text_format.MessageToString(tower.label_transform, as_one_line=True)
            for tower in view.task_towers(pipeline)
            if tower.HasField("label_transform")
        },
        "blocks": wiring(pipeline),
        "defaults": _defaults(pipeline),
        "label_values": {
            label: {str(text): number for text, number in view.label_texts(pipeline.data_config, label).items()}
            for label in pipeline.data_config.label_fields
        },
    }


def digests_of(pipeline: Pipeline) -> dict[str, str]:
    """Returns a digest of each part of `meaning_of`, by what a person calls it: `the vocab_file of "city"`."""
    meaning = meaning_of(pipeline)
    features = {f'the feature "{name}"': fields for name, fields in meaning.pop("features").items()}
    words = {f'the vocab_file of "{name}"': digest for name, digest in meaning.pop("vocabularies").items()}
    groups = {f'the feature group "{name}"': names for name, names in meaning.pop("groups").items()}
    packages = {f"the {name} of a package": part for name, part in meaning.pop("extensions", {}).items()}
    others = {f"the {name.replace('_', ' ')}": part for name, part in meaning.items() if name != "label_values"}
    parts = {**others, **groups, **features, **words, **packages}
    return {name: _digest([json.dumps(part, sort_keys=True)]) for name, part in parts.items()}


def require_same_meaning(
    pipeline: Pipeline, checkpoint: Checkpoint, state: Mapping[str, Any], is_training: bool = False
) -> None:
    """Refuses a config that reads the weights of a checkpoint with another meaning than they were trained with.

    Raises:
        UserError: the message names the first difference.
    """
    there, here = state.get("meaning"), meaning_of(pipeline)
    # Checkpoints from before there were such transforms do not speak of them.
    there = {"label_transforms": {}, "blocks": {}, **there} if there else there
    if there:
        there, here = _in_common(there, here)
    if not there or all(_settled(there)[part] == _settled(here).get(part) for part in there):
        return
    raise UserError(
        f"{checkpoint.path}: {_difference(there, here)}. The weights would fit and mean something else. "
        f"{advice_for_another_config(checkpoint.path, is_training)}"
    )


def difference_of_weights(pipeline: Pipeline, state: Mapping[str, Any], is_reshaping: bool = False) -> str:
    """Returns how weights that two models have in common mean something else in the config than in a training.

    Args:
        pipeline: the config.
        state: of a checkpoint of the training; the answer is empty for one that does not tell its meaning.
        is_reshaping: whether kernels of another number of inputs are taken over too, from their first row on.
    """
    there, here = state.get("meaning"), meaning_of(pipeline)
    if not there:
        return ""
    there, here = _in_common(there, here)
    both = {
        "towers": here["towers"],
        "label_transforms": {},
        "groups": {
            name: names[: len(here["groups"][name])]
            for name, names in there["groups"].items()
            if name in here["groups"] and (is_reshaping or len(names) == len(here["groups"][name]))
        },
        "features": {name: fields for name, fields in there["features"].items() if name in here["features"]},
        "vocabularies": there.get("vocabularies", {}),
        "blocks": here["blocks"],
        "defaults": here["defaults"],
        "label_values": here["label_values"],
        "extensions": here["extensions"],
    }
    groups = {name: here["groups"][name][: len(names)] for name, names in both["groups"].items()}
    here = {**here, "label_transforms": {}, "groups": groups}
    here["features"] = {name: here["features"][name] for name in both["features"]}
    shared = both["vocabularies"].keys() & here["vocabularies"].keys()
    for side in (both, here):
        side["vocabularies"] = {name: side["vocabularies"][name] for name in shared}
    return _difference(both, here) if _settled(both) != _settled(here) else ""


def _in_common(there: Mapping[str, Any], here: Mapping[str, Any]) -> tuple[dict[str, Any], dict[str, Any]]:
    """Returns two meanings without what is no difference: what one alone has, and defaults that are said.

    That is features, too: the groups tell which ones there are, and checkpoints from before `shared_names` were looked
    at have them there alone.
    """
    packages = extensions.in_common(*(side.get("extensions", {}) for side in (there, here)))
    fields = here["defaults"].keys() & there.get("defaults", here["defaults"]).keys()
    words = {
        label: here["label_values"].get(label, {}).keys() & texts.keys()
        for label, texts in there.get("label_values", here["label_values"]).items()
    }
    sides = []
    for side, parts in zip((there, here), packages):
        features = {
            name: {field: text for field, text in fields.items() if text != _DEFAULTS.get(field)}
            for name, fields in side["features"].items()
            if name in there["features"] and name in here["features"]
        }
        texts = side.get("label_values", here["label_values"])
        shared = {label: {text: texts[label][text] for text in sorted(both)} for label, both in words.items() if both}
        defaults = {field: side.get("defaults", here["defaults"])[field] for field in sorted(fields)}
        sides.append({**side, "defaults": defaults, "features": features, "label_values": shared, "extensions": parts})
    return sides[0], sides[1]


def _settled(meaning: Mapping[str, Any]) -> dict[str, Any]:
    """Returns a meaning in which functions that are the same are written in the same way."""
    features = {
        name: {field: _written_once(field, text) for field, text in fields.items()}
        for name, fields in meaning["features"].items()
    }
    return {**meaning, "features": features}


def _written_once(field: str, text: str) -> str:
    if field == "normalizer_fn" and not is_lambda(text):
        return normalizer_name(text)
    return "".join(text.split()) if field in ("normalizer_fn", "expression") else text


def optimizers_of(pipeline: Pipeline) -> list[str]:
    """Returns the optimizers of a config, such as `["adam_optimizer"]`."""
    return [str(entry.WhichOneof("optimizer")) for entry in pipeline.train_config.optimizer_config]


def require_same_optimizers(pipeline: Pipeline, checkpoint: Checkpoint, state: Mapping[str, Any]) -> None:
    """Refuses other optimizers than those of the training, once its slots have turned out not to fit.

    Raises:
        UserError: they are others.
    """
    there, here = state.get("optimizers"), optimizers_of(pipeline)
    if there and there != here:
        raise UserError(
            f"{checkpoint.path}: train_config.optimizer_config was {' and '.join(there)} in the training and is "
            f"{' and '.join(here)} in the config, which keeps other numbers beside each weight. "
            f"{advice_for_another_config(checkpoint.path, is_training=True)}"
        )


def _difference(there: Mapping[str, Any], here: Mapping[str, Any]) -> str:
    if there.get("towers", here["towers"]) != here["towers"]:
        return f"the towers are {quoted(here['towers'])} in the config and {quoted(there['towers'])} in the training"
    for tower in here["towers"]:
        before, now = (part.get("label_transforms", {}).get(tower, "none") for part in (there, here))
        if before != now:
            return f'the tower "{tower}" has the label_transform {now} in the config and {before} in the training'
    for group, names in here["groups"].items():
        before = there["groups"].get(group)
        if before is not None and before != names:
            pairs = enumerate(zip(before, names))
            place = next((i for i, (old, new) in pairs if old != new), min(len(before), len(names)))
            return f'feature group "{group}" is not that of the training: feature number {place + 1} is another one'
    for name, fields in here["features"].items():
        before = there["features"].get(name, {})
        changed = sorted(
            field
            for field in {*before, *fields}
            if _written_once(field, str(before.get(field))) != _written_once(field, str(fields.get(field)))
        )
        if changed:
            # Messages are written over several lines.
            new, old = (" ".join(str(side.get(changed[0])).split()) for side in (fields, before))
            return f'feature "{name}" has {changed[0]} {new} in the config and {old} in the training'
    words = here["vocabularies"]
    changed = sorted(name for name, digest in there.get("vocabularies", words).items() if words.get(name) != digest)
    if changed:
        return (
            f'the vocab_file of feature "{changed[0]}" has not the values, in the order, that it had in the training, '
            "so that they would take each other's rows"
        )
    for field, now in here["defaults"].items():
        before = there["defaults"][field]
        if before != now:
            return f'the field "{field}" has the default_val {now!r} in the config and {before!r} in the training'
    for label, texts in here["label_values"].items():
        for text, number in texts.items():
            before = there["label_values"][label][text]
            if before != number:
                return (
                    f'the text "{text}" of the label "{label}" stands for {number:g} in the config and for '
                    f"{before:g} in the training"
                )
    for block in sorted({*here["blocks"], *there.get("blocks", here["blocks"])}):
        before, now = (part.get("blocks", {}).get(block, "nothing") for part in (there, here))
        if "blocks" in there and before != now:
            return f'the block "{block}" is {now or "{ }"} in the config and {before or "{ }"} in the training'
    return extensions.difference(there["extensions"], here["extensions"]) or (
        "its feature groups are not those of the config"
    )


def _defaults(pipeline: Pipeline) -> dict[str, str]:
    """Returns the `default_val` of each field that a feature in use reads, and that has one."""
    defaults = {
        name: field.default_val
        for field in pipeline.data_config.input_fields
        if field.HasField("default_val")
        for name in view.input_field_names(pipeline.data_config, field)
    }
    read = {name for feature in view.features_in_groups(pipeline) for name in feature.input_names}
    return {name: default for name, default in sorted(defaults.items()) if name in read}


def _vocabularies(pipeline: Pipeline, used: set[str]) -> dict[str, str]:
    """Returns a digest of the values in each `vocab_file`, in their order, by feature."""
    declared = declared_features(pipeline)
    with_file = [name for name in used & set(declared) if table_sources(declared[name])[:1] == ["vocab_file"]]
    files = {name: declared[name].vocab_file for name in with_file}
    digests = {path: _digest(read_vocabulary(path).words) for path in set(files.values())}
    return {name: digests[path] for name, path in sorted(files.items())}


def _digest(words: Iterable[str]) -> str:
    digest = hashlib.blake2b(digest_size=16)
    for word in words:
        digest.update(word.encode() + b"\n")
    return digest.hexdigest()


def _fields(feature: FeatureConfig) -> dict[str, str]:
    growing = view.growing_of(feature)
    # When ids come and go is no meaning of rows; which id a row is of stands in the checkpoint.
    grows = {} if growing is None else {"growing": f"max_rows {growing.max_rows}"}
    return grows | {
        field.name: str(list(value) if hasattr(value, "append") else value)
        for field, value in feature.ListFields()
        if field.name not in _FREE
    }
