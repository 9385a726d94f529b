"""One training at a time in a model_dir: what is told when there is none."""

import pytest

from easymtl.checkpoints.lock import TrainingLock
from easymtl.errors import UserError


@pytest.mark.parametrize("below", ["", "/models/shop"])
def test_a_folder_that_cannot_be_made_is_named_and_not_the_lock(tmp_path, below):
    (tmp_path / "file").write_text("")
    folder = f"{tmp_path}/file{below}"
    with pytest.raises(UserError) as error, TrainingLock(folder):
        pass
    assert str(error.value).startswith(f"model_dir: the folder {folder} cannot be written: ")
    assert ".training.lock" not in str(error.value)
