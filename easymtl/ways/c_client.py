"""A client in C, compiled against the TensorFlow that is installed."""

import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO

import numpy as np
import tensorflow as tf

from easymtl.errors import UserError
from easymtl.server.signature import Signature
from easymtl.serving.reload import Arrays
from easymtl.ways.asking import ask_all
from easymtl.ways.way import Rows, Scores

_SOURCE = Path(__file__).with_name("client.c")
_LIBRARIES = ("libtensorflow_cc.so.2", "libtensorflow_framework.so.2")
_FIRST_PLAIN = ord(" ")


class C:
    """Compiles `samples/clients/c/client.c`, and has it score all signatures in one process."""

    name = "c"

    def absent(self) -> str | None:
        """Returns why it cannot be used."""
        if _compiler() is None:
            return "there is no compiler, neither gcc nor cc: install one, such as: apt-get install gcc libc6-dev"
        folder = Path(tf.sysconfig.get_lib())
        lost = [name for name in _LIBRARIES if not (folder / name).is_file()]
        return f"{folder / lost[0]} is not there, which TensorFlow's wheels for Linux bring" if lost else None

    def scores(self, export: Path, rows: Rows) -> Scores:
        """Returns the scores of all rows, by signature and by output."""
        with tempfile.TemporaryDirectory() as work:
            program = compile_client(Path(work))
            with _running(program, export) as client:
                return ask_all(export, rows, client.ask, most=0)


def compile_client(folder: Path) -> Path:
    """Compiles the client.

    Raises:
        UserError: the compiler fails.
    """
    tensorflow, program = tf.sysconfig.get_lib(), folder / "client"
    command = [
        *(str(_compiler()), "-O1", str(_SOURCE), "-o", str(program)),
        *(f"-I{tf.sysconfig.get_include()}", f"-L{tensorflow}", f"-Wl,-rpath,{tensorflow}"),
        *(f"-l:{name}" for name in _LIBRARIES),
    ]
    run = subprocess.run(command, capture_output=True, text=True, check=False)
    if run.returncode != 0:
        raise UserError(f"{_SOURCE} could not be compiled:\n{run.stderr[-2000:]}")
    return program


def _compiler() -> str | None:
    return shutil.which("gcc") or shutil.which("cc")


@contextmanager
def _running(program: Path, export: Path) -> Iterator["_Client"]:
    environment = {"TF_CPP_MIN_LOG_LEVEL": "3", **os.environ}
    with tempfile.TemporaryFile() as errors:
        process = subprocess.Popen(
            [str(program), str(export)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=errors,
            env=environment,
        )
        assert process.stdin and process.stdout
        try:
            yield _Client(process.stdin, process.stdout)
        except (BrokenPipeError, EOFError):
            process.wait()
            errors.seek(0)
            said = errors.read().decode(errors="replace")[-2000:]
            raise UserError(f"the client in C ended with {process.returncode}:\n{said}") from None
        finally:
            process.kill()
            process.communicate()


class _Client:
    """Sends requests, and reads the answers."""

    def __init__(self, requests: IO[bytes], answers: IO[bytes]):
        self._requests = requests
        self._answers = answers

    def ask(self, signature: Signature, inputs: Arrays) -> Arrays:
        """Returns the outputs of a signature.

        Raises:
            BrokenPipeError, EOFError: the client has ended.
        """
        self._requests.writelines(request_lines(signature, inputs))
        self._requests.flush()
        self._line()
        return dict(self._output() for _ in signature.outputs)

    def _line(self) -> bytes:
        line = self._answers.readline()
        if not line.endswith(b"\n"):
            raise EOFError
        return line[:-1]

    def _output(self) -> tuple[str, np.ndarray]:
        key = _decoded(self._line().partition(b" ")[2]).decode()
        kind, *sizes = self._line().decode().split()
        shape = [int(size) for size in sizes]
        texts = [self._line() for _ in range(int(np.prod(shape)))]
        if kind == "string":
            values = np.empty(len(texts), object)
            values[:] = [_decoded(text) for text in texts]
        elif kind == "bool":
            values = np.array([text == b"1" for text in texts], bool)
        else:
            values = np.array([text.decode() for text in texts]).astype(kind) if texts else np.empty(0, kind)
        return key, values.reshape(shape)


def request_lines(signature: Signature, inputs: Arrays) -> Iterator[bytes]:
    """Yields the lines of a request, as the client reads them."""
    yield f"request {signature.name}\n".encode()
    for name, values in inputs.items():
        tensor = signature.inputs[name]
        sizes = " ".join(map(str, values.shape))
        yield f"input {tensor.graph_name} {tensor.dtype.name} {sizes}\n".encode()
        for value in values.ravel().tolist():
            yield _encoded(value) + b"\n"
    for key, output in signature.outputs.items():
        yield b"output %s %s\n" % (output.graph_name.encode(), _encoded(key.encode()))
    yield b"\n"


def _encoded(value: bytes | bool | int | float) -> bytes:
    if not isinstance(value, bytes):
        return str(int(value) if isinstance(value, bool) else value).encode()
    if b"%" not in value and min(value, default=_FIRST_PLAIN) >= _FIRST_PLAIN:
        return value
    return b"".join(b"%%%02X" % byte if byte < _FIRST_PLAIN or byte == ord("%") else bytes([byte]) for byte in value)


def _decoded(text: bytes) -> bytes:
    first, *others = text.split(b"%")
    return first + b"".join(bytes([int(part[:2], 16)]) + part[2:] for part in others)
