"""easymtl: multi-task ranking models from a text config."""

__version__ = "0.1.0"
