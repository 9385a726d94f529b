"""Generated documents: written with `--out`, and with `--check` compared with the file that is there."""

import argparse
import sys
from collections.abc import Callable, Sequence
from pathlib import Path


def publish(module: str, make: Callable[[], str], arguments: Sequence[str] | None = None) -> int:
    """Writes a document, or with `--check` tells whether its file is current; returns the exit code.

    Args:
        module: what `python -m` runs to write it.
        make: returns its text.
        arguments: those of the command line by default.
    """
    parser = argparse.ArgumentParser(prog=f"python -m {module}")
    parser.add_argument("--out", type=Path, required=True, help="the Markdown file")
    parser.add_argument("--check", action="store_true", help="write nothing; fail when the file is not current")
    flags = parser.parse_args(arguments)
    text = make()
    if not flags.check:
        flags.out.write_text(text, encoding="utf-8")
        return 0
    if flags.out.exists() and flags.out.read_text(encoding="utf-8") == text:
        return 0
    print(f"{flags.out} is not current. Run: python -m {module} --out {flags.out}", file=sys.stderr)
    return 1


def table_row(cells: Sequence[str]) -> str:
    """Returns a row of a Markdown table."""
    return "| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |"
