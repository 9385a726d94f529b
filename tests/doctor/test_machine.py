"""Processor, memory and disks."""

import re

import pytest

from easymtl.doctor import machine
from easymtl.doctor.finding import BROKEN, NOTE, OK, Finding

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


def test_a_folder_below_a_file_is_broken(tmp_path):
    (tmp_path / "notes").write_text("")
    for path in (tmp_path / "notes", tmp_path / "notes" / "model_dir"):
        found = machine.disk("disk", path)
        assert found.standing == BROKEN and found.text == f"{path} cannot be made: {tmp_path / 'notes'} is no folder"


def test_little_memory_is_told(monkeypatch):
    monkeypatch.setattr("easymtl.features.machine_memory.available_memory", lambda: 1 << 30)
    assert machine.memory() == Finding("memory", "1.0 GiB available", NOTE, machine.memory().advice)
    assert machine.memory().advice
