"""Data sets made up from a hidden model, so that the best reachable quality is known."""

from easymtl.synth.reachable import best_reachable
from easymtl.synth.writing import DATA_SETS, FORMATS, HISTORIES, default_folder, read_batches, total_rows, write

__all__ = [
    "DATA_SETS",
    "FORMATS",
    "HISTORIES",
    "best_reachable",
    "default_folder",
    "read_batches",
    "total_rows",
    "write",
]
