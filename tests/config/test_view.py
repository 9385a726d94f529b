"""What a config reads of its data, asked of the messages themselves."""

import pytest
from google.protobuf import text_format

from easymtl.config import view
from easymtl.protos.data_pb2 import DatasetConfig
from easymtl.protos.feature_pb2 import FeatureConfig
from easymtl.protos.pipeline_pb2 import Pipeline
from easymtl.protos.task_pb2 import TaskTower

TOWERS = """
model_config {
  feature_groups { group_name: "all" feature_names: ["user", "price"] }
  dbmtl {
    task_towers {
      tower_name: "ctr" label_name: "click"
      task_space_indicator_label: "seen" task_space_indicator_name: "surface"
      sample_weights { column: "w" } sample_weights { label: "buy" }
      metrics_set { gauc { uid_field: "uid" } } metrics_set { session_auc { session_id_field: "sid" } }
      losses { loss_type: JRC_LOSS jrc_loss { session_name: "request" } }
    }
  }
  kd {
    loss_type: CROSS_ENTROPY_LOSS pred_name: "logits" soft_label_name: "teacher"
    task_space_indicator_name: "place" task_space_indicator_value: "a"
  }
}
"""


@pytest.fixture
def pipeline() -> Pipeline:
    data = " ".join(f'input_fields {{ input_name: "{name}" }}' for name in ("surface", "place"))
    features = " ".join(f'features {{ input_names: "{name}" }}' for name in ("user", "price", "unread"))
    text = f'data_config {{ sample_weight: "weight" {data} }} feature_config {{ {features} }} {TOWERS}'
    return text_format.Parse(text, Pipeline())


def test_every_reader_of_a_field_is_found_with_its_path(pipeline):
    tower, kd = "model_config.dbmtl.task_towers[0]", "model_config.kd[0]"
    assert view.used_fields(pipeline) == {
        "user": "feature_config.features[0].input_names[0]",
        "price": "feature_config.features[1].input_names[0]",
        "click": f"{tower}.label_name",
        "seen": f"{tower}.task_space_indicator_label",
        "surface": f"{tower}.task_space_indicator_name",
        "w": f"{tower}.sample_weights[0]",
        "buy": f"{tower}.sample_weights[1]",
        "uid": f"{tower}.metrics_set[0]",
        "sid": f"{tower}.metrics_set[1]",
        "request": f"{tower}.losses[0].jrc_loss.session_name",
        "teacher": f"{kd}.soft_label_name",
        "place": f"{kd}.task_space_indicator_name",
        "weight": "data_config.sample_weight",
    }


@pytest.mark.parametrize(("size", "is_declared"), [(100_000, True), (100_001, False)])
def test_a_range_is_expanded_up_to_the_longest_one(pipeline, size, is_declared):
    pipeline.data_config.auto_expand_input_fields = True
    field = pipeline.data_config.input_fields.add(input_name=f"x[1-{size}]", serving_value="1")
    assert view.range_size(field.input_name) == size
    assert (view.indicator_field(pipeline, "x7") == "x7") is is_declared
    assert len(view.constant_fields(pipeline)) == (size if is_declared else 0)


def feature(text: str) -> FeatureConfig:
    return text_format.Parse(f'input_names: "x" {text}', FeatureConfig())


@pytest.mark.parametrize(
    ("text", "borders", "rows"),
    [
        ("feature_type: RawFeature", (), 1),
        ("feature_type: RawFeature raw_input_dim: 3", (), 3),
        ("feature_type: RawFeature boundaries: [1, 5]", (1.0, 5.0), 3),
        ("feature_type: RawFeature num_buckets: 2 max_val: 10", (0.0, 0.5), 3),
        ("feature_type: RawFeature num_buckets: 4 min_val: 2 max_val: 10", (0.0, 0.25, 0.5, 0.75), 5),
        ("feature_type: RawFeature num_buckets: 1 max_val: 10", (), 1),
        ("feature_type: RawFeature num_buckets: 4", (), 1),
        ("feature_type: RawFeature num_buckets: 4 max_val: 10 boundaries: 7", (7.0,), 2),
    ],
)
def test_borders_of_numbers_are_those_said_or_shares_of_the_range(text, borders, rows):
    assert view.number_boundaries(feature(text)) == borders
    assert view.num_number_rows(feature(text)) == rows


@pytest.mark.parametrize(
    ("text", "is_number"),
    [
        ("feature_type: RawFeature", True),
        ("feature_type: ExprFeature", True),
        ("feature_type: IdFeature", False),
        ("feature_type: SequenceFeature sub_feature_type: RawFeature", True),
        ("feature_type: SequenceFeature", False),
        # Of a feature that is no history it says nothing.
        ("feature_type: IdFeature sub_feature_type: RawFeature", False),
    ],
)
def test_numbers_are_told_from_ids(text, is_number):
    assert view.is_number(feature(text)) is is_number


@pytest.mark.parametrize(
    ("text", "has_parts"),
    [
        ('feature_type: RawFeature seq_multi_sep: ";" combiner: "mean"', True),
        ('feature_type: RawFeature combiner: "mean"', False),
        ('feature_type: RawFeature seq_multi_sep: ";"', False),
        ('feature_type: SequenceFeature seq_multi_sep: ";" combiner: "mean"', False),
    ],
)
def test_vectors_of_several_parts_are_raw_features_with_both_fields(text, has_parts):
    assert view.has_parts(feature(text)) is has_parts


def test_shared_names_are_features_of_the_table_of_the_first():
    one, *others = view.written_out(feature('feature_name: "a" shared_names: ["x", "y[1-2]"] hash_bucket_size: 9'))
    assert [view.feature_name(one), list(one.input_names), one.embedding_name] == ["a", ["x"], "a"]
    assert [view.feature_name(other) for other in others] == ["y1", "y2"]
    assert {other.embedding_name for other in others} == {"a"}
    assert not any(other.shared_names for other in (one, *others))


def test_a_label_takes_the_numbers_of_its_texts_and_of_all_others():
    text = """
      label_values { label_name: "click" texts: ["yes", "y"] number: 1 }
      label_values { label_name: "buy" texts: "yes" number: 7 } label_values { label_name: "click" number: 0.5 }
    """
    data = text_format.Parse(text, DatasetConfig())
    assert view.label_texts(data, "click") == {"yes": 1.0, "y": 1.0, None: 0.5}
    assert view.label_texts(data, "buy") == {"yes": 7.0}


def test_chains_go_by_the_relations_or_by_the_order():
    def tower(name: str, *relations: str) -> TaskTower:
        return TaskTower(tower_name=name, relation_tower_names=relations)

    assert view.chain([tower("a"), tower("b"), tower("c")]) == {"a": "", "b": "a", "c": "b"}
    assert view.chain([tower("a"), tower("b", "c"), tower("c", "a")]) == {"a": "", "b": "c", "c": "a"}


def test_a_table_of_results_has_rows_of_towers_their_results_and_final_scores():
    text = """
      model_config { esmm {
        ctr_tower { tower_name: "ctr" metrics_set { auc { } } }
        cvr_tower { tower_name: "cvr" metrics_set { auc { } } }
      } }
      export_config { final_score { name: "rank" expression: "ctr" } }
    """
    pipeline = text_format.Parse(text, Pipeline())
    assert view.result_names(pipeline) == {"ctr": ("ctr",), "cvr": ("ctcvr", "cvr_masked")}
    assert view.result_rows(pipeline) == ["ctr", "cvr", "ctcvr", "cvr_masked", "rank", "rank_for_ctr", "rank_for_ctcvr"]
    assert list(view.metric_results(pipeline)) == [
        "auc_ctr",
        "auc_ctcvr",
        "auc_cvr_masked",
        "auc_rank_for_ctr",
        "auc_rank_for_ctcvr",
    ]
    assert view.results_of_metric(pipeline, "auc") == ["auc_ctr", "auc_ctcvr"]
