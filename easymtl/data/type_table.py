"""Writes the table of types into docs/guides/data.md, from the table that the reader goes by.

python -m easymtl.data.type_table --out docs/guides/data.md [--check]
"""

import sys
from pathlib import Path

from easymtl.config.documents import publish, table_row
from easymtl.data.column_types import KINDS
from easymtl.data.fields import TYPE_NAMES

MODULE = "easymtl.data.type_table"
GUIDE = Path(__file__).parents[2] / "docs" / "guides" / "data.md"
_BEGIN, _END = f"<!-- begin of what python -m {MODULE} writes -->\n", "<!-- end -->\n"


def type_table() -> str:
    """Returns a Markdown table of what each kind of file types becomes as each declared type."""
    names = [name for name in TYPE_NAMES.values() if name != "STRING"]
    lines = [table_row(["In the file", *names, "STRING"]), table_row(["---"] * (len(names) + 2))]
    types = {name: kind for kind, name in TYPE_NAMES.items()}
    for kind in KINDS:
        cells = [kind.says.get(types[name], "no") for name in names]
        lines.append(table_row([kind.name, *cells, kind.text or "no"]))
    items = "its items as text, with the separator of the feature between them: see Lists"
    lines.append(table_row(["list of any of these", *["no"] * len(names), items]))
    steps = "of a SequenceFeature with seq_multi_sep: steps and items as text, with its two separators between them"
    lines.append(table_row(["list of lists of any of these", *["no"] * len(names), steps]))
    lines.append(table_row(["struct, map, list of structs", *["no"] * (len(names) + 1)]))
    return "\n".join(lines) + "\n"


def guide(path: Path = GUIDE) -> str:
    """Returns the guide with the table as it is now."""
    text = path.read_text(encoding="utf-8")
    before, begin, rest = text.partition(_BEGIN)
    _, end, after = rest.partition(_END)
    assert begin and end, f"{path} has lost the lines between which the table of types stands"
    return f"{before}{begin}{type_table()}{end}{after}"


def main(arguments: list[str] | None = None) -> int:
    """Writes the guide, or with `--check` tells whether its table is current; returns the exit code."""
    return publish(MODULE, guide, arguments)


if __name__ == "__main__":
    sys.exit(main())
