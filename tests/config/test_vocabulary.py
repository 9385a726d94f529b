"""Vocabularies as editors, other systems and other encodings leave them."""

import gzip

import pytest

from easymtl.config.vocabulary import has_blanks_around, inspect_vocabulary, list_problems, read_vocabulary


def vocabulary(tmp_path, content):
    path = tmp_path / "words.txt"
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    found = read_vocabulary(str(path))
    assert inspect_vocabulary(str(path)) == (len(found.words), found.problems)
    return list(found.words), [problem.replace(f"{tmp_path}/", "") for problem in found.problems]


@pytest.mark.parametrize(
    "content",
    ["a\nb c\n北京", "a\nb c\n北京\n", "a\nb c\n北京\n\n\n \n", "\ufeffa\nb c\n北京\n", "a\r\nb c\r\n北京\r\n\r\n"],
)
def test_what_is_no_part_of_a_value_is_left_out(tmp_path, content):
    assert vocabulary(tmp_path, content) == (["a", "b c", "北京"], [])


@pytest.mark.parametrize(
    "content, says",
    [
        ("", "words.txt: the file is empty; it needs one value in each line"),
        ("\n \n\r\n", "words.txt: the file is empty"),
        ("a\n\nb\n", "words.txt:2: the line is empty"),
        ("a\n \t\nb\n", "words.txt:2: the line is empty"),
        ("\na\n", "words.txt:1: the line is empty"),
        ("a\nb \n", "words.txt:2: 'b ' has blanks or unseen characters around it"),
        ("a\n b\n", "words.txt:2: ' b' has blanks"),
        ("a\nb\t\r\n", r"words.txt:2: 'b\t' has blanks"),
        ("a\n\u00a0b\n", r"words.txt:2: '\xa0b' has blanks"),
        ("a\n\ufeffb\n", r"words.txt:2: '\ufeffb' has blanks"),
        ("a\nb\u200b\n", r"words.txt:2: 'b\u200b' has blanks"),
        ("a\rb\rc", r"words.txt:1: a carriage return is in 'a\rb\rc'; end each line"),
        ("a\nb\0\n", "words.txt:2: a NUL character"),
        ("a\nb\na\n", 'words.txt:3: "a" stands on line 1 too'),
        ("\ufeffa\r\na", 'words.txt:2: "a" stands on line 1 too'),
        ("a\nb".encode("utf-16"), "words.txt: this is UTF-16 text. Save it as UTF-8, for example with iconv -f UTF-16"),
        (gzip.compress(b"a\nb\n", mtime=0), "words.txt: this is a gzip file. Unpack it, for example with gunzip"),
        ("a\nb".encode("utf-16-be"), "words.txt:1: a NUL character is in this value"),
        ("a\ncafé\n".encode("latin-1"), "words.txt:2: this is no UTF-8 text. Save it as UTF-8"),
    ],
)
def test_what_would_move_values_or_match_none_is_told_with_its_line(tmp_path, content, says):
    problem = vocabulary(tmp_path, content)[1][0]
    assert problem.startswith(says)


def test_the_first_few_problems_are_told(tmp_path):
    problems = vocabulary(tmp_path, "a\n\n\n\n\nb")[1]
    assert [problem.split(" ")[0] for problem in problems] == ["words.txt:2:", "words.txt:3:", "words.txt:4:"]


def test_a_file_that_changes_is_inspected_again(tmp_path):
    assert vocabulary(tmp_path, "a\n") == (["a"], [])
    assert vocabulary(tmp_path, "a\nb\n") == (["a", "b"], [])


def test_files_that_cannot_be_read(tmp_path):
    assert f'"{tmp_path}" is no file' in read_vocabulary(str(tmp_path)).problems[0]
    assert '"nowhere.txt" is no file (relative paths start at ' in inspect_vocabulary("nowhere.txt").problems[0]


def test_lists():
    assert list_problems(["a", " b", "b"]) == []
    assert "an empty value at place 1" in list_problems(["a", ""])[0]
    assert "an empty value at place 0" in list_problems([" ", "a"])[0]
    assert 'holds "a" twice' in list_problems(["a", "b", "a"])[0]
    assert [word for word in ("a", "a b", " a", "a\t", "\u200ba") if has_blanks_around(word)] == [
        " a",
        "a\t",
        "\u200ba",
    ]
