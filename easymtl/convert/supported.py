"""What this version of easymtl reads of its own dialect: the options of a field say so."""

from google.protobuf.descriptor import EnumValueDescriptor, FieldDescriptor

from easymtl.protos import options_pb2

_CLOSED = (options_pb2.refused, options_pb2.later)
_CLOSED_VALUES = (options_pb2.value_refused, options_pb2.value_later)


def is_supported(descriptor: FieldDescriptor | EnumValueDescriptor) -> bool:
    """Returns whether a config may use a field, or a value of an enum, in this version."""
    options = descriptor.GetOptions().Extensions
    closed = _CLOSED_VALUES if isinstance(descriptor, EnumValueDescriptor) else _CLOSED
    return not any(options[option] for option in closed)
