"""What is refused before a training follows its data."""

import json

import pytest

from easymtl.errors import UserError
from easymtl.following.start import ready_to_follow
from easymtl.following.wishes import Wishes
from tests.following.days import days_config, write_day


def test_several_workers_would_each_train_on_all_parts(tmp_path, monkeypatch):
    write_day(tmp_path, 0, rows=3)
    config = days_config(tmp_path)
    cluster = {"worker": ["localhost:1", "localhost:2"]}
    monkeypatch.setenv("TF_CONFIG", json.dumps({"cluster": cluster, "task": {"type": "worker", "index": 0}}))
    says = "TF_CONFIG names 2 workers, and follow trains in one process"
    with pytest.raises(UserError, match=says), ready_to_follow(config, Wishes.of(config)):
        pass
    assert not (tmp_path / "model").exists()
