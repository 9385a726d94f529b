"""What the site has beyond the pages of docs/: the files of the repository that pages link to, and the notebook.

A page may link to any file of the repository, as on the host of its code. Such a file becomes a page of the site, under
its own path; so the site is whole without a network. MkDocs calls the functions that begin with `on_`.
"""

import json
import os
import posixpath
import re
from collections.abc import Iterable, Iterator
from pathlib import Path

from mkdocs.structure.files import File, Files

ROOT = Path(__file__).resolve().parents[2]
DOCS = "docs"
# Pages of the repository's top folder that the site has whether or not anything links to them.
ALWAYS = ("CHANGELOG.md", "CONTRIBUTING.md", "SECURITY.md", "samples/README.md")
_OVERVIEW = "overview.md"
LINK = re.compile(r"(\]\()([^()\s#:]+)((?:#[^()\s]*)?\))")
LANGUAGES = {".py": "python", ".proto": "protobuf", ".config": "protobuf", ".sh": "sh", ".json": "json", ".c": "c"}


def on_config(config):
    """Writes out the folders of the navigation, and leaves out what is still to come."""
    named = set(_names(config["nav"]))
    config["nav"] = _expanded(config["nav"], named)
    return config


def _names(nav: Iterable) -> Iterator[str]:
    for item in nav:
        if isinstance(item, str):
            yield item
        else:
            for inner in item.values():
                yield from _names([inner] if isinstance(inner, str) else inner)


def _expanded(nav: list, named: set[str]) -> list:
    """Returns a navigation in which each name is a page that there is."""
    found: list = []
    for item in nav:
        if isinstance(item, dict):
            inner = {title: _expanded(pages, named) for title, pages in item.items()}
            found += [inner] if any(inner.values()) else []
        elif item.endswith("/*"):
            pages = sorted(path.relative_to(ROOT / DOCS).as_posix() for path in (ROOT / DOCS).glob(f"{item}.md"))
            found += [page for page in pages if page not in named]
        elif (ROOT / DOCS / item).is_file() or item in ALWAYS:
            found.append(page_of(f"{DOCS}/{item}" if (ROOT / DOCS / item).is_file() else item))
    return found


def on_files(files: Files, config) -> Files:
    """Adds the pages of files that are linked to, and of those that those link to."""
    waiting = [f"{DOCS}/{file.src_uri}" for file in files if file.src_uri.endswith(".md")]
    waiting += [*ALWAYS, *(f"{DOCS}/{path.name}" for path in (ROOT / DOCS).glob("*.ipynb"))]
    known = set(waiting)
    for path in waiting:
        if not path.startswith(f"{DOCS}/") or path.endswith(".ipynb"):
            files.append(File.generated(config, page_of(path), content=as_page(path)))
        if path.endswith(".md"):
            new = {target for target in targets(path) if not target.startswith(f"{DOCS}/")} - known
            waiting += sorted(new)
            known |= new
    return files


def on_page_markdown(markdown: str, page, config, files) -> str:
    """Turns links to files of the repository into links to their pages."""
    own = page.file.src_uri
    paths = own, f"{DOCS}/{own}", own.replace(f"/{_OVERVIEW}", "/README.md")
    path = next((path for path in paths if (ROOT / path).is_file()), "")
    return linked(markdown, path, own) if path.endswith(".md") else markdown


def linked(markdown: str, path: str, own: str) -> str:
    """Returns the text of a page with its links as the site needs them.

    Args:
        markdown: the text.
        path: the file that it is of, below the root of the repository.
        own: the page of it, below that of the site.
    """

    def link(found: re.Match) -> str:
        target = resolved(path, found[2])
        if target is None:
            return found[0]
        return f"{found[1]}{posixpath.relpath(page_of(target), posixpath.dirname(own) or '.')}{found[3]}"

    return LINK.sub(link, markdown)


def targets(path: str) -> set[str]:
    """Returns the files and folders of the repository that a page links to."""
    text = (ROOT / path).read_text(encoding="utf-8")
    return {target for _, link, _ in LINK.findall(text) if (target := resolved(path, link))}


def resolved(path: str, link: str) -> str | None:
    """Returns what a link of a file leads to, below the root of the repository; None where there is nothing."""
    target = posixpath.normpath(posixpath.join(posixpath.dirname(path), link))
    return target if not target.startswith("..") and (ROOT / target).exists() else None


def page_of(path: str) -> str:
    """Returns the page of a file or folder of the repository, below the root of the site."""
    if path.startswith(f"{DOCS}/"):
        inner = path.removeprefix(f"{DOCS}/")
        return f"{inner.removesuffix('.ipynb')}.md" if inner.endswith(".ipynb") else inner
    if path == "README.md":
        return "index.md"
    # A page that is called README would be that of its section.
    return path.replace("/README.md", f"/{_OVERVIEW}") if path.endswith(".md") else f"{path}.md"


def as_page(path: str) -> str:
    """Returns the Markdown of a file or folder that is no page of docs/."""
    file = ROOT / path
    title = f"---\nsearch:\n  exclude: true\n---\n\n# {path}\n\n"
    if file.is_dir():
        return title + "\n".join(f"- `{name}`" for name in sorted(os.listdir(file)) if not name.startswith(("_", ".")))
    text = file.read_text(encoding="utf-8")
    if path.endswith(".ipynb"):
        return notebook(text)
    if path.endswith(".md"):
        return text
    return f"{title}````{LANGUAGES.get(file.suffix, 'text')}\n{text.rstrip()}\n````\n"


def notebook(text: str) -> str:
    """Returns a notebook as Markdown: its text, its code, and what that has given when it was run."""
    return "\n\n".join(part for cell in json.loads(text)["cells"] for part in _cell(cell)) + "\n"


def _cell(cell: dict) -> Iterator[str]:
    source = "".join(cell["source"])
    if cell["cell_type"] != "code":
        yield source
        return
    yield f"````python\n{source}\n````"
    for output in cell.get("outputs", ()):
        data = output.get("data", {})
        if "image/png" in data:
            yield f'<img alt="" src="data:image/png;base64,{"".join(data["image/png"]).strip()}">'
        elif "image/svg+xml" in data:
            yield "".join(data["image/svg+xml"])
        elif "text/html" in data:
            yield "".join(data["text/html"])
        else:
            shown = "".join(output.get("text", data.get("text/plain", "")))
            yield f"````text\n{shown.rstrip()}\n````" if shown else ""
