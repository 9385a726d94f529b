"""How findings are found, shown and counted."""

from easymtl.doctor.examination import Section, as_lines, as_record, verdict
from easymtl.doctor.finding import BROKEN, NOTE, Finding, looked_at


def test_a_look_that_fails_is_a_finding_and_keeps_what_was_found_before():
    def look():
        yield Finding("first", "fine")
        raise ImportError("no such thing")

    first, second = looked_at("things", look)
    assert first == Finding("first", "fine")
    assert (second.name, second.standing) == ("things", BROKEN)
    assert second.text == "could not be looked at: ImportError: no such thing"


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
