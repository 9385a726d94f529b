"""What a training reads."""

from tests.training.small_runs import train


def test_made_up_rows_train_a_model_without_any_file(tmp_path):
    result, _ = train(tmp_path, "data_config.input_type=DummyInput", "data_config.num_epochs=0")
    assert result.step == 6
    assert not result.metrics
    assert not list(tmp_path.glob("*.csv"))
