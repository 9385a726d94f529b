"""What was looked at, and how it is."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass

OK, NOTE, BROKEN = "ok", "note", "broken"


@dataclass(frozen=True)
class Finding:
    """One thing that was looked at.

    Attributes:
        name: of the thing.
        text: how it is.
        standing: `ok`, `note` (works, and could be better), or `broken`.
        advice: what to do, or empty.
    """

    name: str
    text: str
    standing: str = OK
    advice: str = ""


def looked_at(name: str, look: Callable[[], Iterable[Finding]]) -> list[Finding]:
    """Returns findings; a look that fails is one itself, so that one broken thing does not hide the others."""
    found: list[Finding] = []
    try:
        found.extend(look())
    except Exception as error:
        text = f"could not be looked at: {type(error).__name__}: {error}"
        found.append(Finding(name, text, BROKEN, "Mend what else is broken; then install easymtl anew."))
    return found
