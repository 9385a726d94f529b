"""How large a model is, counted without its tables."""

import pytest

from easymtl.config import load_config
from easymtl.data.feed import Feed
from easymtl.features.growing.map_memory import bytes_of_ids
from easymtl.planning.layouts import REPLICATED, memory_of
from easymtl.planning.model_size import bound, size_of
from easymtl.protos.feature_pb2 import Growing
from easymtl.tasks.ranker import Ranker
from easymtl.training.balancing.choice import make_descent

CONFIG = """
train_input_path: "train.csv"
model_dir: "model"
train_config {
  optimizer_config { adagrad_optimizer { learning_rate { constant_learning_rate { learning_rate: 0.1 } } } }
  optimizer_config {
    adam_optimizer { learning_rate { constant_learning_rate { learning_rate: 0.1 } } } use_moving_average: true
  }
  num_steps: 4 mixed_precision: FLOAT32 }
data_config {
  batch_size: 4 label_fields: "click" label_fields: "buy" shuffle: false num_epochs: 1
  input_fields { input_name: "user" input_type: STRING } input_fields { input_name: "item" input_type: STRING }
  input_fields { input_name: "tags" input_type: STRING } input_fields { input_name: "past" input_type: STRING }
  input_fields { input_name: "click" input_type: INT32 } input_fields { input_name: "buy" input_type: INT32 }
}
feature_configs { input_names: "user" feature_type: IdFeature num_buckets: 50 embedding_dim: 4 }
feature_configs { input_names: "item" feature_type: IdFeature num_buckets: 1000000000 embedding_dim: 8
  embedding_name: "item" }
feature_configs { input_names: "tags" feature_type: TagFeature num_buckets: 30 embedding_dim: 4 separator: "|" }
feature_configs { input_names: "past" feature_type: SequenceFeature num_buckets: 1000000000 embedding_dim: 8
  separator: "|"
  embedding_name: "item" max_seq_len: 3 sequence_combiner { attention { } } }
model_config {
  feature_groups { group_name: "all" feature_names: ["user", "item", "tags", "past"] wide_deep: DEEP }
  loss_weight_strategy: Uncertainty
  simple_multi_task {
    task_towers { tower_name: "click" label_name: "click" dnn { hidden_units: [3] use_bn: false } }
    task_towers { tower_name: "buy" label_name: "buy" dnn { hidden_units: [3] use_bn: false } }
  }
}
"""
# Of width 4: users 1, 2 and 3, and tags 1, 2 and 3 of another table: 6 in the first batch, in the second 1 + 1.
# Of width 8, in one table: items 7 and 8 and their histories 8 and 9, so 3; in the second 1.
ROWS = ["1,7,1|2,7|8,1,0", "2,7,2,8|9,0,0", "3,8,3,,1,1", "1,7,,7,0,0", *["1,7,1,7,0,0"] * 4, "5,5,5,5,0,0"]


@pytest.fixture
def config(tmp_path):
    path = tmp_path / "x.config"
    path.write_text(
        CONFIG.replace('"train.csv"', f'"{tmp_path / "train.csv"}"').replace('"model"', f'"{tmp_path / "m"}"')
    )
    (tmp_path / "train.csv").write_text("user,item,tags,past,click,buy\n" + "\n".join(ROWS) + "\n")
    return path


def loaded(config, *overrides):
    return load_config(str(config), ["data_config.with_header=true", *overrides]).pipeline


def test_distinct_rows_are_those_of_the_batches_that_training_makes(config):
    size = size_of(loaded(config))
    assert size.distinct == {4: (6 + 2) / 2, 8: (3 + 1) / 2}
    assert (
        size.distinct_source.startswith("8 rows of ") and "in 2 batches as training makes them" in size.distinct_source
    )
    assert size.rows_by_width == {4: 80, 8: 1_000_000_000}
    assert size.batch_size == 4


def test_rows_of_growing_tables_are_those_that_training_gives(config):
    text = config.read_text()
    assert text.count("num_buckets: 50 ") == 1
    # In the first batch all users have the default row, in the second user 1 is admitted.
    config.write_text(text.replace("num_buckets: 50 ", "growing { max_rows: 1 admit_after: 3 } "))
    size = size_of(loaded(config))
    assert size.distinct == {4: (4 + 2) / 2, 8: (3 + 1) / 2} and size.rows_by_width[4] == 2 + 30
    settings = Growing(max_rows=1, admit_after=3)
    assert size.growing == (settings,)
    held = memory_of(size, 2, REPLICATED)
    assert held.ids == bytes_of_ids(settings) == held.total - held.window - held.of_device > 0


def test_the_rules_are_those_of_tables_and_of_dense_weights(config):
    size = size_of(loaded(config))
    assert (size.table_rule.num_slots, size.table_rule.has_averages) == (1, False)
    assert (size.dense_rule.num_slots, size.dense_rule.has_averages) == (2, True)


def test_dense_weights_are_those_of_the_model_with_its_tables(config):
    few = ["feature_configs[:].num_buckets=50"]
    pipeline = loaded(config, *few)
    ranker = Ranker(pipeline)
    trained = [*ranker.dense_variables, *make_descent(pipeline, ranker).trained]
    assert size_of(pipeline).dense == sum(variable.shape.num_elements() for variable in trained)


def test_a_batch_that_the_data_do_not_fill_is_told(config):
    assert (
        "there are fewer rows than data_config.batch_size 100"
        in size_of(loaded(config, "data_config.batch_size=100")).distinct_source
    )


def test_made_up_rows_are_called_so(config):
    made_up = loaded(config, "data_config.input_type=DummyInput", "train_input_path=")
    assert " rows of DummyInput in " in size_of(made_up).distinct_source


def test_without_data_the_rows_of_a_batch_are_bounded(config):
    # Of width 4: at most a user a row, and all 30 tags; of width 8: an item, and three of its history.
    bounded = {4: 4.0 + 30, 8: 4.0 * (1 + 3)}
    assert bound(loaded(config)) == bounded
    size = size_of(loaded(config, "train_input_path=nowhere.csv"))
    assert size.distinct == bounded
    assert size.distinct_source.startswith('an upper bound: the training data cannot be read: Input path "nowhere.csv"')


def test_no_table_has_more_rows_touched_than_it_has(config):
    assert bound(loaded(config, "data_config.batch_size=1000"))[4] == 50 + 30


def test_only_the_first_batches_are_read(config, monkeypatch):
    read = []
    following = Feed.__next__

    def counted(feed):
        read.append(following(feed))
        return read[-1]

    monkeypatch.setattr(Feed, "__next__", counted)
    size_of(loaded(config, "data_config.num_epochs=0"))
    assert len(read) == 5
