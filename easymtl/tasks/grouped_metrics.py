"""AUC inside groups (users, sessions), for millions of rows and of groups at once: one sort, no Python loop."""

from dataclasses import dataclass

import numpy as np

REDUCTIONS = ("mean", "mean_by_sample_num", "mean_by_positive_num")


@dataclass(frozen=True)
class GroupedAUC:
    """The AUC of every group that has both classes.

    Attributes:
        auc: `[groups]`.
        num_samples: `[groups]`, rows of the group (their weights' sum when weighted).
        num_positives: `[groups]`, positive rows of the group (likewise).
    """

    auc: np.ndarray
    num_samples: np.ndarray
    num_positives: np.ndarray

    def reduce(self, reduction: str) -> float:
        """Returns the mean over groups, each counted by one of `REDUCTIONS`: once, by rows, or by positive rows."""
        shares = {
            "mean": np.ones_like(self.auc),
            "mean_by_sample_num": self.num_samples,
            "mean_by_positive_num": self.num_positives,
        }
        return float(np.average(self.auc, weights=shares[reduction]))


def grouped_auc(
    positive: np.ndarray, predictions: np.ndarray, groups: np.ndarray, weights: np.ndarray | None = None
) -> GroupedAUC:
    """Returns the exact AUC of each group: the share of (positive, negative) pairs ordered right, a tie counting 1/2.

    Groups with one class have no such pair and are left out (Zhu et al., "Optimized Cost per Click in Taobao
    Display Advertising", KDD 2017, section 5.1, call the result GAUC).

    Args:
        positive: `[n]` booleans.
        predictions: `[n]`.
        groups: `[n]` integers, equal for rows of one group.
        weights: `[n]` non-negative, or None for 1 each.
    """
    weights = np.ones(len(positive)) if weights is None else weights.astype(np.float64)
    order = np.lexsort((predictions, groups))
    groups, predictions = groups[order], predictions[order]
    positives = np.where(positive, weights, 0.0)[order]
    negatives = np.where(positive, 0.0, weights)[order]

    new_group = _changes(groups)
    tie_starts = np.flatnonzero(new_group | _changes(predictions))
    group_starts = np.flatnonzero(new_group[tie_starts])  # counted in runs of ties
    tied_positives = np.add.reduceat(positives, tie_starts) if len(tie_starts) else positives
    tied_negatives = np.add.reduceat(negatives, tie_starts) if len(tie_starts) else negatives

    below = np.cumsum(tied_negatives) - tied_negatives
    run_lengths = np.diff(np.append(group_starts, len(tie_starts)))
    below_in_group = below - np.repeat(below[group_starts], run_lengths)
    ordered = tied_positives * (below_in_group + tied_negatives / 2)
    return _of_both_classes(*(_sums(values, group_starts) for values in (ordered, tied_positives, tied_negatives)))


def _of_both_classes(ordered: np.ndarray, positives: np.ndarray, negatives: np.ndarray) -> GroupedAUC:
    both = (positives > 0) & (negatives > 0)
    ordered, positives, negatives = ordered[both], positives[both], negatives[both]
    return GroupedAUC(ordered / (positives * negatives), positives + negatives, positives)


def _changes(values: np.ndarray) -> np.ndarray:
    """Returns `[n]` booleans: whether a value differs from the one before it; the first one does."""
    return np.append(np.ones(min(len(values), 1), bool), values[1:] != values[:-1])


def _sums(values: np.ndarray, starts: np.ndarray) -> np.ndarray:
    return np.add.reduceat(values, starts) if len(starts) else np.zeros(0)


def ordered_pair_share(labels: np.ndarray, predictions: np.ndarray, weights: np.ndarray | None = None) -> float | None:
    """Returns XAUC, the share of pairs with different labels whose predictions are in the same order.

    A tie of predictions counts 1/2; a pair weighs the product of its two weights. For 0/1 labels this is the AUC.
    Exact, in O(n log n) time and O(n) memory. The measure: Zhan et al., "Deconfounding Duration Bias in
    Watch-time Prediction for Video Recommendation", KDD 2022, section 5.1.

    Args:
        labels: `[n]`.
        predictions: `[n]`.
        weights: `[n]` non-negative, or None for 1 each.

    Returns:
        The share, or None when all labels are equal.
    """
    weights = np.ones(len(labels)) if weights is None else weights.astype(np.float64)
    label_ranks = np.unique(labels, return_inverse=True)[1]
    ranks = np.unique(predictions, return_inverse=True)[1]
    num_ranks = int(ranks.max(initial=0)) + 1
    pairs = _pairs_inside(np.zeros_like(ranks), weights) - _pairs_inside(label_ranks, weights)
    if pairs <= 0:
        return None
    tied = _pairs_inside(ranks, weights) - _pairs_inside(label_ranks * num_ranks + ranks, weights)
    # Within one label the predictions descend, so that no pair of equal labels is seen as ascending.
    order = np.lexsort((-ranks, label_ranks))
    return (_ascending_pairs(ranks[order], weights[order]) + tied / 2) / pairs


def _pairs_inside(groups: np.ndarray, weights: np.ndarray) -> float:
    """Returns the summed weight of the pairs that share a group."""
    codes = np.unique(groups, return_inverse=True)[1]
    totals = np.bincount(codes, weights)
    squares = np.bincount(codes, np.square(weights))
    return float(np.sum(totals * totals - squares)) / 2


def _ascending_pairs(ranks: np.ndarray, weights: np.ndarray) -> float:
    """Returns the summed weight of the pairs i < j with ranks[i] < ranks[j].

    Radix sort from the highest bit: two ranks first differ at one bit, so each pair is counted at exactly that
    bit, inside the run of rows that agree on all higher bits. Each round costs a few passes over the rows.
    """
    total = 0.0
    rows_below = np.append(0, np.cumsum(np.bincount(ranks)))  # number of rows whose rank is smaller
    for bit in reversed(range(int(ranks.max(initial=0)).bit_length())):
        is_one = (ranks >> bit & 1).astype(bool)
        run_starts = rows_below[(ranks >> (bit + 1)) << (bit + 1)]
        zero_weight = np.append(0.0, np.cumsum(np.where(is_one, 0.0, weights)))
        zeros_before = zero_weight[:-1] - zero_weight[run_starts]
        total += float(np.sum((weights * zeros_before)[is_one]))

        # Stable split of each run: zeros move to its front, ones behind them.
        zeros = np.append(0, np.cumsum(~is_one))
        zeros_in_run = zeros[:-1] - zeros[run_starts]
        middle = rows_below[np.minimum((ranks >> bit | 1) << bit, len(rows_below) - 1)]
        ones_in_run = np.arange(len(ranks)) - run_starts - zeros_in_run
        position = np.where(is_one, middle + ones_in_run, run_starts + zeros_in_run)
        ranks, weights = _scatter(ranks, position), _scatter(weights, position)
    return total


def _scatter(values: np.ndarray, position: np.ndarray) -> np.ndarray:
    result = np.empty_like(values)
    result[position] = values
    return result
