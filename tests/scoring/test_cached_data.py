"""What `check` says of encoded rows on disk."""

import re

import pytest

from easymtl.cli import main
from easymtl.errors import UserError
from easymtl.scoring.cached_data import cached_data
from tests.training.small_runs import small_config, train, write_data

pytestmark = pytest.mark.usefixtures("op_by_op")


@pytest.fixture
def config(tmp_path):
    write_data(tmp_path)
    cache = f"data_config.encoded_cache.path={tmp_path}/cache"
    return lambda *overrides: (tmp_path, cache, *overrides)


def told(folder, *overrides):
    return list(cached_data(small_config(folder, *overrides).pipeline))


def sizes(texts):
    return [float(re.search(r"takes about ([\d.]+) kB", text)[1]) for text in texts]


def test_what_is_there_and_what_it_takes_is_told(tmp_path, config):
    before = told(*config())
    assert not (tmp_path / "cache").exists()
    start = f'input: Encoded cache "{tmp_path}/cache": {{}} of 1 blocks are there'
    assert [text.split(". All")[0] for text in before] == [f"{part} {start.format(0)}" for part in ("train", "eval")]
    train(*config())
    after = told(*config())
    assert all(text.startswith(f"{part} {start.format(1)} (") for part, text in zip(("train", "eval"), after))
    # Where nothing is there it is reckoned by the first rows.
    assert sizes(before) == pytest.approx(sizes(after), rel=0.35)
    # Names and rules are most of the bytes of so few rows; a wide network asks for the same ones.
    assert told(*config("model_config.mmoe.num_expert=3", "data_config.batch_size=7")) == after
    other = told(*config("feature_config.features[0].hash_bucket_size=50"))
    assert 'the feature "item", the feature groups changed since it was made' in other[0]


def test_check_says_it(tmp_path, config, capsys):
    small_config(tmp_path)
    assert main(["check", str(tmp_path / "small.config"), "--set", config()[1]]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert [line in lines for line in told(*config())] == [True, True]


def test_too_small_a_limit_is_told(config):
    (text, _) = told(*config("data_config.encoded_cache.max_bytes=2000"))
    assert text.endswith(", which is more than max_bytes (2.0 kB).")


def test_made_up_rows_have_none(config):
    overrides = ("data_config.input_type=DummyInput", "train_input_path=", "eval_input_path=")
    assert told(*config(*overrides)) == []


def test_a_cache_among_the_data_is_refused(tmp_path, config):
    (tmp_path / "data").mkdir()
    write_data(tmp_path / "data")
    folder, _, *_ = config()
    overrides = [f"train_input_path={tmp_path}/data", f"data_config.encoded_cache.path={tmp_path}/data/cache"]
    with pytest.raises(UserError, match="its files would be taken for data"):
        told(folder, *overrides)
