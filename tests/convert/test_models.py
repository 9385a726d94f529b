"""Architectures and their towers."""

import pytest
from google.protobuf import text_format

from easymtl.convert import convert
from easymtl.convert.report import Kind
from easymtl.errors import UserError
from easymtl.protos.eval_pb2 import EvalMetrics
from easymtl.protos.layer_pb2 import DNN
from easymtl.protos.task_pb2 import TaskTower
from tests.convert.conftest import SMALL
from tests.errors.project import replaced

MODEL = SMALL[SMALL.index("  mmoe {") : SMALL.rindex("}")]
TOWER = 'task_towers { tower_name: "%s" label_name: "%s" %s losses { binary_cross_entropy { } } }'
TOWERS = " ".join([TOWER % ("ctr", "click", ""), TOWER % ("cvr", "buy", "")])
NET = "{ hidden_units: [4, 2] }"


def with_model(small, model, *changes):
    return small((MODEL, f"  {model}\n"), *changes)


def first_tower(small, *changes):
    return small(*changes).pipeline.model_config.mmoe.task_towers[0]


@pytest.mark.parametrize(
    ("mlp", "ours"),
    [
        ("hidden_units: [4, 2]", "hidden_units: [4, 2] use_bn: false"),
        ("hidden_units: [4, 2] use_bn: true", "hidden_units: [4, 2] use_bn: true"),
        ("hidden_units: [4, 2] dropout_ratio: 0.5", "hidden_units: [4, 2] use_bn: false dropout_ratio: [0.5, 0.5]"),
        ("hidden_units: [4, 2] dropout_ratio: [0.5, 0]", "hidden_units: [4, 2] use_bn: false dropout_ratio: [0.5, 0]"),
        ('hidden_units: 4 activation: "nn.Tanh"', 'hidden_units: 4 use_bn: false activation: "tanh"'),
        ('hidden_units: 4 activation: ""', 'hidden_units: 4 use_bn: false activation: "linear"'),
        ('hidden_units: 4 activation: "nn.ReLU" bias: false use_bn: true', "hidden_units: 4 use_bn: true"),
    ],
)
def test_layers(small, mlp, ours):
    tower = first_tower(small, ('label_name: "click"', f'label_name: "click" mlp {{ {mlp} }}'))
    assert tower.dnn == text_format.Parse(ours, DNN())


@pytest.mark.parametrize(
    ("mlp", "kind", "text"),
    [
        ("use_ln: true", Kind.LEFT_OUT, "there is no layer norm"),
        ("bias: false", Kind.LEFT_OUT, "always have a bias"),
        ('activation: "nn.Mish"', Kind.LEFT_OUT, 'there is no "nn.Mish": relu is used'),
        ('activation: "nn.LeakyReLU"', Kind.CHANGED, "its slope below 0 is 0.2"),
    ],
)
def test_remarks_on_layers(small, said, mlp, kind, text):
    conversion = small(('label_name: "click"', f'label_name: "click" mlp {{ hidden_units: 4 {mlp} }}'))
    (remark,) = [remark for remark in said(conversion, kind) if "mlp." in remark]
    assert text in remark
    assert ' of "ctr"' in remark


def test_there_is_no_regularization_there(small):
    assert small().pipeline.model_config.mmoe.HasField("l2_regularization")
    assert small().pipeline.model_config.mmoe.l2_regularization == 0


def test_dbmtl(small):
    relations = f'relation_tower_names: "ctr" relation_mlp {NET}'
    model = with_model(
        small,
        f"dbmtl {{ bottom_mlp {NET} expert_mlp {NET} num_expert: 4 gate_mlp {NET} {TOWER % ('ctr', 'click', '')} "
        f"{TOWER % ('cvr', 'buy', relations)} }}",
    ).pipeline.model_config.dbmtl
    layers = DNN(hidden_units=[4, 2], use_bn=False)
    assert (model.bottom_dnn, model.expert_dnn, model.gate_dnn, model.num_expert) == (layers, layers, layers, 4)
    assert list(model.task_towers[1].relation_tower_names) == ["ctr"]
    assert model.task_towers[1].relation_dnn == layers


def test_relations_without_layers_are_not_read_there(small, said):
    related = TOWER % ("cvr", "buy", 'relation_tower_names: "ctr"')
    conversion = with_model(small, f"dbmtl {{ bottom_mlp {NET} {TOWER % ('ctr', 'click', '')} {related} }}")
    assert list(conversion.pipeline.model_config.dbmtl.task_towers[1].relation_tower_names) == []
    assert any("without a relation_mlp" in remark for remark in said(conversion, Kind.CHANGED))
    assert not conversion.pipeline.model_config.dbmtl.HasField("num_expert")


def test_experts_of_dbmtl_are_three_by_default(small):
    assert with_model(small, f"dbmtl {{ expert_mlp {NET} {TOWERS} }}").pipeline.model_config.dbmtl.num_expert == 3


def test_ple(small):
    nets = f"task_expert_net {NET} share_expert_net {NET}"
    level = f'extraction_networks {{ network_name: "low" expert_num_per_task: 2 share_num: 1 {nets} }}'
    conversion = with_model(small, f"ple {{ {level} {TOWERS} }}")
    (network,) = conversion.pipeline.model_config.ple.extraction_networks
    assert (network.network_name, network.expert_num_per_task, network.share_num) == ("low", 2, 1)
    assert network.task_expert_net == network.share_expert_net == DNN(hidden_units=[4, 2], use_bn=False)
    assert conversion.check("out.config") == []


def test_pepnet(small, said):
    groups = 'group_name: "all" feature_names: ["user"] group_type: DEEP }'
    more = ' feature_groups { group_name: "%s" feature_names: "user" group_type: DEEP }'
    conversion = with_model(
        small,
        f"pepnet {{ epnet_hidden_unit: 8 ppnet_hidden_units: [6, 5] ppnet_dropout_ratio: 0.1 "
        f"{TOWER % ('ctr', 'click', f'mlp {NET}')} {TOWER % ('cvr', 'buy', '')} }}",
        (groups, groups + more % "domain" + more % "uia" + more % "other"),
    )
    model = conversion.pipeline.model_config.pepnet
    assert (model.domain_group, model.personal_group, model.gate_hidden_units) == ("domain", "uia", 8)
    assert list(model.task_towers[0].dnn.hidden_units) == [6, 5, 4, 2]
    assert list(model.task_towers[0].dnn.dropout_ratio) == pytest.approx([0.1, 0.1, 0, 0])
    assert list(model.task_towers[1].dnn.hidden_units) == [6, 5]
    assert [group.group_name for group in conversion.pipeline.model_config.feature_groups] == ["all", "domain", "uia"]
    assert any('reads the group "other"' in remark for remark in said(conversion, Kind.NOT_NEEDED))
    # One table in all groups, as there.
    assert conversion.pipeline.feature_config.features[0].embedding_name == "user_emb"
    assert conversion.check("out.config") == []


@pytest.mark.parametrize(
    ("group", "ours", "without"),
    [
        ("domain", 'domain_group: "domain" gate_hidden_units: 8', "ppnet_hidden_units"),
        ("uia", 'personal_group: "uia"', "epnet_hidden_unit"),
    ],
)
def test_what_pepnet_does_not_read_without_a_group_is_not_converted(small, said, group, ours, without):
    more = f' feature_groups {{ group_name: "{group}" feature_names: "user" group_type: DEEP }}'
    pepnet = f"pepnet {{ epnet_hidden_unit: 8 ppnet_hidden_units: [6, 5] ppnet_dropout_ratio: 0.5 {TOWERS} }}"
    conversion = with_model(small, f"{more} {pepnet}")
    model = conversion.pipeline.model_config.pepnet
    layers = [6, 5] if group == "uia" else []
    assert [list(tower.dnn.hidden_units) for tower in model.task_towers] == [layers, layers]
    model.ClearField("task_towers")
    assert model == text_format.Parse(f"{ours} l2_regularization: 0", type(model)())
    assert [remark.split(": ")[0] for remark in said(conversion, Kind.NOT_NEEDED)] == [f"15 pepnet.{without}"]
    assert [remark for remark in said(conversion, Kind.LEFT_OUT) if "pepnet" in remark] == []
    assert not any("epnet_hidden_unit" in remark for remark in said(conversion, Kind.CHANGED))
    assert conversion.check("out.config") == []


@pytest.mark.parametrize(
    ("field", "text"),
    [
        ('domain_input_name: "user" task_domain_num: 3', "pepnet.domain_input_name: a task has one tower"),
        ("epnet_gamma: 1.5", "pepnet.epnet_gamma: a gate gives factors"),
        ("ppnet_gamma: 1.5", "pepnet.ppnet_gamma: a gate gives factors"),
    ],
)
def test_what_pepnet_has_no_counterpart_for_is_told(small, said, field, text):
    conversion = with_model(small, f"pepnet {{ {field} {TOWERS} }}")
    assert [remark.startswith(f"15 {text}") for remark in said(conversion, Kind.LEFT_OUT)] == [True]


def test_a_mask_net_is_told(small, said):
    mask = "mask_net { n_mask_blocks: 2 mask_block { hidden_dim: 4 } }"
    conversion = with_model(small, f"dbmtl {{ {mask} bottom_mlp {NET} {TOWERS} }}")
    (remark,) = said(conversion, Kind.LEFT_OUT)
    assert "mask_net: the towers read the features without it" in remark


@pytest.mark.parametrize(
    ("theirs", "ours"),
    [
        ("", "regularization_lambda: 0.01"),
        (
            "regularization_lambda: 0.25 embedding_wise_variational_dropout: true",
            "regularization_lambda: 0.25 embedding_wise_variational_dropout: true",
        ),
    ],
)
def test_variational_dropout(small, theirs, ours):
    conversion = small(("  mmoe {", f"  variational_dropout {{ {theirs} }}\n  mmoe {{"))
    found = conversion.pipeline.model_config.variational_dropout
    assert found == text_format.Parse(ours, type(found)())
    assert conversion.check("out.config") == []


def test_a_group_that_is_not_deep_is_told(small, said):
    (remark,) = said(small(("group_type: DEEP", "group_type: WIDE")), Kind.CHANGED)
    assert "feature_groups[0].group_type: WIDE groups are for other models there" in remark


@pytest.mark.parametrize(("name", "is_told"), [("", False), ('embedding_name: "e"', True)])
def test_tables_of_a_group_with_a_suffix_are_its_own(small, said, name, is_told):
    suffix = 'feature_groups { group_name: "domain" feature_names: "user" group_type: DEEP embedding_name_suffix: "d" }'
    conversion = with_model(
        small, f"{suffix} pepnet {{ {TOWERS} }}", ("hash_bucket_size: 10", f"hash_bucket_size: 10 {name}")
    )
    assert conversion.pipeline.feature_config.features[0].embedding_name == ("e" if is_told else "")
    told = ['"user" has an embedding_name, and so one table' in remark for remark in said(conversion, Kind.LEFT_OUT)]
    assert told == [True] * is_told


def test_the_first_group_is_what_a_model_reads(small, said):
    conversion = small(
        ('feature_groups { group_name: "all"', 'feature_groups { group_name: "deep"'),
        ("  mmoe {", '  feature_groups { group_name: "wide" feature_names: "user" group_type: WIDE }\n  mmoe {'),
    )
    assert [group.group_name for group in conversion.pipeline.model_config.feature_groups] == ["all"]
    assert any('"deep" is "all" here' in remark for remark in said(conversion, Kind.CHANGED))
    assert any('reads the group "wide"' in remark for remark in said(conversion, Kind.NOT_NEEDED))
    assert not conversion.pipeline.feature_config.features[0].embedding_name


@pytest.mark.parametrize(
    ("model", "text"),
    [
        ("deepfm { deep { hidden_units: 4 } }", "x.config:15: deepfm is not converted: it has one task"),
        ("dssm { output_dim: 4 }", "it retrieves and does not rank"),
        ("dc2vr { }", "Use dbmtl"),
        ("dlrm_hstu { max_seq_len: 4 }", "use dbmtl or mmoe with a din_encoder"),
        ("rocket_launching { }", "it has one task"),
        ("sid_rqvae { }", "it makes semantic ids"),
        ("", "model_config names no model"),
    ],
)
def test_a_model_that_is_none_of_ours_is_refused_by_name(small, model, text):
    with pytest.raises(UserError) as error:
        with_model(small, model)
    assert text in str(error.value)
    assert "Models that are converted: simple_multi_task, mmoe, dbmtl, ple, pepnet." in str(error.value)


def test_a_config_without_model_or_data_is_refused():
    with pytest.raises(UserError, match="there is no model_config"):
        convert('model_dir: "m"', "x.config")
    with pytest.raises(UserError, match="there is no data_config"):
        convert(replaced(SMALL, (SMALL[SMALL.index("data_config") : SMALL.index("feature_configs")], "")), "x.config")


@pytest.mark.parametrize(
    ("losses", "ours"),
    [
        ("losses { l2_loss { } }", "loss_type: L2_LOSS"),
        ("losses { softmax_cross_entropy { } } num_class: 3", "loss_type: CLASSIFICATION num_class: 3"),
        (
            "losses { binary_focal_loss { } }",
            "losses { loss_type: BINARY_FOCAL_LOSS binary_focal_loss { gamma: 2 alpha: 0.5 } }",
        ),
        (
            'losses { jrc_loss { session_name: "user" alpha: 0.25 } } num_class: 2',
            'losses { loss_type: JRC_LOSS jrc_loss { session_name: "uid" alpha: 0.25 } } num_class: 2',
        ),
        (
            "losses { binary_cross_entropy { } } losses { binary_focal_loss { gamma: 1 } }",
            "losses { loss_type: CLASSIFICATION } "
            "losses { loss_type: BINARY_FOCAL_LOSS binary_focal_loss { gamma: 1 alpha: 0.5 } }",
        ),
    ],
)
def test_losses(small, losses, ours):
    conversion = small(('label_name: "click" losses { binary_cross_entropy { } }', f'label_name: "click" {losses}'))
    base = 'tower_name: "ctr" label_name: "click"'
    assert conversion.pipeline.model_config.mmoe.task_towers[0] == text_format.Parse(f"{base} {ours}", TaskTower())
    assert conversion.check("out.config") == []


@pytest.mark.parametrize(
    ("metric", "ours"),
    [
        ("auc { thresholds: 500 }", "auc { }"),
        ('grouped_auc { grouping_key: "user" }', 'gauc { uid_field: "uid" }'),
        ("accuracy { }", "accuracy { }"),
        ("normalized_entropy { }", "normalized_entropy { }"),
    ],
)
def test_metrics(small, metric, ours):
    conversion = small(('label_name: "click"', f'label_name: "click" metrics {{ {metric} }}'))
    assert list(conversion.pipeline.model_config.mmoe.task_towers[0].metrics_set) == [
        text_format.Parse(ours, EvalMetrics())
    ]
    assert conversion.check("out.config") == []


def test_top_k_accuracy_is_a_recall(small):
    changes = (
        "losses { binary_cross_entropy { } }",
        "losses { softmax_cross_entropy { } } num_class: 9 metrics { accuracy { top_k: 3 } }",
    )
    (metric,) = first_tower(small, changes).metrics_set
    assert metric == text_format.Parse("recall_at_topk { topk: 3 }", EvalMetrics())


@pytest.mark.parametrize("metric", ["multiclass_auc { }", 'grouped_xauc { grouping_key: "user" }', "recall_at_k { }"])
def test_metrics_without_counterpart(small, said, metric):
    conversion = small(('label_name: "click"', f'label_name: "click" metrics {{ {metric} }}'))
    assert not conversion.pipeline.model_config.mmoe.task_towers[0].metrics_set
    (remark,) = said(conversion, Kind.LEFT_OUT)
    assert "there is no such metric here" in remark


@pytest.mark.parametrize(
    ("weights", "ours", "has_other_scale"),
    [
        ("weight: 0.5", "weight: 0.5", False),
        (
            'task_space_indicator_label: "buy" in_task_space_weight: 3 out_task_space_weight: 0',
            'task_space_indicator_label: "buy" in_task_space_weight: 1 out_task_space_weight: 0',
            False,
        ),
        (
            'task_space_indicator_label: "buy" in_task_space_weight: 3',
            'task_space_indicator_label: "buy" in_task_space_weight: 3 out_task_space_weight: 1',
            True,
        ),
        ('sample_weight_name: "w"', 'sample_weights { column: "w" }', True),
    ],
)
def test_weights(small, said, weights, ours, has_other_scale):
    conversion = small(('label_name: "click"', f'label_name: "click" {weights}'))
    base = 'tower_name: "ctr" label_name: "click" loss_type: CLASSIFICATION'
    assert conversion.pipeline.model_config.mmoe.task_towers[0] == text_format.Parse(f"{base} {ours}", TaskTower())
    remarks = [remark for remark in said(conversion, Kind.CHANGED) if "divided by their mean" in remark]
    assert len(remarks) == has_other_scale


def test_pareto_weights(small):
    conversion = small(
        ('label_name: "click"', 'label_name: "click" pareto_min_loss_weight: 0.25'),
        ("model_config {", "model_config {\n  use_pareto_loss_weight: true"),
    )
    (floor,) = conversion.pipeline.train_config.task_balancing.pareto.floors
    assert (floor.tower_name, floor.min_weight) == ("ctr", 0.25)


def test_a_floor_that_nothing_reads_is_told(small, said):
    conversion = small(('label_name: "click"', 'label_name: "click" pareto_min_loss_weight: 0.25'))
    assert not conversion.pipeline.train_config.HasField("task_balancing")
    (remark,) = said(conversion, Kind.LEFT_OUT)
    assert "only use_pareto_loss_weight" in remark


def test_a_feature_that_a_loss_names_and_that_does_not_exist_is_told(small, said):
    changes = ("losses { binary_cross_entropy { } }", 'losses { jrc_loss { session_name: "usr" } } num_class: 2')
    assert any(
        '"usr" is no feature that is read here. Did you mean "user"?' in text
        for text in said(small(changes), Kind.LEFT_OUT)
    )
