"""Runs a command with a limit of memory for each of its processes, and tells what each of them had at its peak."""

import json
import re
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from benchmarks.cost import descendants
from benchmarks.processes import peak_bytes
from easymtl.peers.cluster import VARIABLE

_PROCESSES = Path("/proc")
_DATA = re.compile(r"^VmData:\s+(\d+) kB$", re.MULTILINE)
_OWN = re.compile(r"^RssAnon:\s+(\d+) kB$", re.MULTILINE)
_SECONDS_BETWEEN_LOOKS = 0.05
_STACK_KIB = 2048
_PROOF = "reload.py"


@dataclass
class Process:
    """What one process had at its peak, in bytes.

    Attributes:
        title: what it did.
        resident: in memory, with what it had mapped of files (VmHWM).
        own: of these what is in no file, at the looks that were taken (RssAnon).
        data: what counts against `ulimit -d`, likewise (VmData).
    """

    title: str
    resident: int = 0
    own: int = 0
    data: int = 0


@dataclass(frozen=True)
class Ran:
    """What became of a command.

    Attributes:
        code: its exit code.
        text: what it printed.
        processes: it, and those that it started.
    """

    code: int
    text: str
    processes: Sequence[Process]


def easymtl_command(*words: str) -> list[str]:
    """Returns the command `easymtl <words>`, of this interpreter."""
    return [sys.executable, "-m", "easymtl", *words]


def ulimit(limit: int) -> str:
    """Returns the command of a shell behind which no process has more bytes of its own, see `run_bounded`."""
    return f"ulimit -s {_STACK_KIB} && ulimit -d {limit // 1024}"


def run_bounded(command: Sequence[str], limit: int | None = None) -> Ran:
    """Runs a command as a shell does behind `ulimit`, which holds for all processes that it starts, each by itself.

    Args:
        command: its words.
        limit: bytes that a process may have of its own; None for any number.
    """
    words = [*command] if limit is None else ["sh", "-c", f'{ulimit(limit)} && exec "$@"', "sh", *command]
    found: dict[int, Process] = {}
    with tempfile.TemporaryFile("w+", encoding="utf-8") as said:
        with subprocess.Popen(words, stdout=said, stderr=said) as process:
            while process.poll() is None:
                for number in descendants(process.pid):
                    _look(number, found)
                time.sleep(_SECONDS_BETWEEN_LOOKS)
        said.seek(0)
        return Ran(process.returncode, said.read(), list(found.values()))


def _look(number: int, found: dict[int, Process]) -> None:
    status = _read(number, "status")
    words = _read(number, "cmdline").split("\0")
    own, data = _OWN.search(status), _DATA.search(status)
    environ = _read(number, "environ")
    title = _title(words, environ)
    # One that is about to end has no environment any more, by which a worker is known.
    if not own or not data or not title or not environ:
        return
    if number not in found or found[number].title != title:
        # It was its parent until it became another program.
        found[number] = Process(title)
    one = found[number]
    one.resident = max(one.resident, peak_bytes(status) or 0)
    one.own = max(one.own, int(own[1]) * 1024)
    one.data = max(one.data, int(data[1]) * 1024)


def _title(words: Sequence[str], environ: str) -> str:
    """Returns what a process does, by how it was started; nothing of one that is not of easymtl, or has not begun."""
    if any(word.endswith(_PROOF) for word in words):
        return "proof of the export"
    if words[1:3] != ["-m", "easymtl"]:
        return ""
    verb = words[3]
    settings = [entry.partition("=")[2] for entry in environ.split("\0") if entry.startswith(f"{VARIABLE}=")]
    return f"{verb}, worker {json.loads(settings[0])['task']['index']}" if settings else verb


def _read(number: int, name: str) -> str:
    """Returns a file of a process, nothing if it has ended."""
    try:
        return (_PROCESSES / str(number) / name).read_text(encoding="utf-8", errors="replace")
    except OSError:
        return ""


def markdown(ran: Sequence[tuple[str, int | None, Ran]]) -> str:
    """Returns a table of all processes of some commands, with what they had at their peak.

    Args:
        ran: the words of each command, its limit, and what became of it.
    """
    lines = ["| Command | Process | Limit | Resident | of it in no file | Data |", "|---|---|---|---|---|---|"]
    for words, limit, one in ran:
        for process in one.processes:
            sizes = [f"{size / 1e9:.2f} GB" for size in (process.resident, process.own, process.data)]
            allowed = f"{limit / 1e9:g} GB" if limit else "-"
            lines.append(f"| `{words}` | {process.title} | {allowed} | {' | '.join(sizes)} |")
    return "\n".join(lines)
