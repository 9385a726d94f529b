"""The command line: arguments to one verb.

Nothing heavy is imported before it is needed: `easymtl --help` and `easymtl check` answer without TensorFlow.
"""

from easymtl.cli.commands import build_parser
from easymtl.cli.program import program
from easymtl.cli.run import main

__all__ = ["build_parser", "main", "program"]
