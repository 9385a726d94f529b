"""Every sample config trains, evaluates, exports, and its SavedModel scores as its checkpoint does."""

import json

import numpy as np
import pytest

from easymtl.serving import parity
from tests.tracing import op_by_op
from tests.verbs.sample_rows import CONFIGS

# What a process of its own finds is tested in tests/serving, and costs seconds for each config.
OTHERS = [path for path in CONFIGS if path.stem != "dbmtl_on_livestream"]
# Steps are traced once for each architecture that tests/parity does not trace; what is exported is always traced, and
# compared with what is not.
IN_PARITY = {"dbmtl", "dbmtl_din", "esmm", "mmoe", "mmoe_bst", "ple", "ple_two_histories", "simple_multi_task"}
BY_ARCHITECTURE = {path.stem.removeprefix("merlin_").partition("_on_")[0]: path for path in OTHERS}
TRACED = [path for architecture, path in BY_ARCHITECTURE.items() if architecture not in IN_PARITY]
# Of one data set the features are the same in all of its configs: after the first of them a few of each kind will do.
FIRST = {path.stem.rpartition("_on_")[2]: path for path in reversed(OTHERS)}.values()
MOST_FEATURES = 6
pytestmark = [pytest.mark.slow, pytest.mark.alone]


@pytest.fixture
def proofs(score_here, monkeypatch):
    """The scores of the SavedModels that are compared with their checkpoints, which is done in this process."""
    found = []
    monkeypatch.setattr(parity, "score_apart", lambda *asked, process: found.append(score_here(*asked)) or found[-1])
    return found


@pytest.mark.parametrize("config", OTHERS, ids=lambda path: path.stem)
def test_from_training_to_scores(make_project, config, capsys, proofs):
    # Depth is the business of tests/models/test_every_architecture.py, and most of what there is to trace.
    project = make_project(config, hidden_units=[8], most_features=None if config in FIRST else MOST_FEATURES)
    with op_by_op(config not in TRACED):
        assert project("check") == 0
        assert project("train") == 0
    out, err = capsys.readouterr()
    assert "Traceback" not in err
    assert "equal on 150 rows and" in out
    (saved_model,) = project.exports
    assert (saved_model / "saved_model.pb").is_file()
    result = json.loads((project.folder / "model_dir" / "eval_result.json").read_text())
    assert (result["global_step"], result["num_examples"]) == (2, 150)
    (scores,) = proofs
    for name, values in scores.items():
        assert np.ptp(values[:150]) > 0, f"{name} tells no row from another"
