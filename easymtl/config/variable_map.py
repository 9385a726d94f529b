"""The file of `fine_tune_ckpt_var_map`: which variable of a checkpoint a weight starts from."""

from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class MapLine:
    """One line of the file.

    Attributes:
        where: the file and the number of the line, as messages show it.
        name: of the weight in the model.
        there: its name in the checkpoint.
    """

    where: str
    name: str
    there: str


def read_variable_map(path: str) -> tuple[list[MapLine], list[str]]:
    """Returns the lines of a map, and what is wrong with it: sentences that begin with the file and the line.

    A line holds the name of a weight in the model and that in the checkpoint, with blanks between them.
    """
    if Path(path).exists() and not Path(path).is_file():
        return [], [f"{path}: the map of variables is a folder, a pipe or a device, and no file."]
    try:
        text = Path(path).read_bytes().decode("utf-8-sig")
    except OSError as error:
        return [], [f"{path}: the map of variables cannot be read: {error.strerror}."]
    except UnicodeDecodeError:
        return [], [f"{path}: this is no UTF-8 text. A map of variables has two names in each line."]
    lines: list[MapLine] = []
    problems: list[str] = []
    first: dict[str, str] = {}
    for number, line in enumerate(text.splitlines(), start=1):
        where, words = f"{path}:{number}", line.split()
        if not words:
            continue
        if len(words) != 2:
            problems.append(f'{where}: "{line.strip()}" is not the name of a weight and its name in the checkpoint.')
        elif words[0] in first:
            problems.append(f'{where}: "{words[0]}" is mapped in {first[words[0]]} already; remove one of the lines.')
        else:
            first[words[0]] = where
            lines.append(MapLine(where, *words))
    if not lines and not problems:
        problems.append(
            f"{path}: the map of variables is empty: each line has a weight's name and that in the checkpoint."
        )
    return lines, problems
