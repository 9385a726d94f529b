"""Options of `input_layer`: norms, dropout, and the forms of the result."""

import numpy as np
import pytest

from easymtl.layers.context import Call
from tests.models.graphs import GROUPS, TRAINING, arrays, make_backbone, make_inputs, randomize, value_of, weights


def read(options: str, group: str = "all") -> str:
    return f'blocks {{ name: "f" inputs {{ feature_group_name: "{group}" }} input_layer {{ {options} }} }}'


def parts(group: str = "all") -> list[np.ndarray]:
    return [part.numpy().astype(np.float64) for part in make_inputs().vectors(group).values()]


def whole(group: str = "all") -> np.ndarray:
    return np.concatenate(parts(group), axis=1)


def layer_norm(x: np.ndarray) -> np.ndarray:
    return (x - x.mean(axis=1, keepdims=True)) / np.sqrt(x.var(axis=1, keepdims=True) + 1e-12)


def batch_norm(x: np.ndarray) -> np.ndarray:
    return (x - x.mean(axis=0)) / np.sqrt(x.var(axis=0) + 1e-3)


def close(found, expected) -> None:
    if isinstance(expected, list | tuple):
        assert len(found) == len(expected)
        for one, other in zip(found, expected):
            close(one, other)
        return
    np.testing.assert_allclose(found, expected, rtol=1e-4, atol=1e-5)


def test_the_forms_of_the_result():
    close(value_of("f", read("")), whole())
    close(value_of("f", read("only_output_feature_list: true")), parts())
    close(value_of("f", read("only_output_3d_tensor: true")), np.stack(parts(), axis=1))
    close(value_of("f", read("output_2d_tensor_and_feature_list: true")), (whole(), parts()))


@pytest.mark.parametrize(("option", "norm"), [("do_layer_norm", layer_norm), ("do_batch_norm", batch_norm)])
def test_the_joined_vector_and_each_feature_have_norms_of_their_own(option, norm):
    for options, expected in {
        "": norm(whole()),
        "only_output_feature_list: true": [norm(part) for part in parts()],
        "only_output_3d_tensor: true": np.stack([norm(part) for part in parts()], axis=1),
        "output_2d_tensor_and_feature_list: true": (norm(whole()), [norm(part) for part in parts()]),
    }.items():
        close(arrays(value_of("f", read(f"{option}: true {options}"), TRAINING)), expected)


def test_norms_have_the_names_that_easyrec_gives_them():
    both = "output_2d_tensor_and_feature_list: true"
    names = ["all_features", "allf_0", "allf_1", "allf_2"]
    assert norms_of(f"do_layer_norm: true {both}") == names
    assert norms_of("do_layer_norm: true only_output_feature_list: true") == names[1:]
    assert norms_of("do_layer_norm: true") == names[:1]
    numbered = ["batch_normalization", *(f"batch_normalization_{i}" for i in (1, 2, 3))]
    assert norms_of(f"do_batch_norm: true {both}") == numbered
    assert norms_of("do_batch_norm: true only_output_feature_list: true") == numbered[1:]


def norms_of(options: str) -> list[str]:
    result = 'blocks { name: "r" inputs { feature_group_name: "other" } } concat_blocks: "r"'
    _, build = make_backbone(read(options) + result)
    return list(dict.fromkeys(name.rpartition("/")[0] for name in build.parameters))


def test_two_blocks_on_one_group_have_weights_of_their_own():
    other = read("do_layer_norm: true").replace('"f"', '"g"')
    backbone, build = make_backbone(read("do_layer_norm: true") + other)
    assert {name.partition("/")[0] for name in build.parameters} == {"all_features", "all_features_1"}
    randomize(build)
    (result,), _ = backbone(make_inputs(), Call())
    assert not np.allclose(result[:, :12], result[:, 12:])


def test_dropout_drops_components_of_the_vector_and_of_the_list_independently():
    joined, listed = value_of("f", read("dropout_rate: 0.5 output_2d_tensor_and_feature_list: true"), TRAINING)
    listed = np.concatenate(listed, axis=1)
    for found in (joined.numpy(), listed):
        is_kept = found != 0
        assert 0.2 < is_kept.mean() < 0.8
        close(found[is_kept], 2 * whole()[is_kept])
    assert not np.array_equal(joined.numpy() != 0, listed != 0)
    close(value_of("f", read("dropout_rate: 0.5")), whole())


def test_feature_dropout_drops_whole_features_for_all_rows():
    seen = set()
    for step in range(8):
        call = Call(training=True, seed=np.array([0, step]))
        joined, listed = value_of("f", read("feature_dropout_rate: 0.4 output_2d_tensor_and_feature_list: true"), call)
        factors = [np.unique(np.round(found / part, 4)) for found, part in zip(listed, parts())]
        assert all(len(factor) == 1 and factor[0] in (0, np.float32(1.6667)) for factor in factors), factors
        close(joined, np.concatenate(listed, axis=1))
        seen.add(tuple(float(factor[0]) for factor in factors))
    assert len(seen) > 1
    assert any(len(set(factors)) > 1 for factors in seen), "features are dropped one by one"
    close(value_of("f", read("feature_dropout_rate: 0.4")), whole())


@pytest.mark.parametrize("call", [Call(), TRAINING], ids=["evaluation", "training"])
def test_with_feature_dropout_features_are_normed_once_and_then_joined(call):
    options = "feature_dropout_rate: 0.000001 do_layer_norm: true output_2d_tensor_and_feature_list: true"
    expected = [layer_norm(part) for part in parts()]
    close(arrays(value_of("f", read(options), call)), (np.concatenate(expected, axis=1), expected))
    assert norms_of(options) == ["allf_0", "allf_1", "allf_2"]


def test_batch_norm_moves_in_training_and_is_used_in_evaluation():
    result = 'blocks { name: "r" inputs { block_name: "f" } } concat_blocks: "r"'
    backbone, build = make_backbone(read("do_batch_norm: true") + result)
    backbone(make_inputs(), TRAINING)
    assert weights(build)["batch_normalization/count"] == 1
    close(backbone(make_inputs(), Call())[0][0], batch_norm(whole()))


def test_what_no_result_reads_is_not_made_and_told_so():
    _, build = make_backbone(read("do_batch_norm: true"))
    assert len(build.parameters) == 5
    names = [f"batch_normalization_{i}" for i in range(1, len(GROUPS["all"]) + 1)]
    assert build.unread == names
