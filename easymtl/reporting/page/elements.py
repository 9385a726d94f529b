"""Elements of a page: a tree and not joined text, so that what data and configs bring is escaped, whatever it is."""

import re
from collections.abc import Iterable, Sequence
from datetime import datetime
from pathlib import Path
from typing import TypeAlias
from xml.etree import ElementTree

from easymtl import __version__

Element: TypeAlias = ElementTree.Element
Child: TypeAlias = "Element | str | Iterable[Child] | None"

_UNPRINTABLE = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f\ud800-\udfff\ufffe\uffff]")
_STYLE = Path(__file__).with_name("style.css")
_POLICY = "default-src 'none'; style-src 'unsafe-inline'"
"""A browser loads nothing and runs nothing, even if some text were no text."""


def tag(name: str, *children: Child, **attributes: object) -> Element:
    """Returns an element.

        tag("td", "12 %", class_="number")    # <td class="number">12 %</td>

    Args:
        name: of the element.
        children: elements, texts, None for nothing, and lists of these.
        attributes: `_` stands for `-`, a last one for nothing; numbers are rounded, None and False left out.
    """
    element = ElementTree.Element(name)
    for key, value in attributes.items():
        if value is not None and value is not False:
            element.set(key.rstrip("_").replace("_", "-"), _text(value))
    _append(element, children)
    return element


def _append(element: Element, children: Iterable[Child]) -> None:
    for child in children:
        if isinstance(child, str):
            text = _text(child)
            if len(element):
                element[-1].tail = (element[-1].tail or "") + text
            else:
                element.text = (element.text or "") + text
        elif isinstance(child, ElementTree.Element):
            element.append(child)
        elif child is not None:
            _append(element, child)


def _text(value: object) -> str:
    if value is True:
        return ""
    if isinstance(value, float):
        return f"{value:.2f}".rstrip("0").rstrip(".")
    return _UNPRINTABLE.sub("\ufffd", str(value))


def section(title: str, *children: Child, note: str = "", id_: str = "") -> Element:
    """Returns a part of the page with a heading."""
    return tag("section", tag("h2", title), tag("p", note, class_="note") if note else None, *children, id_=id_ or None)


def table(headers: Sequence[Child], rows: Iterable[Sequence[Child]], num_left: int = 1, class_: str = "") -> Element:
    """Returns a table that scrolls by itself where it is too wide; its first `num_left` columns are texts."""

    def cells(kind: str, row: Sequence[Child]) -> list[Element]:
        return [tag(kind, cell, class_="number" if place >= num_left else None) for place, cell in enumerate(row)]

    head = tag("thead", tag("tr", cells("th", headers)))
    body = tag("tbody", [tag("tr", cells("td", row)) for row in rows])
    return tag("div", tag("table", head, body, class_=class_ or None), class_="scroll")


def folded(title: str, *children: Child, is_open: bool = False) -> Element:
    """Returns what is shown when its title is clicked, and in print always."""
    return tag("details", tag("summary", title), *children, open=is_open)


def framed(name: str, kind: str, sections: Iterable[Element | None]) -> str:
    """Returns a page as text of HTML: a heading, what is where, and the parts of it that there are.

    Args:
        name: of what the page is about.
        kind: of the page, for its head and the title of the window.
        sections: the parts, None for one that has nothing to show.
    """
    shown = [one for one in sections if one is not None]
    made = f"{kind.capitalize()} by easymtl {__version__}, {datetime.now():%Y-%m-%d %H:%M}"
    head = tag("header", tag("h1", name), tag("p", made, class_="note"))
    links = [tag("a", one.findtext("h2") or "", href=f"#{one.get('id')}") for one in shown]
    return document(f"{name}: {kind}", head, tag("nav", links, aria_label="contents"), shown)


def marked(lines: Iterable[str]) -> list[Child]:
    """Returns the lines of a diff, without its head, with what is new and what is gone marked."""
    kinds = {"+": "ins", "-": "del"}
    return [
        tag(kinds[line[0]], line)
        if line[0] in kinds
        else tag("span", line, class_="at")
        if line[0] == "@"
        else f"{line}\n"
        for line in lines
        if line
    ]


def document(title: str, *children: Child) -> str:
    """Returns a page as text of HTML, with its style in it."""
    head = tag(
        "head",
        tag("meta", charset="utf-8"),
        tag("meta", name_="viewport", content="width=device-width, initial-scale=1"),
        tag("meta", http_equiv="Content-Security-Policy", content=_POLICY),
        tag("meta", name_="color-scheme", content="light dark"),
        tag("title", title),
        tag("style", _STYLE.read_text(encoding="utf-8")),
    )
    page = tag("html", head, tag("body", tag("main", *children)), lang="en")
    return f"<!doctype html>\n{ElementTree.tostring(page, encoding='unicode', method='html')}\n"
