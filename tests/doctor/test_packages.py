"""Requirements and extras: what is installed, what is missing, what is for what."""

import re
import shutil
import sys
from pathlib import Path

import pytest

from easymtl.doctor import packages
from easymtl.doctor.finding import BROKEN, NOTE, Finding

ROOT = Path(__file__).parents[2]


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
    # Also one that is not quite released.
    installed("rich", "15.1rc1")
    assert list(packages.find_versions())[2:] == [Finding("rich", "15.1rc1"), Finding("numpy", "2.0")]


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


def test_extensions_are_listed_by_what_they_are_and_where_they_come_from(monkeypatch):
    found = {"metric": {"auc_of_regret": "toy 1.0"}, "loss": {"huber": "toy 1.0 and other 2.0"}}
    monkeypatch.setattr("easymtl.extensions.installed.installed_names", lambda kind: found.get(kind, {}))
    by_name = {one.name: one for one in packages.find_extensions()}
    assert (by_name["metric auc_of_regret"].text, by_name["metric auc_of_regret"].standing) == ("of toy 1.0", "ok")
    assert by_name["loss huber"].standing == "note" and "Uninstall one" in by_name["loss huber"].advice
    assert len(by_name) == 2
