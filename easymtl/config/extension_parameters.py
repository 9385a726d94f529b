"""Parameters of parts that installed packages bring, read into the messages that the packages declare."""

from collections.abc import Iterable, Iterator
from typing import Any

from google.protobuf.descriptor import FieldDescriptor
from google.protobuf.message import Message

from easymtl.config import view
from easymtl.config.block_graph import graph_of, keras_layers
from easymtl.config.fault import Fault
from easymtl.config.rules.values import value_faults
from easymtl.config.struct_params import read_struct
from easymtl.errors import UserError, did_you_mean, quoted
from easymtl.extensions import DNN, Declaration, Extension, Parameter, find_extension, installed_names
from easymtl.protos.extension_pb2 import ExtensionParameter
from easymtl.protos.pipeline_pb2 import Pipeline

_LARGEST = 2**53
_MEMBERS = ("number", "text", "flag", "dnn")
_MEMBER = {int: "number", float: "number", bool: "flag", str: "text", DNN: "dnn"}
_EXAMPLES = {
    int: "number: 1",
    float: "number: 0.5",
    bool: "flag: true",
    str: 'text: "..."',
    DNN: "dnn { hidden_units: 64 }",
}


def parameters_of(named: view.Named) -> Message:
    """Returns the parameters that a config gives a part of a package, as the message that the package declares.

    Raises:
        UserError: they are not what it declares, which the rules of a config find.
    """
    message, faults = read_parameters(named.parameters, named.find().declaration)
    if faults:
        raise UserError(f"{named.path} {faults[0]}")
    return message


def used_extensions(pipeline: Pipeline) -> list[tuple[Extension, list[Message]]]:
    """Returns the extensions that a right config uses, layers of block graphs too, each with its parameters.

    Raises:
        UserError: one of them does not work.
    """
    used: dict[str, tuple[Extension, list[Message]]] = {}
    found = [(named.find(), parameters_of(named)) for named in view.named_extensions(pipeline)]
    there = installed_names("layer")
    graph = graph_of(pipeline)
    for scope in graph.scopes if graph else ():
        for node in scope.nodes.values():
            for _, _, layer in keras_layers(node):
                if layer.class_name in there:
                    extension = find_extension("layer", layer.class_name)
                    message = extension.declaration.message()
                    read_struct(layer.st_params, message)
                    fill_lists(message, extension.declaration, set(layer.st_params.fields))
                    found.append((extension, message))
    for extension, message in found:
        used.setdefault(extension.title, (extension, []))[1].append(message)
    return list(used.values())


def read_parameters(
    given: Iterable[ExtensionParameter], declaration: Declaration
) -> tuple[Message, list[Fault]]:
    """Returns parameters of a config as the message that a package declares, and what is wrong with them.

    Paths of the faults are those of items of `parameters`, empty for what is missing.
    """
    message = declaration.message()
    declared = {parameter.name: parameter for parameter in declaration.parameters}
    places: dict[str, str] = {}
    faults: list[Fault] = []
    for index, entry in enumerate(given):
        path = f"parameters[{index}]"
        text = _unknown(entry.key, declared) or (f'"{entry.key}" is given twice. Keep one.' if entry.key in places else "")
        if not text:
            places[entry.key] = path
            text = _take(message, declared[entry.key], entry)
        if text:
            faults.append(Fault(path, text))
    faults += [Fault("", _missing(declared[name])) for name in missing_parameters(declaration, places)]
    if not faults:
        faults = [
            Fault(places[name], f'"{name}{rest}" {text}')
            for name, rest, text in _faults_of_values(message)
            if name in places
        ]
    fill_lists(message, declaration, places)
    return message, faults


def missing_parameters(declaration: Declaration, given: Iterable[str]) -> list[str]:
    """Returns the names of the parameters that a config has to give, and does not."""
    return [one.name for one in declaration.parameters if one.is_required and one.name not in given]


def fill_lists(message: Message, declaration: Declaration, given: Iterable[str]) -> None:
    """Gives the lists that a config leaves out their defaults: protobuf has none for lists."""
    for parameter in declaration.parameters:
        if parameter.is_list and not parameter.is_required and parameter.default and parameter.name not in given:
            getattr(message, parameter.name).extend(parameter.default)


def _faults_of_values(message: Message) -> Iterator[tuple[str, str, str]]:
    """Yields name, index and sentence of what ranges and choices do not allow."""
    for path, text in value_faults(message):
        name, bracket, index = path.partition("[")
        # What is in a network is a part of the config itself, and looked at there.
        if "." not in path:
            yield name, bracket + index, text


def _unknown(key: str, declared: dict[str, Parameter]) -> str:
    if key in declared:
        return ""
    there = f"there are {quoted(declared)}" if declared else "there are none"
    if not key:
        return f"has no key, the name of a parameter: {there}."
    return f'"{key}" is no parameter of it; {there}.{did_you_mean(key, declared)}'


def _missing(parameter: Parameter) -> str:
    doc = f" ({parameter.doc.rstrip('.')})" if parameter.doc else ""
    example = f'parameters {{ key: "{parameter.name}" {_EXAMPLES[parameter.item]} }}'
    return f'needs the parameter "{parameter.name}"{doc}: {example}.'


def _take(message: Message, parameter: Parameter, entry: ExtensionParameter) -> str:
    """Sets a field to what an entry holds; returns what is wrong with that."""
    member = _MEMBER[parameter.item]
    found = [name for name in _MEMBERS if len(getattr(entry, name))]
    values = getattr(entry, member)
    if found not in ([member], []) or not (found or parameter.is_list):
        held = f"holds {' and '.join(found)}" if found else "holds no value"
        return f'"{parameter.name}" {held}; it needs {_EXAMPLES[parameter.item]}.'
    if len(values) > 1 and not parameter.is_list:
        return f'"{parameter.name}" holds {len(values)} values; it takes one.'
    if parameter.item is int and not all(abs(value) <= _LARGEST and value == int(value) for value in values):
        return f'"{parameter.name}" is {", ".join(f"{value:g}" for value in values)}; it needs a whole number.'
    _assign(message, parameter, [int(value) for value in values] if parameter.item is int else list(values))
    return ""


def _assign(message: Message, parameter: Parameter, values: list[Any]) -> None:
    descriptor: FieldDescriptor = message.DESCRIPTOR.fields_by_name[parameter.name]
    if parameter.is_list:
        getattr(message, parameter.name).extend(values)
    elif descriptor.message_type is not None:
        getattr(message, parameter.name).CopyFrom(values[0])
    else:
        setattr(message, parameter.name, values[0])
