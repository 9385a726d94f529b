"""The files around the package: versions that agree, and forms that a host can read."""

import re
from pathlib import Path

import pytest
import yaml

import easymtl

ROOT = Path(__file__).parents[2]
FORMS = sorted((ROOT / ".github/ISSUE_TEMPLATE").glob("[!c]*.yml"))


def test_the_citation_is_of_this_version_and_names_the_project():
    citation = yaml.safe_load((ROOT / "CITATION.cff").read_text(encoding="utf-8"))
    assert citation["version"] == easymtl.__version__
    assert citation["authors"] == [{"name": "the easymtl project"}]
    assert {"cff-version", "message", "title", "type"} <= set(citation)


def test_the_package_is_of_this_version():
    text = (ROOT / "setup.py").read_text(encoding="utf-8")
    assert "version=version()," in text and "__init__.py" in text


@pytest.mark.parametrize("path", FORMS, ids=lambda path: path.stem)
def test_a_form_has_what_a_form_needs(path):
    form = yaml.safe_load(path.read_text(encoding="utf-8"))
    assert form["name"] and form["description"]
    fields = [part["id"] for part in form["body"]]
    assert len(set(fields)) == len(fields) > 0
    for part in form["body"]:
        assert part["type"] in ("textarea", "input", "dropdown", "checkboxes") and part["attributes"]["label"]


def test_a_report_asks_for_what_doctor_says():
    assert "easymtl doctor" in (ROOT / ".github/ISSUE_TEMPLATE/bug.yml").read_text(encoding="utf-8")


def test_what_contributing_names_is_there():
    text = (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8")
    targets = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(encoding="utf-8"), re.MULTILINE))
    assert {words.split()[0] for words in re.findall(r"(?:`|^ {4})make ([a-z-]+)", text, re.MULTILINE)} <= targets
    for path in re.findall(r"`((?:tests|protos|docs|\.ci|easymtl)/[\w/.*]+)`", text):
        assert list(ROOT.glob(path)), path
