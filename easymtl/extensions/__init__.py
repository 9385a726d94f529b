"""What installed packages add to the config language: found by their entry points, declared without TensorFlow.

An entry point leads to a declaration: the parameters that a config may give, and the name of what is made of them. What
is named is imported when a model is made. `easymtl.extend` is what such packages import.
"""

from easymtl.extensions.declarations import Architecture, Declaration, Layer, Loss, Metric
from easymtl.extensions.installed import GROUPS, Extension, ExtensionError, find_extension, installed_names
from easymtl.extensions.parameters import DNN, Parameter
from easymtl.extensions.table import Table

__all__ = [
    "DNN",
    "GROUPS",
    "Architecture",
    "Declaration",
    "Extension",
    "ExtensionError",
    "Layer",
    "Loss",
    "Metric",
    "Parameter",
    "Table",
    "find_extension",
    "installed_names",
]
