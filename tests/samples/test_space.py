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
