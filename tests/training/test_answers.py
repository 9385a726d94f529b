"""What a step has come to, as one short vector."""

import numpy as np
import tensorflow as tf

from easymtl.peers.peers import ENDS, NUM_FLAGS, ONE, STOPS, Peers
from easymtl.training.answers import Answer, LastAnswer, packed


def test_one_worker_tells_whether_it_has_refused():
    vectors = [packed(tf.constant(is_refused), tf.constant(7.0), None) for is_refused in (False, True)]
    assert [Answer.of(vector) for vector in vectors] == [Answer(False), Answer(True)]


def test_several_workers_tell_rows_and_flags_too():
    flags = np.zeros(NUM_FLAGS, np.float32)
    flags[[STOPS, ENDS]] = 2, 1
    found = Answer.of(packed(tf.constant(True), tf.constant(4096.0), tf.constant(flags)))
    assert (found.is_refused, found.num_rows) == (True, 4096)
    assert np.flatnonzero(found.flags).tolist() == [STOPS, ENDS]


def test_an_answer_is_handed_over_with_the_next_step_and_stands_until_it_is_known():
    last = LastAnswer(ONE)
    assert not last.hand_over() and last.handed_over() == Answer(False)
    last.leave(tf.constant([1.0]))
    for _ in range(2):
        assert last.hand_over() and last.handed_over() == Answer(True)
    last.go_on()
    assert not last.hand_over() and last.handed_over() == Answer(False)


def test_several_workers_begin_with_an_answer_of_the_same_size():
    several = Peers()
    several.size = 2
    assert LastAnswer(several).handed_over().flags.tolist() == [False] * NUM_FLAGS
