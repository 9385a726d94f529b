from itertools import pairwise

import numpy as np
import pytest
import tensorflow as tf

from easymtl.peers.peers import ONE
from easymtl.peers.workers import _SIZES
from tests.peers.threads import MOST, make_devices, together

pytestmark = pytest.mark.threads


@pytest.fixture(scope="module", autouse=True)
def devices():
    make_devices()


SIZES = [2, MOST]


def parts_of(index: int, step: int = 0) -> tuple[np.ndarray, np.ndarray]:
    random = np.random.default_rng([index, step])
    first = random.normal(size=[random.integers(0, 9), 3]).astype(np.float32)
    return first, random.normal(size=[index * 5, 1]).astype(np.float32)


@pytest.mark.parametrize("size", SIZES)
def test_sums_are_over_all_workers(size):
    def work(workers):
        return workers.sum([tf.fill([2, 2], float(workers.index + 1)), tf.constant(10.0)])

    for matrix, scalar in together(size, work):
        assert matrix.numpy().tolist() == [[sum(range(size + 1))] * 2] * 2 and float(scalar) == 10 * size


def test_the_gradient_of_a_sum_reaches_what_each_worker_has_added():
    def work(workers):
        own = tf.Variable(float(workers.index + 2))
        with tf.GradientTape() as tape:
            [total] = workers.sum([own * own])
            loss = (workers.index + 1.0) * total
        return float(tape.gradient(loss, own))

    # d(1 S + 2 S) / dx = 3 · 2x.
    assert together(2, work) == [3 * 2 * 2, 3 * 2 * 3]


def test_the_gradient_of_a_total_is_that_of_the_own_part():
    def work(workers):
        own = tf.Variable(float(workers.index + 2))
        with tf.GradientTape() as tape:
            [total] = workers.total([own * own])
        return float(total), float(tape.gradient(total, own))

    assert together(2, work) == [(13.0, 4.0), (13.0, 6.0)]


@pytest.mark.parametrize("size", SIZES)
def test_rows_of_all_workers_come_in_their_order_whatever_their_numbers(size):
    def work(workers):
        spec = [tf.TensorSpec([None, 3]), tf.TensorSpec([None, 1])]
        gather = tf.function(lambda *parts: workers.gather(parts), input_signature=spec, autograph=False)
        return [[part.numpy() for part in gather(*parts_of(workers.index, step))] for step in range(12)]

    for found in together(size, work):
        for step, parts in enumerate(found):
            wanted = [np.concatenate(column) for column in zip(*(parts_of(index, step) for index in range(size)))]
            assert all(map(np.array_equal, parts, wanted))


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("dtype", [tf.float32, tf.int32, tf.int64])
def test_each_worker_gets_what_the_others_have_sent_it(size, dtype):
    # counts[step][sender][part][receiver]: skewed, and sometimes nothing at all.
    random = np.random.default_rng(7)
    counts = [random.integers(0, 9, [size, 2, size]) * random.integers(0, 2, [size, 2, size]) for _ in range(5)]
    counts += [np.zeros([size, 2, size], int), np.eye(size, dtype=int)[:, np.newaxis].repeat(2, axis=1) * 30]

    def sent_by(step, sender, part, receiver):
        return [1000 * step + 100 * sender + 10 * part + receiver] * counts[step][sender, part, receiver]

    def work(workers):
        def send(own, first, second):
            of_all = workers.counts_of_all(own)
            longest = tf.reduce_max(tf.reduce_sum(of_all, axis=1))
            received = tf.transpose(of_all[:, :, workers.index])
            return of_all, workers.exchange([first, second], own, received, longest)

        spec = [tf.TensorSpec([2, size], tf.int32), *[tf.TensorSpec([None], dtype)] * 2]
        traced = tf.function(send, input_signature=spec, autograph=False)
        found = []
        for step, count in enumerate(counts):
            parts = [
                [number for receiver in range(size) for number in sent_by(step, workers.index, part, receiver)]
                for part in (0, 1)
            ]
            of_all, came = traced(count[workers.index].astype(np.int32), *(np.array(one, dtype.name) for one in parts))
            assert of_all.numpy().tolist() == count.tolist()
            found.append([one.numpy().tolist() for one in came])
        return found

    for index, found in enumerate(together(size, work)):
        for step, came in enumerate(found):
            for part in (0, 1):
                wanted = [number for sender in range(size) for number in sent_by(step, sender, part, index)]
                assert came[part] == wanted


def test_the_bits_of_what_is_gathered_stay_as_they_are():
    bits = np.arange(2_143_289_300, 2_143_289_400, dtype=np.int32)  # As numbers they are NaN.

    def work(workers):
        [found] = workers.gather([tf.bitcast(tf.constant(bits[:, np.newaxis]), tf.float32)])
        return tf.bitcast(found, tf.int32).numpy()[:, 0]

    for found in together(2, work):
        assert np.array_equal(found, np.concatenate([bits, bits]))


def test_sizes_are_rounded_up_by_a_quarter_at_most():
    assert sorted(set(_SIZES)) == _SIZES and _SIZES[:8] == [1, 2, 3, 4, 5, 6, 7, 8] and _SIZES[-1] < 2**31
    assert all(after <= 1.25 * before for before, after in pairwise(_SIZES[4:]))


@pytest.mark.parametrize("raised", [(), (0,), (1,), (0, 1)])
def test_workers_agree_if_one_of_them_says_so(raised):
    def work(workers):
        return workers.agree(workers.index in raised)

    assert together(2, work) == [bool(raised)] * 2


def test_each_worker_knows_what_all_of_them_say():
    said = [{"ä": [1, None]}, {"b": "x" * 1000}, []]

    def work(workers):
        return [workers.share(said[workers.index]), workers.share("again")]

    assert together(3, work) == [[said, ["again"] * 3]] * 3


@pytest.mark.parametrize("size", SIZES)
def test_each_worker_gets_the_bytes_that_were_meant_for_it(size):
    def content(source, target, number):
        # Of no length, of lengths that are no whole words, and of many.
        return bytes([source, target, 7]) * [0, 1, 300][(source + 2 * target + number) % 3]

    def work(workers):
        own = workers.index
        return [workers.exchange_bytes([content(own, target, step) for target in range(size)]) for step in range(4)]

    for target, steps in enumerate(together(size, work)):
        assert steps == [[content(source, target, step) for source in range(size)] for step in range(4)]


def test_one_worker_does_nothing():
    tensor = tf.constant([[1.0, 2.0]])
    assert ONE.sum([tensor])[0] is tensor and ONE.total([tensor])[0] is tensor and ONE.gather([tensor])[0] is tensor
    assert ONE.agree(True) and not ONE.agree(False) and ONE.share("x") == ["x"]
    assert ONE.exchange_bytes([b"x"]) == [b"x"]
    assert ONE.is_chief and not ONE.are_several
