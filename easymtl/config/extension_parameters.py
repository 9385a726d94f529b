"""Parameters of parts that installed packages bring, read into the messages that the packages declare."""

from collections.abc import Iterable, Iterator, Mapping
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
_QUOTE = '"'
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


def read_parameters(given: Iterable[ExtensionParameter], declaration: Declaration) -> tuple[Message, list[Fault]]:
    """Returns parameters of a config as the message that a package declares, and what is wrong with them.

    Paths of the faults begin with `parameters[0]`; they are empty for what is missing.
    """
    message = declaration.message()
    declared = {parameter.name: parameter for parameter in declaration.parameters}
    places: dict[str, str] = {}
    faults: list[Fault] = []
    for index, entry in enumerate(given):
        path = f"parameters[{index}]"
        text = _unknown(entry.key, declared, places)
        if text:
            faults.append(Fault(path, text))
            continue
        parameter = declared[entry.key]
        places[entry.key] = f"{path}.{_MEMBER[parameter.item]}"
        faults += _take(message, parameter, entry, path)
    faults += [Fault("", _missing(declared[name])) for name in missing_parameters(declaration, places)]
    if not faults:
        faults = list(_faults_of_values(message, places))
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


def _faults_of_values(message: Message, places: Mapping[str, str]) -> Iterator[Fault]:
    """Yields what ranges and choices do not allow."""
    for path, text in value_faults(message):
        name, bracket, index = path.partition("[")
        # What is in a network is a part of the config itself, and looked at there.
        if name in places and "." not in path:
            yield Fault(places[name] + bracket + index, f'of "{name}"{":" if text[0] == _QUOTE else ""} {text}')


def _unknown(key: str, declared: Mapping[str, Parameter], places: Mapping[str, str]) -> str:
    if key in places:
        return f'gives "{key}" a second time. Keep one.'
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


def _take(message: Message, parameter: Parameter, entry: ExtensionParameter, path: str) -> Iterator[Fault]:
    """Sets a field to what an entry holds; yields what is wrong with that."""
    name, member, example = parameter.name, _MEMBER[parameter.item], _EXAMPLES[parameter.item]
    values = getattr(entry, member)
    others = [other for other in _MEMBERS if other != member and len(getattr(entry, other))]
    if others:
        yield Fault(f"{path}.{others[0]}", f'cannot be given to "{name}"; it needs {example}.')
    elif not values and not parameter.is_list:
        yield Fault(path, f'gives "{name}" no value; it needs {example}.')
    elif len(values) > 1 and not parameter.is_list:
        yield Fault(f"{path}.{member}", f'of "{name}" holds {len(values)} values; it takes one.')
    elif parameter.item is int and not all(abs(value) <= _LARGEST and value == int(value) for value in values):
        shown = ", ".join(f"{value:g}" for value in values)
        yield Fault(f"{path}.{member}", f'of "{name}" is {shown}; it needs a whole number.')
    else:
        _assign(message, parameter, [int(value) for value in values] if parameter.item is int else list(values))


def _assign(message: Message, parameter: Parameter, values: list[Any]) -> None:
    descriptor: FieldDescriptor = message.DESCRIPTOR.fields_by_name[parameter.name]
    if parameter.is_list:
        getattr(message, parameter.name).extend(values)
    elif descriptor.message_type is not None:
        getattr(message, parameter.name).CopyFrom(values[0])
    else:
        setattr(message, parameter.name, values[0])
