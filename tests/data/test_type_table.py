import pytest

from easymtl.data.type_table import GUIDE, guide, main, type_table


def test_the_guide_has_the_table_of_the_code():
    assert main(["--out", str(GUIDE), "--check"]) == 0
    assert type_table() in GUIDE.read_text(encoding="utf-8")


def test_a_guide_without_a_place_for_the_table_is_told(tmp_path):
    (tmp_path / "data.md").write_text("# Data\n")
    with pytest.raises(AssertionError, match="has lost the lines"):
        guide(tmp_path / "data.md")
