"""The vocabularies of several features as one table, for requests: one lookup finds the words of all of them."""

from collections.abc import Sequence

import tensorflow as tf

_MISSING, _UNKNOWN = -1, 0


class WordsTogether(tf.Module):
    """Places of texts in the vocabularies of their features, as `VocabularyLookup` has them.

    A word stands in the table behind the number of its feature, as in `12:word`; the empty text is missing whichever
    the feature.
    """

    def __init__(self, vocabularies: Sequence[Sequence[str]]):
        """Makes the table of the words of each feature."""
        super().__init__()
        self._prefixes = tuple(f"{place}:" for place in range(len(vocabularies)))
        keys = [prefix + word for prefix, words in zip(self._prefixes, vocabularies) for word in words]
        rows = [row for words in vocabularies for row in range(len(words))]
        initializer = tf.lookup.KeyValueTensorInitializer(
            tf.constant(["", *keys]), tf.constant([_MISSING, *rows], tf.int64)
        )
        self.table = tf.lookup.StaticHashTable(initializer, default_value=_UNKNOWN)

    def __call__(self, texts: tf.Tensor) -> tf.Tensor:
        """Maps texts `[n, features]` to rows `[n, features]` int64: -1 for '', 0 for a text that is no word."""
        nothing, prefixes = tf.constant([[""] * len(self._prefixes)]), tf.constant([self._prefixes])
        prefixes = tf.where(tf.equal(texts, ""), nothing, prefixes)
        return self.table.lookup(tf.strings.join([prefixes, texts]))
