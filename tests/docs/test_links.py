"""Every link of every page leads somewhere, and every page is one of the site."""

import importlib.util
import re
from pathlib import Path

import pytest

from tests.docs.pages import DOCS, PAGES, ROOT, anchors, links, name_of, prose, text_of

ANCHORS = {page: anchors(text_of(page)) for page in PAGES}


def broken(page: Path) -> list[str]:
    """Returns the links of a page that lead nowhere."""
    found = []
    for link in links(text_of(page)):
        path, _, anchor = link.partition("#")
        target = (page.parent / path).resolve() if path else page
        is_page = target in ANCHORS
        if not target.exists() or (anchor and (not is_page or anchor not in ANCHORS[target])):
            found.append(link)
    return found


@pytest.mark.parametrize("page", PAGES, ids=name_of)
def test_links_lead_somewhere(page):
    assert broken(page) == []


@pytest.mark.parametrize("page", PAGES, ids=name_of)
def test_a_list_stands_apart_from_the_paragraph_above(page):
    # Otherwise the site takes it for a part of the paragraph.
    text = prose(text_of(page))
    assert re.findall(r"^(?![-*|>#\s]|\d+\. ).+\n[-*] .+", text, re.MULTILINE) == []


@pytest.mark.parametrize("link", ["../no_such.md", "#no-such", "quick-start.md#no-such", "images"])
def test_what_leads_nowhere_is_found(tmp_path, monkeypatch, link):
    page = tmp_path / "page.md"
    page.write_text(f"# A heading\n\n[a]({link}) [b](#a-heading) `[c](nowhere)`\n\n```\n[d](nowhere)\n```\n")
    (tmp_path / "quick-start.md").write_text("# Quick start\n")
    monkeypatch.setitem(ANCHORS, page, anchors(text_of(page)))
    monkeypatch.setitem(ANCHORS, tmp_path / "quick-start.md", {"quick-start"})
    assert broken(page) == [link]


def test_anchors_are_those_of_github():
    text = "# Two words\n## `a_field` & more\n## [Link](x.md): 2\n```\n# no heading\n```\n"
    assert anchors(text) == {"two-words", "a_field--more", "link-2"}


@pytest.fixture(scope="module")
def hooks():
    pytest.importorskip("mkdocs")
    found = importlib.util.spec_from_file_location("site_hooks", DOCS / ".site/hooks.py")
    module = importlib.util.module_from_spec(found)
    found.loader.exec_module(module)
    return module


@pytest.fixture(scope="module")
def nav(hooks):
    from mkdocs.config import load_config

    return hooks.on_config(load_config(str(ROOT / "mkdocs.yml")))["nav"]


def test_every_page_is_in_the_navigation_once(hooks, nav):
    named = list(hooks._names(nav))
    assert len(set(named)) == len(named)
    pages = {path.relative_to(DOCS).as_posix() for path in DOCS.rglob("*.md")}
    assert pages - set(named) == set()
    assert set(named) - pages <= {*map(hooks.page_of, hooks.ALWAYS), "tutorial.md"}


def test_links_to_files_of_the_repository_become_links_to_their_pages(hooks):
    text = (
        "[a](../../easymtl/models) [b](data.md#x) [c](https://x.org/y) [d](../../samples/README.md#the-tour) [e](no.md)"
    )
    expected = (
        "[a](../easymtl/models.md) [b](data.md#x) [c](https://x.org/y) [d](../samples/overview.md#the-tour) [e](no.md)"
    )
    assert hooks.linked(text, "docs/guides/page.md", "guides/page.md") == expected
    assert hooks.linked("[a](docs/config.md) [b](README.md)", "CHANGELOG.md", "CHANGELOG.md") == (
        "[a](config.md) [b](index.md)"
    )


def test_a_notebook_becomes_a_page(hooks):
    import json

    cells = [
        {"cell_type": "markdown", "source": ["# A title\n", "text"]},
        {
            "cell_type": "code",
            "source": ["1 + 1"],
            "outputs": [
                {"output_type": "execute_result", "data": {"text/plain": ["2"]}},
                {"output_type": "stream", "text": ["said\n"]},
                {"output_type": "display_data", "data": {"image/png": "AAAA\n", "text/plain": ["<Figure>"]}},
                {"output_type": "display_data", "data": {"image/svg+xml": ["<svg/>"], "text/plain": ["<Figure>"]}},
                {"output_type": "execute_result", "data": {"text/html": ["<p>", "3</p>"], "text/plain": ["3"]}},
            ],
        },
    ]
    assert hooks.notebook(json.dumps({"cells": cells})) == (
        "# A title\ntext\n\n````python\n1 + 1\n````\n\n````text\n2\n````\n\n````text\nsaid\n````\n\n"
        '<img alt="" src="data:image/png;base64,AAAA">\n\n<svg/>\n\n<p>3</p>\n'
    )


def test_the_readme_is_short_and_has_a_picture_near_its_top():
    lines = text_of(ROOT / "README.md").splitlines()
    assert len(lines) < 150
    (place,) = [number for number, line in enumerate(lines) if line.startswith("![")]
    assert place < 15
    assert (ROOT / lines[place].partition("](")[2].rstrip(")")).stat().st_size > 1000
