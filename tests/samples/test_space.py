"""The sample of a search space fits the config that it is for."""

from pathlib import Path

from easymtl.tuning.current_values import current_values
from easymtl.tuning.plan import plan_of

ROOT = Path(__file__).parents[2]


def test_the_sample_space_fits_its_config_and_holds_its_values():
    config = ROOT / "samples" / "configs" / "mmoe_on_census.config"
    plan = plan_of(
        str(config),
        str(ROOT / "samples" / "tune" / "space.textproto"),
        metrics=["auc_income_50k", "auc_never_married"],
    )
    kinds = {field.WhichOneof("range") for field in plan.space.message.field}
    assert kinds == {"float", "int", "choice"} and plan.space.message.HasField("task_weights")
    current = current_values(plan.space, plan.config.pipeline)
    assert current and current["num_expert"] == plan.config.pipeline.model_config.mmoe.num_expert


def test_the_sample_of_weights_fits_its_config_and_sets_what_the_other_one_does_not():
    plan = plan_of(
        str(ROOT / "samples" / "configs" / "dbmtl_on_livestream.config"),
        str(ROOT / "samples" / "tune" / "weights.textproto"),
        metrics=["auc_is_view", "auc_is_on_mic"],
    )
    assert [(draw.name, draw.ends) for draw in plan.draws][-2:] == [
        ("weight of is_view", (0.1, 10.0)),
        ("weight of is_on_mic", (0.1, 10.0)),
    ]
    assert plan.space.names == ["weight of seconds", "batch_size"]
    assert plan.space.message.field[0].float.step == 0.25 and plan.space.message.field[1].int.log
