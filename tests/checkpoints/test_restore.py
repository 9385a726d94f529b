"""A ranker that is brought back from a checkpoint."""

import numpy as np
import pytest

from easymtl.checkpoints.restore import find_checkpoint, load_ranker
from easymtl.features import embeddings
from easymtl.training.trainer import Trainer
from tests.training.small_runs import small_config, write_data

pytestmark = pytest.mark.usefixtures("op_by_op")


def test_initial_values_are_not_drawn_for_tables_that_a_checkpoint_fills(tmp_path, monkeypatch):
    write_data(tmp_path)
    config = small_config(tmp_path, "eval_input_path=", "train_config.num_steps=1")
    trainer = Trainer(config, lambda event: None)
    trainer.run()
    drawn = []
    monkeypatch.setattr(embeddings, "fill", lambda *tables: drawn.append(tables))
    found = load_ranker(config.pipeline, find_checkpoint(config.pipeline))
    assert drawn == []
    for name, parameter in trainer.ranker.parameters.items():
        np.testing.assert_array_equal(found.parameters[name].read(), parameter.read())
