"""The signatures of a SavedModel: functions of named columns, saved under exactly these names.

A column may be called `user id`, `用户`, `class`, or `item.id` beside `item/id`. TensorFlow makes identifiers of
the names of a function's arguments, so functions are traced and saved with arguments `input_0`, `input_1`, ..., and
what ties a name to its argument is written into the saved file afterwards. There a name stands in three places:

  the SignatureDef        what servers, `saved_model_cli` and C read: the key is the name
  the names of the specs  what `structured_input_signature` of the function loaded in Python holds: the name
  the arguments           of the function loaded in Python, see `keywords`
"""

import keyword
from collections.abc import Callable, Iterable, Mapping, MutableMapping
from dataclasses import dataclass
from pathlib import Path

import tensorflow as tf
from tensorflow.core.framework import graph_pb2
from tensorflow.core.protobuf import saved_model_pb2, saved_object_graph_pb2
from tensorflow.python.saved_model import fingerprinting_utils

from easymtl.serving.ends_on_cpu import keep_ends_on_cpu

SIGNATURE = "serving_default"
ENCODE = "encode"
ENCODED = "encoded"
TF_EXAMPLE = "tf_example"
USER_ONCE = "user_once"

_GRADIENT = "_gradient_op_type"

Tensors = Mapping[str, tf.Tensor]

_SAVE_OPTIONS = tf.saved_model.SaveOptions(experimental_custom_gradients=False)
"""The gradient that TensorFlow has for swish cannot be saved with constants, and nothing that serves needs one."""


@dataclass(frozen=True)
class Signature:
    """A function of named tensors.

    Attributes:
        function: maps tensors by name to tensors by name.
        inputs: the names that it takes, and what stands under each.
    """

    function: Callable[[Tensors], Tensors]
    inputs: Mapping[str, tf.TensorSpec]


def save(
    model: tf.Module,
    folder: str | Path,
    signatures: Mapping[str, Signature],
    complete: Callable[[Path], None] = lambda folder: None,
) -> dict[str, list[str]]:
    """Writes a SavedModel.

    Args:
        model: holds the variables and tables that the functions use.
        folder: where to.
        signatures: the functions by the name of the signature.
        complete: is given the folder, to write into it what TensorFlow has not.

    Returns:
        The names of the outputs of each signature.
    """
    functions = {name: _trace(signature) for name, signature in signatures.items()}
    tf.saved_model.save(model, str(folder), signatures=functions, options=_SAVE_OPTIONS)
    path = Path(folder) / "saved_model.pb"
    saved = saved_model_pb2.SavedModel.FromString(path.read_bytes())
    (graph,) = saved.meta_graphs
    loaded = _loaded_functions(graph.object_graph_def)
    for name, signature in signatures.items():
        arguments = _arguments(signature.inputs)
        _declare_shapes(graph.signature_def[name].inputs, arguments, signature.inputs)
        _rename_keys(graph.signature_def[name].inputs, arguments)
        _rename_arguments(graph.object_graph_def, loaded[name], arguments, signature.inputs)
    _forget_gradients(graph.graph_def)
    keep_ends_on_cpu(graph)
    path.write_bytes(saved.SerializeToString(deterministic=True))
    complete(Path(folder))
    # It holds checksums of the files.
    fingerprinting_utils.write_fingerprint(str(folder))
    return {name: sorted(function.structured_outputs) for name, function in functions.items()}


def keywords(names: Iterable[str]) -> dict[str, str]:
    """Returns the keyword under which the function that `tf.saved_model.load` returns takes each input.

    That is the name itself: `serve(**{"user id": ...})`. Python and TensorFlow allow no other call where a name is
    `self`, or where two differ only in characters that are no letters or digits, as `item.id` and `item/id` do: `self`,
    and the later ones of those, are taken under an identifier with `_2`, `_3`, ... behind it.
    """
    parameters = _parameters(names)
    seen: set[str] = set()
    result = {}
    for name, parameter in parameters.items():
        alike = _sanitized(name)
        result[name] = parameter if name == "self" or alike in seen else name
        seen.add(alike)
    return result


def names_of(function: tf.types.experimental.ConcreteFunction) -> dict[str, str]:
    """Returns the keyword of each input of a function that `tf.saved_model.load` returned, by the input's name."""
    return {spec.name: parameter for parameter, spec in function.structured_input_signature[1].items()}


def places(names: Iterable[str]) -> dict[str, int]:
    """Returns where each input of a function that `tf.saved_model.load` returned stands among its arguments, from 0."""
    return {name: place for place, name in enumerate(_arguments(names).values())}


def _trace(signature: Signature) -> tf.types.experimental.ConcreteFunction:
    arguments = _arguments(signature.inputs)
    # A request need not keep to the sizes that are declared, and what looks at its sizes would be left out of a graph
    # in which they are known.
    specs = [
        tf.TensorSpec([None] * len(signature.inputs[name].shape), signature.inputs[name].dtype, name=argument)
        for argument, name in arguments.items()
    ]

    def call(*tensors: tf.Tensor) -> Tensors:
        by_name = dict(zip(arguments.values(), tensors))
        return signature.function({name: by_name[name] for name in signature.inputs})

    return tf.function(call, input_signature=specs, autograph=False).get_concrete_function()


def _arguments(names: Iterable[str]) -> dict[str, str]:
    """Returns the name behind each argument of the traced function.

    A function that is loaded takes its arguments in the order of the names of its parameters: so do these.
    """
    parameters = _parameters(names)
    ordered = sorted(parameters, key=parameters.__getitem__)
    digits = len(str(len(ordered)))
    return {f"input_{place:0{digits}}": name for place, name in enumerate(ordered)}


def _parameters(names: Iterable[str]) -> dict[str, str]:
    """Returns the name of the parameter of each input in the loaded function: identifiers, each once."""
    taken: set[str] = set()
    result = {}
    # Names that are what TensorFlow makes of them come first: they keep theirs.
    for name in sorted(names, key=lambda name: (_sanitized(name) != name, name)):
        stem = _sanitized(name)
        if not stem.isidentifier():
            # Letters and digits to TensorFlow, but to Python no part of a name, such as a raised 2.
            stem = "arg_" + "".join(letter if letter.isascii() else "_" for letter in stem)
        parameter, number = stem, 1
        while parameter in taken or parameter == "self" or keyword.iskeyword(parameter):
            number += 1
            parameter = f"{stem}_{number}"
        taken.add(parameter)
        result[name] = parameter
    return result


def _sanitized(name: str) -> str:
    """Returns what TensorFlow makes of the name of an argument, when it is declared and when it is called."""
    letters = "".join(letter if letter.isalnum() else "_" for letter in name)
    return letters if letters[0].isalpha() else f"arg_{letters}"


def _loaded_functions(graph: saved_object_graph_pb2.SavedObjectGraph) -> dict[str, int]:
    """Returns the node of the function of each signature."""
    (root,) = (child.node_id for child in graph.nodes[0].children if child.local_name == "signatures")
    return {child.local_name: child.node_id for child in graph.nodes[root].children}


def _declare_shapes(infos: MutableMapping, names: Mapping[str, str], inputs: Mapping[str, tf.TensorSpec]) -> None:
    """Writes the shapes of inputs into a SignatureDef."""
    for argument, info in infos.items():
        info.tensor_shape.CopyFrom(inputs[names[argument]].shape.as_proto())


def _forget_gradients(graph: graph_pb2.GraphDef) -> None:
    """Removes the names of gradients that are not saved, at the sight of which TensorFlow warns whoever loads it."""
    for nodes in (graph.node, *(function.node_def for function in graph.library.function)):
        for node in nodes:
            node.attr.pop(_GRADIENT, None)


def _rename_keys(fields: MutableMapping, names: Mapping[str, str]) -> None:
    """Renames the keys of a map of messages."""
    values = {names[key]: value.SerializeToString() for key, value in fields.items()}
    fields.clear()
    for name, value in values.items():
        fields[name].ParseFromString(value)


def _rename_arguments(
    graph: saved_object_graph_pb2.SavedObjectGraph,
    node: int,
    names: Mapping[str, str],
    inputs: Mapping[str, tf.TensorSpec],
) -> None:
    """Renames the arguments of a function where Python's loader reads them, and declares their shapes."""
    bare = graph.nodes[node].bare_concrete_function
    parameters = _parameters(names.values())
    called = keywords(names.values())
    bare.argument_keywords[:] = [called[names[argument]] for argument in bare.argument_keywords]
    declared = bare.function_spec.fullargspec.named_tuple_value
    (only,) = (pair.value for pair in declared.values if pair.key == "kwonlyargs")
    for value in only.list_value.values:
        value.string_value = parameters[names[value.string_value]]
    structure = graph.concrete_functions[bare.concrete_function_name].canonicalized_input_signature
    fields = structure.tuple_value.values[1].dict_value.fields
    for argument, value in fields.items():
        value.tensor_spec_value.name = names[argument]
        value.tensor_spec_value.shape.CopyFrom(inputs[names[argument]].shape.as_proto())
    _rename_keys(fields, {argument: parameters[name] for argument, name in names.items()})
