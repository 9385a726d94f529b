"""A table of the parts that a config may name: those of easymtl, and behind them those of installed packages."""

from collections.abc import Callable, Mapping
from typing import Generic, TypeVar

from easymtl.extensions.installed import Extension, find_extension, installed_names, require_free

Row = TypeVar("Row")


class Table(dict[str, Row], Generic[Row]):
    """Rows of one kind of part by name.

    The dictionary itself holds easymtl's own rows. `table[name]` of another name is the row of an extension, which is
    made of its declaration.
    """

    def __init__(self, kind: str, rows: Mapping[str, Row], of_extension: Callable[[Extension], Row]):
        """Makes the table.

        Args:
            kind: `architecture`, `layer`, `loss` or `metric`.
            rows: of easymtl's own parts.
            of_extension: makes the row of an extension.
        """
        super().__init__(rows)
        self._kind, self._of_extension = kind, of_extension

    def __missing__(self, name: str) -> Row:
        """Returns the row of an extension.

        Raises:
            ExtensionError: there is none that works.
        """
        return self._of_extension(find_extension(self._kind, name, tuple(self)))

    def find(self, name: str) -> Row:
        """Returns the row of a name that a config has, which no package must have taken.

        Raises:
            ExtensionError: there is none, or it is not known what is meant.
        """
        require_free(self._kind, name, tuple(self))
        return self[name]

    @property
    def names(self) -> list[str]:
        """The names of all rows, those of installed packages behind easymtl's own."""
        return [*self, *(name for name in installed_names(self._kind) if name not in self)]
