import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from easymtl.config import load_config, view
from easymtl.drafting import draft_config
from easymtl.errors import UserError

RANDOM = np.random.default_rng(0)
ROWS = 400


@pytest.fixture
def first(tmp_path):
    """Returns a config of few columns, edited by hand, and data with more of them."""
    columns = {
        "click": RANDOM.integers(0, 2, ROWS),
        "age": RANDOM.integers(18, 80, ROWS),
        "city": RANDOM.choice(["a", "b", "c"], ROWS),
    }
    paths = {}
    for name, more in (
        ("old", {}),
        (
            "new",
            {
                "price": RANDOM.random(ROWS),
                "user_id": RANDOM.integers(0, 40, ROWS),
                "request_id": RANDOM.integers(0, 90, ROWS),
            },
        ),
    ):
        paths[name] = str(tmp_path / f"{name}.parquet")
        pq.write_table(pa.table({**columns, **more}), paths[name])
    path = tmp_path / "first.config"
    text = draft_config(paths["old"], ["click"], evaluation=paths["old"], model="ple").text
    path.write_text(text.replace("batch_size: 64", "batch_size: 77"))
    return str(path), paths


def test_features_labels_and_training_are_kept_and_new_columns_added(first, tmp_path):
    path, data = first
    draft = draft_config(data["new"], [], evaluation=data["new"], like=path, model_dir="elsewhere")
    old, new = load_config(path).pipeline, draft.pipeline
    assert new.data_config.batch_size == 77 and new.train_config == old.train_config
    assert new.model_config.ple == old.model_config.ple
    names = [view.feature_name(feature) for feature in new.feature_config.features]
    assert names == ["age", "city", "price", "user_id"]
    assert list(new.feature_config.features)[:2] == list(old.feature_config.features)
    assert list(new.model_config.feature_groups[0].feature_names) == names
    assert (new.train_input_path, new.model_dir) == (data["new"], "elsewhere")
    assert "new: quantiles" in draft.text
    assert {field.input_name for field in new.data_config.input_fields} == {"click", *names}
    written = tmp_path / "second.config"
    written.write_text(draft.text)
    assert load_config(str(written)).notes == []


def test_what_the_config_reads_is_not_left_out_whatever_the_new_rows_hold(first, tmp_path):
    path, data = first
    rows = pq.read_table(data["new"]).drop_columns(["city"]).append_column("city", pa.array(["a"] * ROWS))
    draft = draft_config(rows.append_column("same", pa.array(["x"] * ROWS)), [], evaluation=rows, like=path)
    assert "same: the same in every row" in draft.text and "city: the same" not in draft.text
    assert "city" in draft.pipeline.model_config.feature_groups[0].feature_names


def test_labels_are_those_of_the_config(first):
    path, data = first
    with pytest.raises(UserError, match='"price" is no label of'):
        draft_config(data["new"], ["price"], evaluation=data["new"], like=path)


def test_data_without_a_column_of_the_config_are_refused(first, tmp_path):
    path, data = first
    pq.write_table(pq.read_table(data["new"]).drop_columns(["city"]), tmp_path / "less.parquet")
    with pytest.raises(UserError, match='it reads "city", and the data have no such column'):
        draft_config(str(tmp_path / "less.parquet"), [], evaluation=data["new"], like=path)
