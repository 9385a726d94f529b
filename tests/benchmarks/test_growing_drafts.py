import numpy as np
from sklearn.metrics import roc_auc_score

from benchmarks import growing_drafts


def test_rows_have_items_that_training_never_saw_and_a_truth_that_is_best():
    train, judged, logits = growing_drafts.make_rows(growing_drafts.Shape(20_000, 30_000, 0.7), seed=1)
    assert (train.num_rows, judged.num_rows) == (20_000, len(logits))
    seen = np.isin(judged["item_id"].to_numpy(), train["item_id"].to_numpy())
    assert 0.2 < seen.mean() < 0.8
    clicks = judged["click"].to_numpy()
    best = roc_auc_score(clicks, logits)
    assert best > 0.75
    assert roc_auc_score(clicks, logits + np.random.default_rng(0).normal(0, 1, len(logits))) < best - 0.02


def test_the_table_has_the_gain_over_the_hash_of_the_same_seed(capsys):
    of_all = {"shape": "fewer items", "items": "57000", "auc_like": "0.7", "auc_click_unseen": "0.65"}
    found = [
        ("hash", "1", "0.70"),
        ("hash", "2", "0.80"),
        ("admit_after 1", "1", "0.71"),
        ("admit_after 1", "2", "0.79"),
    ]
    growing_drafts.print_table([{**of_all, "way": way, "seed": seed, "auc_click": auc} for way, seed, auc in found])
    lines = capsys.readouterr().out.splitlines()
    assert lines[2:] == [
        "| 400,000, 57,000 | hash | 0.7500 | 0.7000 | 0.6500 | +0.0000 +0.0000 |",
        "| 400,000, 57,000 | admit_after 1 | 0.7500 | 0.7000 | 0.6500 | +0.0100 -0.0100 |",
    ]
