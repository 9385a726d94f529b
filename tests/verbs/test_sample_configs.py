"""Every sample config trains, evaluates, exports, and its SavedModel scores as its checkpoint does."""

import numpy as np
import pytest

from easymtl.serving import export as exporting
from tests.verbs.sample_rows import CONFIGS

# What a process of its own finds is tested in tests/serving, and costs seconds for each config.
OTHERS = [path for path in CONFIGS if path.stem != "dbmtl_on_livestream"]
pytestmark = [pytest.mark.slow, pytest.mark.alone]


@pytest.mark.parametrize("config", OTHERS, ids=lambda path: path.stem)
def test_from_training_to_scores(make_project, monkeypatch, config, capsys):
    monkeypatch.setattr(exporting, "proof_rows", lambda *_: None)
    project = make_project(config)
    assert project("check") == 0
    assert project("train") == 0
    assert "Traceback" not in capsys.readouterr().err
    (saved_model,) = project.exports
    checkpoint, model = project.scores("checkpoint"), project.scores("model", "--saved_model", saved_model)
    assert checkpoint.num_rows == model.num_rows == 150
    assert checkpoint.column_names == model.column_names
    for name in checkpoint.column_names:
        np.testing.assert_allclose(checkpoint[name], model[name], rtol=1e-5, atol=1e-6, err_msg=name)
        assert np.ptp(checkpoint[name]) > 0, f"{name} tells no row from another"
