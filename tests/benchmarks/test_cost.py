"""The costs of a command are those of all its processes."""

import re
import sys

import pytest

from benchmarks.cost import Cost, costs_of_files, descendants, largest_of, main

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


def test_files_of_tests_are_told_by_what_all_their_processes_took(tmp_path, capfd):
    (tmp_path / "pytest.ini").write_text("[pytest]\nmarkers = alone\n    threads\n")
    wait = "    begin = time.process_time()\n    while time.process_time() < begin + 0.3: pass\n"
    tests = f"@pytest.mark.alone\ndef test_alone():\n{wait}def test_other():\n{wait}"
    (tmp_path / "test_busy.py").write_text(f"import pytest, time\n{tests}")
    (tmp_path / "test_idle.py").write_text("def test_nothing(): pass\n")
    flags = ["-q", "-p", "tests.processes", "-p", "no:cacheprovider", "--rootdir", str(tmp_path), str(tmp_path)]
    assert main([sys.executable, "-m", "pytest", *flags]) == 0
    out = capfd.readouterr().out
    found = re.findall(r"^ +([\d.]+) s +([\d.]+) GB  (test_\w+\.py)$", out, re.MULTILINE)
    assert [name for *_, name in found] == ["test_busy.py", "test_idle.py"] and float(found[0][0]) >= 0.6
    assert 0.0 < float(found[0][1]) < 1.0


def test_files_come_by_what_they_took_most_of():
    lines = "1.50 700 a.py\n0.25 300 b.py::test_x\n2.00 500 b.py::test_y[a b]\n"
    files = costs_of_files(lines)
    assert files == {"a.py": Cost(1.5, 700), "b.py": Cost(2.25, 500)}
    assert [file for file, _ in largest_of(files, lambda cost: cost.seconds)] == ["b.py", "a.py"]
    assert [file for file, _ in largest_of(files, lambda cost: cost.peak)] == ["a.py", "b.py"]


def test_a_process_that_has_ended_has_no_descendants():
    assert list(descendants(2**22 + 1)) == [2**22 + 1]
