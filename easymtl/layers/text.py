"""Texts as ids of their tokens, inside the graph."""

from collections.abc import Sequence

import numpy as np
import tensorflow as tf

from easymtl.config.vocabulary import read_vocabulary
from easymtl.layers.shapes import ShapeFault
from easymtl.protos.backbone_pb2 import TextEncoder

_BEGIN, _END = "[CLS]", "[SEP]"
_FINGERPRINTS = 2**63 - 1


class TextEncoding(tf.Module):
    """The ids of `[CLS] a [SEP] b [SEP]` for the texts a, b of a row (Devlin et al. 2019, section 3).

    A token's id is its place in the vocabulary, or its Fingerprint64 modulo the number of ids. What stands between two
    separators, nothing too, is a token with a place; nobody attends to an empty one, nor, with a vocabulary, to one
    that has the id of unknown tokens. The first token always counts: what it attends to is the result.

    Attributes:
        vocab_size: number of ids.
    """

    def __init__(self, config: TextEncoder):
        """Makes the table; `check` has accepted the config."""
        super().__init__()
        self.separator, self.default = config.separator, config.default_token_id
        words = read_vocabulary(config.vocab_file).words if config.vocab_file else ()
        self.vocab_size = len(words) or config.transformer.vocab_size
        # Numbers, and no table: a network whose weights are constants has nothing that is made when it is loaded.
        prints = _fingerprints(tf.constant(words, tf.string)).numpy()
        self.places = np.argsort(prints)
        self.prints = prints[self.places]

    @staticmethod
    def check(config: TextEncoder) -> None:
        """Checks what a config says of tokens.

        Raises:
            ShapeFault: they cannot be made; the text goes on from the name of the layer.
        """
        if not config.separator:
            raise ShapeFault('has an empty separator; tokens need one, such as " "')
        size = config.transformer.vocab_size
        if not config.vocab_file:
            if not size:
                raise ShapeFault(
                    "needs vocab_file, or transformer.vocab_size, the number of ids that tokens are hashed to"
                )
            if config.HasField("default_token_id"):
                raise ShapeFault("sets default_token_id, which only a vocab_file gives to unknown tokens; leave it out")
            return
        words, problems = read_vocabulary(config.vocab_file)
        if problems:
            raise ShapeFault(f"has a vocab_file that cannot be used: {problems[0]}")
        if size not in (0, len(words)):
            raise ShapeFault(
                f"has transformer.vocab_size {size}, but {config.vocab_file} has {len(words)} tokens; leave it out"
            )
        if not 0 <= config.default_token_id < len(words):
            raise ShapeFault(
                f"has default_token_id {config.default_token_id}, which is no place in the {len(words)} tokens of "
                f"{config.vocab_file}"
            )

    def __call__(self, texts: Sequence[tf.Tensor], limit: int) -> tuple[tf.Tensor, tf.Tensor]:
        """Maps texts `[batch]` to ids int64 and to whether they count, bool, both `[batch, tokens]`.

        Args:
            texts: the texts of each row, `[batch]` or `[batch, 1]`, in their order.
            limit: the most tokens; those behind are left out.
        """
        with tf.device("/CPU:0"):
            parts = [f"{_BEGIN}{self.separator}"]
            for text in texts:
                parts += [tf.reshape(text, [-1]), f"{self.separator}{_END}{self.separator}"]
            # A row more, of the first token, so that no rows have a first token, too.
            rows = tf.concat([tf.strings.join(parts), [_BEGIN]], axis=0)
            tokens = tf.strings.split(rows, self.separator).to_tensor("")[:-1, :limit]
            if not len(self.prints):
                return tf.strings.to_hash_bucket_fast(tokens, self.vocab_size), _counts(tokens, "")
            ids = self._places_of(tokens)
            return ids, _counts(ids, self.default)

    def _places_of(self, tokens: tf.Tensor) -> tf.Tensor:
        """Returns the place of each token in the vocabulary, int64 `[batch, tokens]`; unknown ones have the default."""
        prints = tf.reshape(_fingerprints(tokens), [-1])
        places = tf.minimum(tf.searchsorted(self.prints, prints), len(self.prints) - 1)
        ids = tf.where(tf.equal(tf.gather(self.prints, places), prints), tf.gather(self.places, places), self.default)
        return tf.reshape(ids, tf.shape(tokens))


def _counts(tokens: tf.Tensor, nothing: str | int) -> tf.Tensor:
    return tf.not_equal(tokens, nothing) | tf.equal(tf.range(tf.shape(tokens)[1]), 0)


def _fingerprints(tokens: tf.Tensor) -> tf.Tensor:
    """Returns a number int64 for each token; of a million tokens two have one number in fewer than 1 of 10^7 cases."""
    return tf.strings.to_hash_bucket_fast(tokens, _FINGERPRINTS)
