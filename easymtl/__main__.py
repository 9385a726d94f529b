"""`python -m easymtl` is `easymtl`."""

from easymtl.cli import program

program()
