"""What a final score may be called and may read, found before anything is trained."""

import pytest

from easymtl.config import view
from easymtl.config.final_scores import score_names

AT = "feature_config {"
OF_KIND = (
    'tower_name: "stay"\n      label_name: "seconds"\n      loss_type: L2_LOSS',
    'tower_name: "stay" num_class: 3',
)
NO_ERROR_METRIC = ("metrics_set { mean_squared_error { } }", "metrics_set { accuracy { } }")


def score(expression, name="rank", further=""):
    text = f'export_config {{ final_score {{ name: "{name}" expression: "{expression}" }} {further} }}\n{AT}'
    return (AT, text)


def test_a_name_of_a_task_is_its_main_score_and_outputs_are_themselves(load):
    assert score_names(load().pipeline) == {
        "ctr": "probs_ctr",
        "probs_ctr": "probs_ctr",
        "logits_ctr": "logits_ctr",
        "cvr": "probs_cvr",
        "probs_cvr": "probs_cvr",
        "logits_cvr": "logits_cvr",
        "stay": "y_stay",
        "y_stay": "y_stay",
    }


@pytest.mark.parametrize(
    "expression",
    ["ctr^1.2 * cvr * log1p(y_stay)", "max(ctr, probs_cvr, 0.1)", "-sigmoid(logits_ctr) ** 2 / (1 + stay)"],
)
def test_formulas_over_scores_are_right(load, expression):
    assert load(score(expression)).pipeline.export_config.final_score[0].expression == expression


def test_a_later_one_reads_an_earlier_one(load, problems):
    later = 'final_score { name: "last" expression: "rank * 2" }'
    assert load(score("ctr", further=later))
    (line,) = problems(score("last * 2", further='final_score { name: "last" expression: "ctr" }'))
    assert '"last" is not in the scores of the tasks' in line


@pytest.mark.parametrize(
    ("change", "says"),
    [
        (score("ctr * y_sty"), '"ctr * y_sty", column 7: "y_sty" is not in the scores of the tasks ("'),
        (score("ctr * y_sty"), 'Did you mean "y_stay"?'),
        (score("ctr * user"), '"user" is not in the scores of the tasks'),
        (score("ctr *"), 'column 6: a name, a number or a "(" is needed, found the end.'),
        (score("log2(ctr)"), '"log2" is no function of expressions. Did you mean "log"? There are abs, exp, log, '),
        (score("__import__('os')"), '"\'" has no meaning'),
        (score("2 ^ 3"), '"2 ^ 3" names no score (ctr * cvr), so it is the same in all rows.'),
        (score(""), 'has no expression, for example expression: "ctr * cvr".'),
        (score("ctr", ""), "has no name, which is that of the output"),
        (
            score("ctr", "my rank"),
            '"my rank" is no name of an output: letters of any language, digits and "_" are allowed.',
        ),
        (score("ctr", "ctr"), '"ctr" is a task tower already. Give it another name.'),
        (score("ctr", "probs_cvr"), '"probs_cvr" is the name of an output already.'),
        (score("ctr", "user"), '"user" is a column (data_config.input_fields) already.'),
        (score("ctr", "feature_user", "export_features: true"), '"feature_user" is the name of an output already.'),
        (
            score("ctr", further='final_score { name: "rank" expression: "cvr" }'),
            '"rank" is the final_score of x.config:22 already.',
        ),
    ],
)
def test_what_cannot_be_a_final_score_is_told_with_its_line(problems, change, says):
    (line,) = problems(change)
    assert line.startswith("x.config:22: ")
    assert says in line


@pytest.mark.parametrize("name", ["stay", "probs_stay", "logits_stay", "y_stay"])
def test_several_classes_are_no_number(problems, name):
    (line,) = problems(score(f"ctr + {name}"), OF_KIND, NO_ERROR_METRIC)
    assert f'column 7: "{name}" is not one number for each row, as the tower "stay" has num_class: 3.' in line


def test_a_metric_of_a_final_score_can_choose_the_best_one(load, problems):
    best = 'exporter_type: "best" best_exporter_metric: "auc_rank_for_ctr"'
    pipeline = load(score("ctr * cvr", further=best)).pipeline
    assert view.results_of_metric(pipeline, "auc_rank_for_ctr") == ["auc_rank_for_ctr"]
    assert "mean_squared_error_rank_for_stay" not in view.metric_results(pipeline)
    (line,) = problems(score("ctr", further=best.replace("_for_ctr", "_for_ctv")))
    assert '"auc_rank_for_cvr"' in line
