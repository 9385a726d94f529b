"""Whether the files of an input are there."""

import pytest

from easymtl.api.data_files import require_files
from easymtl.errors import UserError
from tests.verbs.declared_rows import ROWS, parquet


def test_missing_files_are_told_and_inputs_that_are_not_given_are_not(tmp_path):
    require_files("", None, parquet(tmp_path, ROWS))
    with pytest.raises(UserError, match=r'Did you mean "rows\.parquet"'):
        require_files(str(tmp_path / "row.parquet"))
