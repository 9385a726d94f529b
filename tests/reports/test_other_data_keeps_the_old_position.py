"""A position in the files of day 1 says nothing of those of day 2."""

import pytest

pytestmark = pytest.mark.usefixtures("op_by_op")

TRAIN = "train --pipeline_config x.config"


def test_another_days_files_are_refused_and_read_whole_when_asked(report):
    project = report("other-data-keeps-the-old-position")
    assert project.run(TRAIN).code == 0
    day_2 = f"{TRAIN} --set train_input_path=day2.parquet --set train_config.num_steps=100"
    refused = project.run(day_2)
    assert refused.code == 2
    for part in ('1 added ("day2.parquet")', '1 missing ("day1.parquet")', "--new_data", "bring the old files back"):
        assert part in refused.message
    done = project.run(f"{day_2} --new_data")
    assert done.code == 0 and "Trained to step 7" in done.out
    again = project.run(f"{day_2} --new_data")
    assert again.code == 0 and "Nothing is left to train at step 7" in again.out
