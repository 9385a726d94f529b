"""How workers get rows of one another's tables, and send back gradients of them."""

from collections.abc import Mapping

import tensorflow as tf

from easymtl.peers.dealing import Dealing
from easymtl.peers.peers import Peers

ByWidth = Mapping[int, tf.Tensor]


class RowExchange:
    """What all workers need of one another for one batch each, in one exchange per direction for all widths.

    Each worker asks the owner of each of its distinct rows for it; then rows come, and gradients of them go back, in
    the order of that question.

    Attributes:
        wanted: by width int `[k]`, which of this worker's rows the workers ask it for, in the order of the workers. A
            row that several of them ask for is there several times.
    """

    def __init__(self, peers: Peers, dealings: Mapping[int, Dealing], numbers: ByWidth):
        """Asks for rows.

        Args:
            peers: the workers.
            dealings: of the rows of each width.
            numbers: by width int `[distinct]`, the rows that this worker needs, without repeats.
        """
        self._peers = peers
        self._orders: dict[int, tf.Tensor] = {}
        counts, places = [], []
        for width, rows in numbers.items():
            owners, found = dealings[width].places(rows)
            order = tf.concat(tf.dynamic_partition(tf.range(tf.size(rows)), owners, peers.size), axis=0)
            self._orders[width] = order
            places.append(tf.gather(found, order))
            count = tf.math.bincount(owners, minlength=peers.size, maxlength=peers.size, dtype=tf.int32)
            counts.append(tf.ensure_shape(count, [peers.size]))
        # How many rows of each width each worker has asked each other one for: [asking, widths, owner].
        self._counts = peers.counts_of_all(tf.stack(counts))
        kinds = [place.dtype for place in places]
        common = tf.int64 if tf.int64 in kinds else tf.int32
        asked = self._exchanged([tf.cast(place, common) for place in places], [1] * len(places), is_back=False)
        self.wanted: dict[int, tf.Tensor] = {
            width: tf.cast(one, kind) for width, one, kind in zip(numbers, asked, kinds)
        }

    def rows(self, own: ByWidth) -> dict[int, tf.Tensor]:
        """Returns the rows that this worker has asked for, `[distinct, width]`, given those that it was asked for."""
        widths = list(self._orders)
        flat = self._exchanged([tf.reshape(own[width], [-1]) for width in widths], widths, is_back=True)
        return {
            width: tf.gather(tf.reshape(one, [-1, width]), tf.math.invert_permutation(self._orders[width]))
            for width, one in zip(widths, flat)
        }

    def gradients(self, own: ByWidth) -> dict[int, tf.Tensor]:
        """Returns gradients of the rows in `wanted`, `[k, width]`, given those of the rows this worker asked for."""
        widths = list(self._orders)
        sorted_ = [tf.reshape(tf.gather(own[width], self._orders[width]), [-1]) for width in widths]
        flat = self._exchanged(sorted_, widths, is_back=False)
        return {width: tf.reshape(one, [-1, width]) for width, one in zip(widths, flat)}

    def _exchanged(self, parts: list[tf.Tensor], sizes: list[int], is_back: bool) -> list[tf.Tensor]:
        """Sends what belongs to each row, `sizes` numbers of it by width: to its owner, or back to who asks for it."""
        counts = self._counts * tf.constant(sizes)[tf.newaxis, :, tf.newaxis]
        asked, owned = counts[self._peers.index], tf.transpose(counts[:, :, self._peers.index])
        sent, received = (owned, asked) if is_back else (asked, owned)
        longest = tf.reduce_max(tf.reduce_sum(counts, axis=1))
        return self._peers.exchange(parts, sent, received, longest)
