"""Streams of every kind: pipes never see an escape code, no encoding is a reason to fail."""

import pytest

from easymtl.reporting.tables import make_table
from easymtl.reporting.terminal import is_live, open_terminal, print_line

LONG = "a line of words " * 20


@pytest.mark.parametrize("forced", [{}, {"FORCE_COLOR": "1"}, {"TTY_COMPATIBLE": "1"}, {"COLUMNS": "20"}])
def test_a_pipe_gets_plain_lines_of_any_length(forced, monkeypatch, make_pipe):
    for name, value in forced.items():
        monkeypatch.setenv(name, value)
    pipe = make_pipe()
    print_line(open_terminal(pipe), LONG, "bold red")
    assert pipe.text() == LONG + "\n"


def test_markup_in_names_is_text(make_pipe):
    pipe = make_pipe()
    print_line(open_terminal(pipe), "[red]model[/red] :smile: \\[x]")
    assert pipe.text() == "[red]model[/red] :smile: \\[x]\n"


def test_colours_only_where_they_are_wanted(monkeypatch, make_terminal):
    def printed() -> str:
        stream = make_terminal()
        print_line(open_terminal(stream), "saved", "green")
        return stream.getvalue()

    assert "\x1b[32m" in printed()
    monkeypatch.setenv("NO_COLOR", "1")
    assert "\x1b[32m" not in printed()
    monkeypatch.delenv("NO_COLOR")
    monkeypatch.setenv("TERM", "dumb")
    assert printed() == "saved\n"


def test_only_a_true_terminal_is_live(monkeypatch, make_pipe, make_terminal):
    assert is_live(open_terminal(make_terminal()))
    assert not is_live(open_terminal(make_pipe()))
    monkeypatch.setenv("TERM", "dumb")
    assert not is_live(open_terminal(make_terminal()))


@pytest.mark.parametrize("encoding", ["ascii", "latin-1", "cp1252", "gbk"])
def test_what_an_encoding_lacks_is_replaced(encoding, make_pipe):
    pipe = make_pipe(encoding)
    terminal = open_terminal(pipe)
    print_line(terminal, "käse – 模型 …")
    terminal.print(make_table(["task", "auc"], [["click", "0.7"]]))
    text = pipe.text()
    assert text.startswith({"gbk": "k?se - 模型 ~", "ascii": "k?se - ?? ~"}.get(encoding, "käse"))
    assert "click | 0.7" in text


def test_utf_8_keeps_all(make_pipe):
    pipe = make_pipe("utf-8")
    print_line(open_terminal(pipe), "käse – 模型 …")
    assert pipe.text() == "käse – 模型 …\n"
