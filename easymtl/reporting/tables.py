"""Tables that every command prints: metrics by task, oddities by column, names with values."""

from collections.abc import Iterable, Mapping, Sequence

from rich import box
from rich.console import Console
from rich.measure import Measurement
from rich.table import Table
from rich.text import Text

from easymtl.reporting.formats import counted, number_text, percent_text
from easymtl.reporting.names import by_tower, without_tower
from easymtl.reporting.streams import hanging
from easymtl.reporting.terminal import open_terminal, print_line

_UNLIMITED = 10_000


def make_table(headers: Sequence[str], rows: Iterable[Sequence[str]], num_left: int = 1) -> Table:
    """Returns a table; its first `num_left` columns are texts, the others numbers."""
    table = Table(box=box.SIMPLE_HEAD, show_edge=False, pad_edge=False, header_style="bold")
    for index, header in enumerate(headers):
        is_text = index < num_left
        table.add_column(header, justify="left" if is_text else "right", overflow="fold", no_wrap=not is_text)
    for row in rows:
        table.add_row(*(Text(cell) for cell in row))
    return table


def print_table(terminal: Console, headers: Sequence[str], rows: Iterable[Sequence[str]], num_left: int = 1) -> None:
    """Prints a table; where the terminal is too narrow for one, its rows below each other, a line for each cell."""
    rows = [list(row) for row in rows]
    table = make_table(headers, rows, num_left)
    if fits(terminal, table) or _breaks_no_word(terminal, table, [headers, *rows]):
        terminal.print(table)
        return
    width = max(Text(header).cell_len for header in headers[1:]) if len(headers) > 1 else 0
    for first, *cells in rows:
        print_line(terminal, first, "bold")
        for header, cell in zip(headers[1:], cells):
            if cell:
                print_named(terminal, f"  {header}", cell, width + 2)


def print_named(terminal: Console, name: str, value: str, width: int) -> None:
    """Prints a name, filled up to a width, and its value; in a terminal what goes on stands below the value."""
    text = f"{name}{' ' * (width - Text(name).cell_len)}  {value}"
    if terminal.is_terminal:
        indent = " " * (width + 2 if width < terminal.width // 2 else 4)
        # Each line is whole already, and is not indented once more.
        for line in hanging(text, terminal.width, indent).split("\n"):
            terminal.print(Text(line), soft_wrap=True)
        return
    print_line(terminal, text)


def _breaks_no_word(terminal: Console, table: Table, rows: Iterable[Sequence[str]]) -> bool:
    """Returns whether all words of all cells are whole in a table that has to break its lines."""
    lines = terminal.render_lines(table, pad=False)
    printed = {word for line in lines for word in "".join(segment.text for segment in line).split()}
    return all(word in printed for row in rows for cell in row for word in cell.split())


def fits(terminal: Console, table: Table) -> bool:
    """Returns whether a table can be printed without breaking a cell."""
    unlimited = terminal.options.update(width=_UNLIMITED)
    return Measurement.get(terminal, unlimited, table).maximum <= terminal.width


def print_metrics(
    metrics: Mapping[str, float],
    towers: Sequence[str],
    terminal: Console | None = None,
    title: str = "",
    warnings: Sequence[str] = (),
) -> None:
    """Prints an evaluation: a row per task, a column per metric; in a narrow terminal a row per result.

    Args:
        metrics: `<metric>_<tower>`, each loss by name, and what belongs to no task, such as `loss`.
        towers: names of the towers, in the order of the rows.
        terminal: where to; standard output by default.
        title: the line above.
        warnings: lines below.
    """
    terminal = terminal or open_terminal()
    if title:
        print_line(terminal, title, "bold")
    results = {tower: found for tower, found in by_tower(metrics, towers).items() if found}
    if results:
        table = _wide(results)
        if fits(terminal, table):
            terminal.print(table)
        else:
            _print_long(results, terminal)
    others = without_tower(metrics, towers)
    if others:
        print_line(terminal, "  ".join(f"{name} {number_text(value)}" for name, value in others.items()))
    for warning in warnings:
        print_line(terminal, f"Warning: {warning}", "yellow")


def _columns(results: Mapping[str, Mapping[str, float]]) -> list[str]:
    names = dict.fromkeys(name for found in results.values() for name in found if name != "loss")
    return [*names, "loss"] if any("loss" in found for found in results.values()) else [*names]


def _wide(results: Mapping[str, Mapping[str, float]]) -> Table:
    columns = _columns(results)
    rows = (
        [tower, *(number_text(found[name]) if name in found else "" for name in columns)]
        for tower, found in results.items()
    )
    return make_table(["task", *columns], rows)


def _print_long(results: Mapping[str, Mapping[str, float]], terminal: Console) -> None:
    rows = [[tower, name, number_text(value)] for tower, found in results.items() for name, value in found.items()]
    table = make_table(["task", "metric", "value"], rows, num_left=2)
    if fits(terminal, table):
        terminal.print(table)
        return
    for tower, found in results.items():
        print_line(terminal, tower, "bold")
        key_values({f"  {name}": value for name, value in found.items()}, terminal)


def key_values(values: Mapping[str, object], terminal: Console | None = None, title: str = "") -> None:
    """Prints names with their values below each other; integers with separators, floats with five digits."""
    terminal = terminal or open_terminal()
    if title:
        print_line(terminal, title, "bold")
    width = max((Text(name).cell_len for name in values), default=0)
    for name, value in values.items():
        print_named(terminal, name, _value_text(value), width)


def _value_text(value: object) -> str:
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        return str(value)
    return f"{value:,}" if isinstance(value, int) else number_text(value)


def print_counts(
    counts: Mapping[str, Mapping[str, int]],
    num_rows: int | None = None,
    skipped_rows: int = 0,
    terminal: Console | None = None,
) -> None:
    """Prints what was odd in the data; nothing when there was nothing.

    Args:
        counts: feature -> kind of oddity -> rows.
        num_rows: rows in all, to give shares of them.
        skipped_rows: rows that did not parse.
        terminal: where to; standard output by default.
    """
    terminal = terminal or open_terminal()
    odd = {name: {kind: n for kind, n in kinds.items() if n} for name, kinds in counts.items()}
    kinds = list(dict.fromkeys(kind for found in odd.values() for kind in found))
    if kinds:
        rows = ([name, *(_count(found.get(k, 0), num_rows) for k in kinds)] for name, found in odd.items() if found)
        print_table(terminal, ["feature", *(kind.replace("_", " ") for kind in kinds)], rows)
    if skipped_rows:
        print_line(terminal, f"Skipped {counted(skipped_rows, 'row')} that could not be parsed.", "yellow")


def _count(number: int, num_rows: int | None) -> str:
    if not number:
        return ""
    return f"{number:,} ({percent_text(number / num_rows)})" if num_rows else f"{number:,}"
