"""What the encoder counted, in sentences for the end of a run."""

from collections.abc import Mapping

_SENTENCES = {
    "unknown": "{number:,} values are not in the vocabulary and took row 0",
    "unseen": "{number:,} values have no row in its growing table and took row 0",
    "out_of_range": "{number:,} values are out of the range of num_buckets and took row 0",
    "unpaired": "{number:,} tags had no weight (taken as 1) or weights no tag (dropped)",
    "no_value": "{number:,} entries of its maps had no value and were left out",
    "surplus": "{number:,} numbers beyond raw_input_dim were dropped",
    "not_finite": "{number:,} numbers were not finite, as they came or after scaling, and count as missing",
}
_PLACES = {"unknown": "in its vocabulary", "out_of_range": "in the range of its num_buckets"}


def describe_oddities(counts: Mapping[str, Mapping[str, int]]) -> list[str]:
    """Returns a sentence for each feature and kind of odd value that was seen; empty values alone are not odd.

    Args:
        counts: `Tally.counts`.
    """
    return [
        f'feature "{feature}": {_SENTENCES[kind].format(number=number)}.'
        for feature, kinds in counts.items()
        for kind, number in kinds.items()
        if number and kind in _SENTENCES
    ]


def describe_unknown(counts: Mapping[str, Mapping[str, int]]) -> list[str]:
    """Returns a sentence for each of these features that had values, not one of which has a row of its own.

    Args:
        counts: of such features, as `Tally.counts`.
    """
    return [
        f'not one of the {number:,} values of the feature "{feature}" so far is {place}: all take row 0.'
        for feature, kinds in counts.items()
        for kind, place in _PLACES.items()
        if (number := kinds.get(kind, 0))
    ]
