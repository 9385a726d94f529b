"""A config stands for its model_dir wherever a model is looked at."""

import pytest

from easymtl.api.model_dirs import model_dir_of
from easymtl.errors import UserError
from tests.errors.project import Project


def test_a_folder_is_itself_and_a_config_is_its_model_dir(tmp_path):
    project = Project(tmp_path)
    trained = tmp_path / "model"
    trained.mkdir()
    project.replace("x.config", ('"model"', f'"{trained}"'))
    assert model_dir_of(str(tmp_path)) == str(tmp_path)
    assert model_dir_of(str(tmp_path / "x.config")) == str(trained)
    trained.rmdir()
    with pytest.raises(UserError, match=r"x\.config: its model_dir, .*, is not there\. Train it first: easymtl train"):
        model_dir_of(str(tmp_path / "x.config"))


def test_what_is_not_there(tmp_path):
    says = r"y\.config: there is no such folder, and no such config\. Name a thing, or its config\."
    with pytest.raises(UserError, match=says):
        model_dir_of(str(tmp_path / "y.config"), "a thing")
