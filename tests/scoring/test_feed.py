"""What an evaluation reads."""

from easymtl.data.order import WHOLE
from easymtl.features.encoder import Encoder
from easymtl.scoring import feed
from easymtl.scoring.feed import evaluation_feed
from easymtl.tasks.ranker import Ranker
from tests.training.small_runs import small_config, write_data


def test_what_a_config_says_of_reading_reaches_the_feed(tmp_path, monkeypatch):
    found = []
    monkeypatch.setattr(feed, "Feed", lambda source, encode, batch, **settings: found.append({"b": batch, **settings}))
    write_data(tmp_path)
    overrides = ("data_config.prefetch_size=3", "data_config.eval_batch_size=7", "data_config.shuffle=true")
    pipeline = small_config(tmp_path, *overrides).pipeline
    evaluation_feed(pipeline, Encoder(Ranker(pipeline).feature_set), pipeline.eval_input_path)
    assert found == [{"b": 7, "prefetch": 3, "cache": None, "share": WHOLE}]
