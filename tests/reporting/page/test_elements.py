"""Whatever texts a page gets, they stay texts."""

from html.parser import HTMLParser

import pytest

from easymtl.reporting.page.charts import Series, chart, whisker
from easymtl.reporting.page.drawings import box, draw
from easymtl.reporting.page.elements import document, folded, section, table, tag
from easymtl.reporting.page.layered import Edge

TEXTS = (
    "<script>alert(1)</script>",
    '"><img src=x onerror=alert(1)>',
    "'><svg onload=alert(1)>",
    "</style></title></textarea><script>alert(1)</script>",
    "<!-- ",
    "]]>",
    "&lt;b&gt; &amp;",
    "javascript:alert(1)",
    "a\x00b\x1b\ud800",
)


class Reader(HTMLParser):
    """Collects what a browser would see: elements, attributes, texts."""

    def __init__(self):
        super().__init__()
        self.tags, self.attributes, self.texts = [], [], []

    def handle_starttag(self, tag, attributes):
        self.tags.append(tag)
        self.attributes += attributes

    def handle_data(self, data):
        self.texts.append(data)


def read(text: str) -> Reader:
    reader = Reader()
    reader.feed(text)
    return reader


@pytest.mark.parametrize("text", TEXTS, ids=range(len(TEXTS)))
def test_texts_are_escaped_wherever_they_stand(text):
    parts = [
        section(text, table([text, text], [[text, text]]), folded(text, text), note=text),
        chart(text, [Series(text, [0, 1], [1, 2], 0, "points")], text, text),
        draw(text, [box(text, [text, text]), box("b", ["b"])], [Edge(text, "b")]),
        tag("pre", tag("ins", text), text, tag("p", title=text)),
    ]
    page = document(text, *parts)
    found = read(page)
    assert not {"script", "img", "textarea"} & set(found.tags)
    assert not [name for name, _ in found.attributes if name.startswith("on") or name == "src"]
    # Nothing but our own style sheet stands where text is not escaped, and it ends where it ends.
    assert found.tags.count("style") == 1 and found.tags.count("title") == page.count("<title>")
    shown = text.replace("\x00", "\ufffd").replace("\x1b", "\ufffd").replace("\ud800", "\ufffd")
    assert found.texts.count(shown) >= 6
    page.encode("utf-8")


def test_a_page_needs_nothing_from_elsewhere_and_runs_nothing():
    page = document("t", chart("c", [Series("s", [0, 1], [0, 1])], "x"))
    assert "default-src 'none'" in page and "<script" not in page
    for word in ("src=", "url(", "@import", 'href="http', "//cdn"):
        assert word not in page


def test_children_and_attributes():
    found = tag(
        "p", "a", [tag("b", "c"), "d", None, ["e"]], class_="x", aria_label="y", title=None, width=1.50, open=True
    )
    assert (found.text, found[0].tail, found.attrib) == (
        "a",
        "de",
        {"class": "x", "aria-label": "y", "width": "1.5", "open": ""},
    )


def test_values_that_are_not_numbers_break_a_line_and_draw_no_mark():
    nan = float("nan")
    found = chart("c", [Series("s", [0, 1, 2, 3], [1, nan, 1, 2], 0, "points", [0, nan, 1, 1], [2, 2, 2, 3])], "x")
    line = next(one for one in found.iter("path") if one.get("class") == "points")
    assert line.get("d").count("M") == 2 and line.get("d").count("L") == 1
    assert sum(one.get("class") == "mark" for one in found.find("svg").iter("path")) == 3
    assert sum(one.get("class") == "bar" for one in found.iter("path")) == 3
    assert "nan" not in str([one.attrib for one in found.iter()])
    assert "nan" not in str([one.attrib for one in whisker([(nan, nan, nan), (1, nan, 2)], 0, 3).iter()])


def test_places_are_those_of_the_axes():
    found = chart("c", [Series("s", [0, 10], [0, 1], 0, "line")], "x", "", (0, 10), (0, 1))
    (line,) = [one for one in found.find("svg").iter("path") if one.get("class") == "line"]
    assert line.get("d") == "M52.0 172.0L324.0 8.0"


def paths(found, kind: str) -> list[str]:
    return [one.get("d") for one in found.iter("path") if one.get("class") == kind]


def test_a_legend_shows_the_marks_of_its_chart():
    found = chart("c", [Series(str(n), [n], [n], n, "points") for n in range(4)], "x")
    drawn, sampled = (paths(part, "mark") for part in (found.find("svg"), found.find("div")))
    assert drawn == sampled and len(set(drawn)) == 4, "a form of its own, for who sees no colours"


def test_marks_alone_have_no_line_and_keep_off_the_axes():
    found = chart("c", [Series("s", [1, 2], [1, 2], 0, "marks", texts=["7", "8"])], "x")
    assert paths(found, "marks") == [] and len(paths(found.find("svg"), "mark")) == 2
    places = [
        float(one.get("transform")[10:].split()[0]) for one in found.find("svg").iter("path") if one.get("transform")
    ]
    assert min(places) > 52 and max(places) < 324
    beside = [one for one in found.iter("text") if one.get("class") == "beside"]
    assert [(one.text, one.get("text-anchor")) for one in beside] == [("7", "start"), ("8", "end")]


def test_places_with_names_have_these_below_the_axis():
    found = chart("c", [Series("s", [0, 1], [1, 2], 0, "marks")], "x", x_names=["a", "b"])
    below = [one for one in found.iter("text") if one.get("text-anchor") == "middle"]
    assert [(one.text, one.get("x")) for one in below] == [("a", "120"), ("b", "256"), ("x", "188")]


def test_an_empty_chart_is_a_chart():
    assert chart("c", [], "x").find("svg") is not None
    assert chart("c", [Series("", [5], [float("nan")])], "x").find("svg") is not None


def test_bars_stand_from_their_place_to_the_next_one():
    found = chart("c", [Series("s", [0, 5, 10], [1, 0.5, 0], 0, "steps")], "x", "", (0, 10), (0, 1))
    (area,) = [one for one in found.find("svg").iter("path") if one.get("class") == "steps"]
    assert area.get("d") == "M52.0 172.0V8.0H188.0V90.0H324.0V172.0Z"


@pytest.mark.parametrize(("low", "high", "is_there"), [(-1, 1, True), (0.5, 1, False), (-2, -1, False)])
def test_a_line_at_0_is_drawn_where_0_is(low, high, is_there):
    drawn = whisker([(high, low, high)], low, high, zero=True)
    assert ("reference" in [one.get("class") for one in drawn.iter("path")]) == is_there
