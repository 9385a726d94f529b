"""What each look makes of what there is."""

import json
import os
import re
import shutil
import sys
from pathlib import Path

import pytest

from easymtl.doctor import machine, packages, protobuf, tensorflow_apart
from easymtl.doctor.examination import Section, as_lines, as_record, verdict
from easymtl.doctor.finding import BROKEN, NOTE, OK, Finding, looked_at
from easymtl.doctor.gpu import Facts, gpu

ROOT = Path(__file__).parents[2]


def test_a_look_that_fails_is_a_finding_and_keeps_what_was_found_before():
    def look():
        yield Finding("first", "fine")
        raise ImportError("no such thing")

    first, second = looked_at("things", look)
    assert first == Finding("first", "fine")
    assert (second.name, second.standing) == ("things", BROKEN)
    assert second.text == "could not be looked at: ImportError: no such thing"


X86 = "processor : 0\nmodel name : A B-C 9\nflags : fpu avx avx2 fma {}\nprocessor : 1\nmodel name : A B-C 9\n"


@pytest.mark.parametrize(
    ("information", "standing", "says"),
    [
        (X86.format("avx512f avx512_bf16 amx_bf16"), OK, "AVX-512, AVX-512 BF16, AMX BF16: mixed_precision AUTO tries"),
        (X86.format("avx512f"), OK, "AVX2, FMA, AVX-512: no bfloat16"),
        ("model name : Old\nflags : fpu sse2\n", BROKEN, "no AVX"),
        ("Features : fp asimd bf16 sve\n", OK, "NEON, SVE, BF16: mixed_precision AUTO tries"),
        ("", OK, "unknown"),
    ],
)
def test_processor(information, standing, says):
    name, instructions = machine.processor(information, 2)
    assert name.text.endswith(", 2 cores")
    assert instructions.standing == standing
    assert says in instructions.text


def test_disk_of_a_folder_that_does_not_exist_yet(tmp_path):
    found = machine.disk("disk", tmp_path / "new" / "model_dir")
    assert re.fullmatch(r"[\d,.]+ GiB free", found.text)


@pytest.mark.parametrize(("free", "standing"), [(50 << 30, OK), (1 << 30, NOTE), (1 << 20, BROKEN)])
def test_little_disk_is_told(tmp_path, monkeypatch, free, standing):
    monkeypatch.setattr(machine.shutil, "disk_usage", lambda _: type("Usage", (), {"free": free}))
    found = machine.disk("disk", tmp_path)
    assert found.standing == standing
    assert bool(found.advice) == (standing != OK)


def test_a_folder_that_cannot_be_written_is_broken(tmp_path, monkeypatch):
    monkeypatch.setattr(machine.os, "access", lambda *_: False)
    assert machine.disk("disk", tmp_path).standing == BROKEN


def test_little_memory_is_told(monkeypatch):
    monkeypatch.setattr("easymtl.features.memory.available_memory", lambda: 1 << 30)
    assert machine.memory() == Finding("memory", "1.0 GiB available", NOTE, machine.memory().advice)
    assert machine.memory().advice


ALL = Facts(None, True, True, True, (), ("L4",))


@pytest.mark.parametrize(
    ("changes", "standing", "says", "advises"),
    [
        ({}, OK, "L4", ""),
        ({"names": (), "visible": ""}, NOTE, 'hidden: CUDA_VISIBLE_DEVICES is ""', "unset CUDA_VISIBLE_DEVICES"),
        ({"names": (), "visible": "-1"}, NOTE, 'is "-1"', "unset CUDA_VISIBLE_DEVICES"),
        ({"names": (), "has_device": False, "has_driver": False}, OK, "no NVIDIA device and no driver", ""),
        ({"names": (), "has_driver": False}, NOTE, "its driver is not loaded", "--gpus all"),
        ({"names": (), "has_device": False}, NOTE, "a driver, and no device", "--gpus all"),
        ({"names": (), "is_built_with_cuda": False}, NOTE, "built without CUDA", "easymtl[gpu]"),
        ({"names": (), "missing": ("nvidia-cudnn-cu12",)}, NOTE, "no nvidia-cudnn-cu12", "easymtl[gpu]"),
        ({"names": (), "visible": "7"}, NOTE, "does not see it", '("7")'),
    ],
)
def test_why_there_is_no_gpu(changes, standing, says, advises):
    found = gpu(Facts(**{**vars(ALL), **changes}))
    assert found.standing == standing
    assert says in found.text and advises in found.advice
    assert bool(found.advice) == (standing == NOTE)


@pytest.fixture
def compiled(tmp_path):
    """Returns a folder of compiled protos, and one of their sources, which are older."""
    folders = tmp_path / "compiled", tmp_path / "sources"
    for folder in folders:
        folder.mkdir()
    for name, version in (("a", "6.31.1"), ("b", "6.31.0")):
        (folders[1] / f"{name}.proto").write_text("")
        os.utime(folders[1] / f"{name}.proto", (1000, 1000))
        (folders[0] / f"{name}_pb2.py").write_text(f"# source\n# Protobuf Python Version: {version}\n")
    return folders


@pytest.mark.parametrize(
    ("runtime", "standing", "says"),
    [
        ("6.31.1", OK, "by protobuf 6.31.1, read by 6.31.1"),
        ("7.34.0", OK, ""),
        ("6.31.0", BROKEN, "which is older"),
        ("5.29.5", BROKEN, "which is older"),
        ("8.0.0", BROKEN, "which is too new"),
        ("8.0.0rc1", BROKEN, "which is too new"),
    ],
)
def test_compiled_protos_and_protobuf_fit(compiled, runtime, standing, says):
    found = protobuf.of_compiled(runtime, *compiled)
    assert found.standing == standing and says in found.text


def test_protos_that_are_not_compiled_or_have_changed_are_told(compiled):
    os.utime(compiled[1] / "a.proto", (4e9, 4e9))
    changed = protobuf.of_compiled("6.31.1", *compiled)
    assert changed.standing == NOTE and "has changed since" in changed.text
    (compiled[0] / "b_pb2.py").unlink()
    assert protobuf.of_compiled("6.31.1", *compiled).text == "missing: b"
    (compiled[0] / "a_pb2.py").unlink()
    assert protobuf.of_compiled("6.31.1", *compiled).standing == BROKEN
    assert protobuf.of_compiled("6.31.1", compiled[0], compiled[1] / "none").text == "missing: all of them"


@pytest.mark.parametrize(
    ("required", "standings"),
    [
        (["numpy>=1", "protobuf<8,>=6.31.1"], [OK]),
        (["protobuf<6"], [BROKEN]),
        (['protobuf<6; python_version < "3"'], []),
        ([], []),
    ],
)
def test_what_tensorflow_asks_of_protobuf(required, standings):
    assert [one.standing for one in protobuf.pin_of_tensorflow("6.33.6", required)] == standings


def test_two_protobufs_are_a_clash(tmp_path, monkeypatch):
    for place, version in (("one", "6.33.6"), ("two", "4.25.0")):
        folder = tmp_path / place / f"protobuf-{version}.dist-info"
        folder.mkdir(parents=True)
        (folder / "METADATA").write_text(f"Metadata-Version: 2.1\nName: protobuf\nVersion: {version}\n")
    monkeypatch.setattr(sys, "path", [str(tmp_path / "one"), str(tmp_path / "two")])
    first, second = protobuf.installed_places()
    assert first.startswith("4.25.0 in ") and second.startswith("6.33.6 in ")


@pytest.fixture
def installed(tmp_path, monkeypatch):
    """Installs packages that hold nothing, by name, version and lines of their metadata; there are no others."""

    def install(name, version, *lines):
        folder = tmp_path / f"{name}-{version}.dist-info"
        folder.mkdir()
        head = ["Metadata-Version: 2.1", f"Name: {name}", f"Version: {version}"]
        (folder / "METADATA").write_text("\n".join([*head, *lines, "", ""]))

    # It is imported where requirements are read.
    import packaging.requirements  # noqa: F401

    install("packaging", "25.0")
    monkeypatch.setattr(sys, "path", [str(tmp_path)])
    return install


REQUIRES = "Requires-Dist: rich<16,>=13", "Requires-Dist: numpy<3,>=1.26", "Requires-Dist: old; python_version < '3'"


def test_requirements_that_are_not_met_are_broken(installed):
    installed("easymtl", "1", *REQUIRES)
    installed("numpy", "3.1")
    absent, unfit = list(packages.find_versions())[2:]
    assert (absent.name, absent.text, absent.standing) == ("rich", "is not installed", BROKEN)
    assert absent.advice == "pip install 'rich<16,>=13'"
    assert (unfit.text, unfit.standing) == ("3.1, and easymtl works with <3,>=1.26", BROKEN)


def test_where_hardly_anything_is_installed_what_is_missing_is_told(installed, tmp_path):
    installed("easymtl", "1", *REQUIRES[:2], "Requires-Dist: uvicorn; extra == 'serve'")
    installed("numpy", "3.1")
    shutil.rmtree(tmp_path / "packaging-25.0.dist-info")
    (missing,) = list(packages.find_versions())[2:]
    assert (missing.name, missing.text, missing.standing) == ("rich", "is not installed", BROKEN)
    assert list(packages.find_extras()) == []


def test_requirements_that_are_met(installed):
    installed("easymtl", "1", *REQUIRES)
    installed("numpy", "2.0")
    installed("rich", "15")
    assert list(packages.find_versions())[2:] == [Finding("rich", "15"), Finding("numpy", "2.0")]


def test_sources_that_are_not_installed_are_a_note(installed):
    assert [one.standing for one in packages.find_versions()][2:] == [NOTE]
    assert list(packages.find_extras()) == []


def test_extras_say_what_they_are_for_and_what_is_missing(installed):
    extras = "Provides-Extra: gpu", "Requires-Dist: tensorflow[and-cuda]; extra == 'gpu'", "Provides-Extra: serve"
    installed("easymtl", "1", *REQUIRES, *extras, "Requires-Dist: uvicorn; extra == 'serve'")
    cuda = [f"Requires-Dist: nvidia-{name}; extra == 'and-cuda'" for name in "abcde"]
    installed("tensorflow", "2.21", "Provides-Extra: and-cuda", "Requires-Dist: numpy", *cuda)
    installed("uvicorn", "1")
    gpu, serve = packages.find_extras()
    purpose = packages.EXTRAS["gpu"]
    assert gpu.text == f"not installed ({purpose}): no nvidia-a, nvidia-b, nvidia-c and 2 more"
    assert (gpu.standing, gpu.advice) == (NOTE, "pip install 'easymtl[gpu]'")
    assert serve == Finding("serve", f"installed ({packages.EXTRAS['serve']})")
    assert packages.requirements_of_cuda() == [f"nvidia-{name}" for name in "abcde"]


def test_every_extra_of_the_package_says_what_it_is_for():
    text = (ROOT / "setup.py").read_text(encoding="utf-8")
    extras = text.partition("EXTRAS_REQUIRE = {")[2].partition("\n}")[0]
    assert set(re.findall(r'^    "(\w+)":', extras, re.MULTILINE)) == set(packages.EXTRAS)


IMPORTED = {"stage": "import", "version": "2.21.0", "seconds": 3.0}
DEVICES = {"stage": "devices", "is_built_with_cuda": True, "gpus": ["L4"]}
TRAINED = {"stage": "training", "steps": 90, "examples_per_second": 1e5, "loss": 0.5}


def told(*stages):
    noise = "a line of a library\n"
    return tensorflow_apart.stages(noise + "".join(f"{json.dumps(stage)}\n" for stage in stages))


def test_a_trial_that_goes_well():
    found = list(tensorflow_apart.findings(told(IMPORTED, DEVICES, TRAINED), 5, "", ""))
    assert [one.standing for one in found] == [OK, OK, OK]
    assert found[2].text == "90 steps on made-up rows, 100,000 examples/s, loss 0.50"
    assert len(list(tensorflow_apart.findings(told(IMPORTED, DEVICES), 0, "", ""))) == 2


@pytest.mark.parametrize(
    ("stages", "code", "errors", "name", "says", "advises"),
    [
        ([], -4, "", "importing TensorFlow", "ended by SIGILL", "lacks an instruction"),
        ([IMPORTED, DEVICES], -9, "", "training", "ended by SIGKILL", "memory"),
        ([IMPORTED, DEVICES], 1, "Traceback (most\n  x\nValueError: no\n", "training", "failed: ValueError: no", ""),
        ([IMPORTED, DEVICES], 1, "abort\nfirst\n", "training", "failed: abort | first", ""),
        ([IMPORTED, DEVICES, TRAINED], -11, "", "ending", "ended by SIGSEGV", "virtual environment"),
        ([IMPORTED, DEVICES], 0, "", "training", "nothing was told", ""),
    ],
)
def test_a_trial_that_breaks_says_where_and_why(stages, code, errors, name, says, advises):
    last = list(tensorflow_apart.findings(told(*stages), 5, *tensorflow_apart.why(code, errors)))[-1]
    assert (last.name, last.standing) == (name, BROKEN)
    assert says in last.text and advises in last.advice


def test_a_loss_that_is_no_number_is_broken():
    line = json.dumps({**TRAINED, "loss": float("nan")})
    found = list(tensorflow_apart.findings(tensorflow_apart.stages(line), 5, "", ""))
    assert found[0].standing == BROKEN


def test_how_findings_are_shown_and_counted():
    sections = [
        Section("one", [Finding("a", "fine"), Finding("b", "slow", NOTE, "Do this.")]),
        Section("two", [Finding("c", "gone", BROKEN, "Do that.")]),
    ]
    assert as_lines(sections[0]) == ["one:", "  ok      a: fine", "  note    b: slow", "          -> Do this."]
    assert verdict(sections) == "1 is broken; 1 note."
    assert verdict(sections[:1]) == "Nothing is broken; 1 note."
    record = as_record(sections)
    assert record["broken"] == 1
    assert record["findings"][2] == {
        "section": "two",
        "name": "c",
        "standing": "broken",
        "text": "gone",
        "advice": "Do that.",
    }
