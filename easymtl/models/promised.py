"""Holds what parts of packages return against what they promise: another shape would be spread, and train something."""

from collections.abc import Mapping
from typing import Any

import tensorflow as tf

from easymtl.errors import quoted
from easymtl.extensions import Extension, ExtensionError
from easymtl.layers.context import Build, Call
from easymtl.layers.shapes import Array, Shape
from easymtl.models.base import MultiTaskModel


def architecture_of(extension: Extension) -> type[MultiTaskModel]:
    """Returns the class of an architecture of a package, made to return logits `[batch, num_outputs]` of each task.

    Raises:
        ExtensionError: it cannot be imported, or is no architecture.
    """
    architecture: Any = extension.target()
    if not (isinstance(architecture, type) and issubclass(architecture, MultiTaskModel)):
        raise ExtensionError(f"{extension.title}: {extension.declaration.target} is no subclass of MultiTaskModel.")

    class Held(architecture):
        def __init__(self, build: Build, config: Any, group_widths: Any, num_outputs: Mapping[str, int]):
            super().__init__(build, config, group_widths, num_outputs)
            self._promised = dict(num_outputs)

        def __call__(self, groups: Any, call: Call) -> dict[str, tf.Tensor]:
            logits = super().__call__(groups, call)
            require_logits(extension.title, logits, self._promised)
            return logits

    Held.__name__, Held.__doc__ = architecture.__name__, architecture.__doc__
    return Held


def require_logits(title: str, logits: Mapping[str, tf.Tensor], num_outputs: Mapping[str, int]) -> None:
    """Checks that there are logits of each task, of its number of outputs.

    Raises:
        ExtensionError: there are not.
    """
    missing = [task for task in num_outputs if task not in logits]
    if missing:
        raise ExtensionError(f"{title} returns no logits of the tasks {quoted(missing)}.")
    for task, width in num_outputs.items():
        shape = logits[task].shape
        if shape.rank != 2 or shape[1] not in (None, width):
            raise ExtensionError(f'{title} returns {shape} for the task "{task}"; it has to return [batch, {width}].')


def require_declared(name: str, result: Any, declared: Shape) -> None:
    """Checks that a layer returns a tensor of the shape that it has declared; other values are not looked at.

    Raises:
        ExtensionError: it does not.
    """
    if not (isinstance(declared, Array) and isinstance(result, tf.Tensor)):
        return
    if not result.shape.is_compatible_with(declared.sizes):
        raise ExtensionError(f"{name} returns {result.shape}, and declares {declared}: correct its shape().")
