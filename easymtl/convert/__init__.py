"""Configs of TorchEasyRec become configs of easymtl, with a report of what has no counterpart; no TensorFlow."""

from easymtl.convert.conversion import Conversion, convert

__all__ = ["Conversion", "convert"]
