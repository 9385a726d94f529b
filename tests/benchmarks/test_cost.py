"""The costs of a command are those of all its processes."""

import re
import sys

import pytest

from benchmarks.cost import descendants, main

WORKER = """
import time
memory = bytearray(b"x") * (300 << 20)
while time.process_time() < 1.5:
    pass
"""
COMMAND = f"import subprocess, sys; subprocess.run([sys.executable, '-c', {WORKER!r}]); sys.exit(3)"


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="there is no /proc")
def test_processor_time_and_memory_are_those_of_all_processes(capfd):
    assert main([sys.executable, "-c", COMMAND]) == 3
    out = capfd.readouterr().out
    assert float(re.search(r"processor (\d+) s", out)[1]) >= 1
    assert 0.3 < float(re.search(r"largest process ([\d.]+) GB", out)[1]) < 0.4
    assert "(300 << 20)" in out


def test_a_process_that_has_ended_has_no_descendants():
    assert list(descendants(2**22 + 1)) == [2**22 + 1]
