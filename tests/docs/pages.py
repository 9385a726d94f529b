"""What pages of the documentation hold: links, anchors, fragments of configs, and commands.

A command is a line of a block of code, indented or fenced, that begins with the name of a program. Those of easymtl
behind the comment `<!-- run -->` are run in their order, see `tests/docs/running.py`. What they need is made before:

    <!-- run with x.config -->                    a config, the first whole one of the page or that of the quick start
    <!-- run with wider.config of x.config -->    a config that is another one with a small change
    <!-- run with x.parquet -->                   rows
    <!-- run after training with x.config -->     a config that is trained
    <!-- run after training with x.config in runs/a, runs/b -->    the same, with copies of its model_dir
"""

import re
import shlex
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parents[2]
DOCS = ROOT / "docs"
# What is for readers, and not only below docs/.
PAGES = sorted(
    [
        *DOCS.rglob("*.md"),
        *(ROOT / name for name in ("README.md", "CHANGELOG.md", "CONTRIBUTING.md", "SECURITY.md", "samples/README.md")),
    ]
)
_FENCE = re.compile(r"^(`{3,})\s*([\w+-]*)[^\n]*\n(.*?)^\1\s*?$", re.MULTILINE | re.DOTALL)
_LINK = re.compile(r"(?<!`)\]\(([^()\s]+)\)")
_HEADING = re.compile(r"^#{1,6} (.+?)\s*#*$", re.MULTILINE)
_COMMENT = re.compile(r"<!-- run( after training)?(?: with ([^>]+?))?(?: in ([^>]+?))? -->\s*\Z")
PROGRAMS = ("easymtl", "make", "python", "pip", "sh", "docker", "curl", "kubectl", "sbatch", "srun")
"""What a command may begin with."""

# What ends a command for a shell.
_ENDS = {"|", "||", "&&", ";", ">", ">>", "2>", "<", "&"}


def name_of(page: Path) -> str:
    """Returns the path of a page below the root of the repository."""
    return page.relative_to(ROOT).as_posix()


def text_of(page: Path) -> str:
    """Returns the text of a page."""
    return page.read_text(encoding="utf-8")


def prose(text: str) -> str:
    """Returns the text of a page without its blocks of code and its code within lines."""
    return re.sub(r"`[^`\n]+`", "``", _FENCE.sub("", text))


def links(text: str) -> list[str]:
    """Returns what a page links to within the repository."""
    found = _LINK.findall(prose(text))
    return [link for link in found if not re.match(r"[a-z]+:", link)]


def anchors(text: str) -> set[str]:
    """Returns the anchors of the headings of a page, as GitHub and the site make them."""
    found: set[str] = set()
    for heading in _HEADING.findall(_FENCE.sub("", text)):
        plain = re.sub(r"\[([^]]*)\]\([^)]*\)", r"\1", heading)
        anchor = re.sub(r"[^\w\- ]", "", plain.lower()).replace(" ", "-")
        # The second one of a name has a number behind it, which one tool writes in another way than the other.
        found.add(anchor) if anchor not in found else None
    return found


def fragments(text: str, language: str = "protobuf") -> list[str]:
    """Returns the fenced blocks of a language."""
    return [block for _, found, block in _FENCE.findall(text) if found == language]


@dataclass(frozen=True)
class Block:
    """A block of code.

    Attributes:
        text: of it.
        is_run: whether its commands are run by a test.
        files: that are written before: configs and rows.
        is_trained: whether the first of them is trained before.
        folders: copies of its model_dir.
    """

    text: str
    is_run: bool = False
    files: tuple[str, ...] = ()
    is_trained: bool = False
    folders: tuple[str, ...] = ()


def blocks(text: str) -> Iterator[Block]:
    """Yields the fenced and the indented blocks of a page in their order."""
    end = 0
    for fence in _FENCE.finditer(text):
        yield from _indented(text[end : fence.start()])
        yield _block(fence[3], text[end : fence.start()])
        end = fence.end()
    yield from _indented(text[end:])


def _indented(text: str) -> Iterator[Block]:
    for found in re.finditer(r"(?:^ {4}.*\n?)+", text, re.MULTILINE):
        yield _block(re.sub(r"^ {4}", "", found[0], flags=re.MULTILINE), text[: found.start()])


def _block(code: str, before: str) -> Block:
    comment = _COMMENT.search(before)
    if comment is None:
        return Block(code)
    return Block(code, True, _names(comment[2]), comment[1] is not None, _names(comment[3]))


def _names(text: str | None) -> tuple[str, ...]:
    return tuple(text.split(", ")) if text else ()


def whole_config(text: str) -> str:
    """Returns the first whole config of a page, or that of the quick start."""
    own = [found for found in fragments(text) if "model_config {" in found and "data_config {" in found]
    own = [found for found in own if "train_input_path" in found]
    return own[0] if own else fragments(text_of(DOCS / "quick-start.md"))[0]


def commands(text: str, program: str = "easymtl") -> list[list[str]]:
    """Returns the words of each command of a program in a block of code or a script."""
    lines = re.sub(r"\\\n\s*", " ", text).splitlines()
    # What a command prints begins with its name, too: `easymtl train: ...`.
    found = (re.sub(r"^\$ ", "", line) for line in lines)
    return [_words(line) for line in found if re.match(rf"{program} [^ ]*[^ :](?: |$)", line)]


def _words(line: str) -> list[str]:
    words = shlex.split(line, comments=True)
    return words[: next((place for place, word in enumerate(words) if word in _ENDS), len(words))]


def commands_of(page: Path, program: str = "easymtl") -> list[list[str]]:
    """Returns the words of each command of a program on a page."""
    return [words for block in blocks(text_of(page)) for words in commands(block.text, program)]
