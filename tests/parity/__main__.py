"""`make parity`: a table of all golden cases below a folder; the exit code is 1 when one has failed.

    python -m tests.parity [FOLDER] [CASE ...]

FOLDER is tests/data/easyrec_golden unless named; CASE is the beginning of a case's name.
"""

import sys
from collections.abc import Sequence
from pathlib import Path

from easymtl.api.tensorflow_start import start_tensorflow

_GOLDEN = Path(__file__).parents[1] / "data" / "easyrec_golden"


def main(arguments: Sequence[str]) -> int:
    """Prints the table and returns the exit code."""
    start_tensorflow()
    from tests.parity.table import print_table

    return print_table(Path(arguments[0]) if arguments else _GOLDEN, tuple(arguments[1:]) or ("",))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
