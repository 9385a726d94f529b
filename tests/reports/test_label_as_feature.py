"""A label is declared as a feature: the AUC jumps, and the exported model asks for the answer."""

import pytest

CHECK = "check --pipeline_config x.config"
SAYS = '"was_clicked" reads "click", the label of the tower "ctr": the model will know the answer'


@pytest.fixture
def project(report):
    return report("label-as-feature")


def test_check_notes_the_feature_that_knows_the_answer(project):
    outcome = project.run(CHECK)
    assert outcome.code == 0
    assert SAYS in outcome.out
    assert "a server will not have it" in outcome.out


def test_a_combination_and_a_feature_of_shared_names_are_noted_too(project):
    project.replace(
        "x.config",
        (
            'input_names: "click" feature_name: "was_clicked" feature_type: IdFeature num_buckets: 2',
            'input_names: ["user", "click"] feature_name: "was_clicked" feature_type: ComboFeature hash_bucket_size: 9',
        ),
        ('input_names: "price"', 'input_names: "price" shared_names: "order"'),
        ('"price", "was_clicked"]', '"price", "was_clicked", "order"]'),
    )
    outcome = project.run(CHECK)
    assert SAYS in outcome.out
    assert '"order" reads "order", the label of the tower "cvr"' in outcome.out


def test_a_label_that_no_group_reads_as_a_feature_is_not_noted(project):
    project.replace("x.config", ('"price", "was_clicked"]', '"price"]'))
    assert "will know the answer" not in project.run(CHECK).out
