"""What a checkpoint remembers of the parts that packages brought to its model, and how that is compared."""

from collections.abc import Mapping
from typing import Any

from google.protobuf import text_format
from google.protobuf.message import Message

from easymtl.config.extension_parameters import used_extensions
from easymtl.extensions import Extension
from easymtl.protos.pipeline_pb2 import Pipeline

_WITH_WEIGHTS = ("architecture", "layer")

Parts = Mapping[str, Mapping[str, Any]]


def extensions_of(pipeline: Pipeline) -> dict[str, dict[str, Any]]:
    """Returns package, version and parameters of each part, as JSON can hold them, by `architecture "TwoLevel"`.

    Of losses and metrics there are no parameters, nor of what has `keeps_weights`: they may change from one training to
    the next, as those of easymtl's own may.
    """
    found: dict[str, dict[str, Any]] = {}
    for extension, messages in used_extensions(pipeline):
        declared = extension.declaration
        found[f'{declared.kind} "{extension.name}"'] = {
            "package": extension.package,
            "version": extension.version,
            "parameters": [_values(extension, message) for message in messages] if _has_weights(declared.kind) else [],
        }
    return found


def in_common(there: Parts, here: Parts) -> tuple[dict[str, Any], dict[str, Any]]:
    """Returns two such maps as they are compared: what has weights, without versions and parameters of one side alone.

    A parameter of one side alone is one that another version of the package has not.
    """
    sides: list[dict[str, Any]] = []
    for side, other in ((there, here), (here, there)):
        kept = {}
        for name, part in side.items():
            if _has_weights(name.split()[0]):
                theirs = [set(values) for values in other.get(name, part)["parameters"]]
                shared = set.intersection(*theirs) if theirs else set()
                kept[name] = {
                    "package": part["package"],
                    "parameters": [
                        {key: value for key, value in values.items() if key in shared} for values in part["parameters"]
                    ],
                }
        sides.append(kept)
    return sides[0], sides[1]


def difference(there: Parts, here: Parts) -> str:
    """Returns what differs first between two maps of `in_common`; empty where nothing does."""
    for name in (*here, *there):
        before, now = there.get(name), here.get(name)
        if before is None or now is None:
            return f"the {name} of a package is in the {'training' if now is None else 'config'} alone"
        if before["package"] != now["package"]:
            return f"the {name} is that of {now['package']} here and was that of {before['package']} in the training"
        if len(before["parameters"]) != len(now["parameters"]):
            return f"the {name} is used {len(now['parameters'])} times and was {len(before['parameters'])} times"
        for old, new in zip(before["parameters"], now["parameters"]):
            changed = next((key for key in new if old[key] != new[key]), None)
            if changed:
                values = f"{_shown(new[changed])} in the config and {_shown(old[changed])} in the training"
                return f"the {name} has {changed} {values}"
    return ""


def version_notes(pipeline: Pipeline, state: Mapping[str, Any]) -> list[str]:
    """Returns a sentence for each part whose package has another major version than it had in a training.

    Args:
        pipeline: the config.
        state: of a checkpoint of the training.
    """
    before = (state.get("meaning") or {}).get("extensions", {})
    return [
        f"The {name} is that of {part['package']} {part['version']} here, and was that of version {old['version']} in "
        "the training: a new major version may do something else with the same weights. Compare their metrics."
        for name, part in extensions_of(pipeline).items()
        if (old := before.get(name)) and _major(old["version"]) != _major(part["version"])
    ]


def _has_weights(kind: str) -> bool:
    return kind in _WITH_WEIGHTS


def _major(version: str) -> str:
    return version.partition(".")[0]


def _values(extension: Extension, message: Message) -> dict[str, Any]:
    return {
        parameter.name: _value(message, parameter.name)
        for parameter in extension.declaration.parameters
        if not parameter.keeps_weights
    }


def _value(message: Any, name: str) -> Any:
    """Returns the value of a field as JSON can hold it: a network as text, None where there is none."""
    descriptor, value = message.DESCRIPTOR.fields_by_name[name], getattr(message, name)
    if descriptor.is_repeated:
        return [_text(item) for item in value]
    is_left_out = not message.HasField(name) and not descriptor.has_default_value
    return None if is_left_out else _text(value)


def _text(value: Any) -> Any:
    return text_format.MessageToString(value, as_one_line=True) if isinstance(value, Message) else value


def _shown(value: Any) -> str:
    return f"{{ {value} }}" if isinstance(value, str) and ":" in value else repr(value)
