"""Trials for TensorBoard's table of hyperparameters, as its plugin finds them."""

import pytest
from tensorboard.plugins.hparams.plugin_data_pb2 import HParamsPluginData

from easymtl.errors import UserError
from easymtl.reporting.hparams import write_hparams
from tests.reporting.test_tensorboard import read, series


def test_a_trial_has_its_values_and_what_came_of_it(tmp_path):
    params = {"rate": 4e-3, "num_expert": 8, "model": "mmoe", "use_bn": True}
    write_hparams(tmp_path / "trial_7", params, {"auc/click": 0.75, "loss": 0.5}, step=300)
    metadata = read(tmp_path / "trial_7").SummaryMetadata("_hparams_/session_start_info")
    assert metadata.plugin_data.plugin_name == "hparams"
    found = HParamsPluginData.FromString(metadata.plugin_data.content).session_start_info
    assert {name: getattr(value, value.WhichOneof("kind")) for name, value in found.hparams.items()} == params
    assert found.group_name == str(tmp_path / "trial_7")
    assert series(tmp_path / "trial_7", "auc/click") == [(300, 0.75)]
    assert series(tmp_path / "trial_7", "loss") == [(300, 0.5)]


def test_a_folder_that_cannot_be_written_is_one_line(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(UserError, match="file: cannot be written: ") as error:
        write_hparams(tmp_path / "file", {"a": 1}, {"b": 1.0})
    assert len(str(error.value).splitlines()) == 1
