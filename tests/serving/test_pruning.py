"""Which exports are removed when new ones come."""

import pytest

from easymtl.serving.export import prune


@pytest.mark.parametrize(
    "keep, left", [(1, {"1000"}), (2, {"999", "1000"}), (3, {"99", "999", "1000"}), (9, None), (0, None)]
)
def test_the_newest_by_number_are_kept(tmp_path, keep, left):
    names = {"99", "999", "1000", "notes"}
    for name in names:
        (tmp_path / name).mkdir()
    prune(tmp_path, keep)
    assert {path.name for path in tmp_path.iterdir()} == (names if left is None else left | {"notes"})
