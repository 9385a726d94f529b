"""`easymtl serve` in a process of its own, which REST and gRPC share."""

import os
import re
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import IO
from urllib.parse import unquote

from easymtl.errors import UserError
from easymtl.ways.address import Served

_REST = re.compile(r"^REST\s+(http://\S+)/v1/models/([^/\s]+):predict$", re.MULTILINE)
_GRPC = re.compile(r"^gRPC\s+([^,\s]+),", re.MULTILINE)
# The last line that it prints at its start.
_LAST = "curl "
_LIMITS = ("--timeout", "600", "--max_bytes", str(1 << 30))


class DeskServer:
    """Serves an export on free ports of this machine, from the first time it is asked for until it is closed."""

    def __init__(self) -> None:
        self._process: subprocess.Popen[str] | None = None
        self._errors: IO[bytes] | None = None
        self._of: Path | None = None
        self._served: Served | None = None

    def served(self, export: Path) -> Served:
        """Returns where an export is served.

        Raises:
            UserError: the server did not start.
        """
        if self._served is None or self._of != export:
            self.close()
            self._served, self._of = self._start(export), export
        return self._served

    def close(self) -> None:
        """Ends the server."""
        if self._process is not None:
            self._process.kill()
            self._process.communicate()
        if self._errors is not None:
            self._errors.close()
        self._process, self._errors, self._served = None, None, None

    def _start(self, export: Path) -> Served:
        command = [sys.executable, "-m", "easymtl", "serve", str(export), "--rest_port", "0", "--grpc_port", "0"]
        # It is closed with the server.
        self._errors = tempfile.TemporaryFile()  # noqa: SIM115
        # -m looks into the current folder first, and this process may have found easymtl elsewhere.
        paths = [str(Path(__file__).parents[2]), *filter(None, [os.environ.get("PYTHONPATH")])]
        self._process = subprocess.Popen(
            [*command, *_LIMITS],
            stdout=subprocess.PIPE,
            stderr=self._errors,
            text=True,
            encoding="utf-8",
            env={**os.environ, "PYTHONPATH": os.pathsep.join(paths), "PYTHONIOENCODING": "utf-8"},
        )
        assert self._process.stdout
        said = ""
        for line in self._process.stdout:
            said += line
            rest, grpc = _REST.search(said), _GRPC.search(said)
            if line.startswith(_LAST) and rest and grpc:
                return Served(f"{rest[1]}/v1/models/{rest[2]}", grpc[1], unquote(rest[2]))
        self._process.wait()
        self._errors.seek(0)
        raise UserError(f"easymtl serve did not start:\n{self._errors.read().decode(errors='replace')[-2000:]}")
