"""Who is computed with whom: on a model that is a function of NumPy, and waits until it is let go."""

import asyncio
import threading

import numpy as np
import pytest
import tensorflow as tf

from easymtl.server.batching import Batcher
from easymtl.server.refusal import Code, Refusal
from easymtl.server.signature import NO_PADDING, Signature, Tensor


class Doubling:
    """A model that gives twice its input, refuses what is below 0, and tells what it was asked."""

    def __init__(self, is_open=True):
        self.asked = []
        self.users = 0
        self.gate = threading.Event()
        if is_open:
            self.gate.set()

    def take(self):
        self.users += 1

    def give_back(self):
        self.users -= 1

    def run(self, signature, arrays):
        self.gate.wait(10)
        values = arrays["x"]
        self.asked.append(values.tolist())
        if (values < 0).any():
            raise tf.errors.InvalidArgumentError(None, None, f"assertion failed: [{values.min()} is below 0] [[here]]")
        return {"y": values * 2}


def signature(shape=(None,), padding=NO_PADDING, out=(None,)):
    return Signature(
        "s", {"x": Tensor("x", "x:0", tf.int64, shape, padding=padding)}, {"y": Tensor("y", "y:0", tf.int64, out)}
    )


def run(requests, **options):
    """Returns the answers of requests that come while the model is busy, and what the model was asked."""
    batches = []

    async def all_of_them():
        models = {id(model): model for model, _, _ in requests}.values()
        batcher = Batcher(options.get("batch", 100), options.get("waiting", 1000), batches.append)
        batcher.start()
        asked = []
        for model, one, x in requests:
            answer = batcher.compute(model, one, {"x": np.array(x, np.int64)}, len(x), options.get("seconds", 20))
            asked.append(asyncio.ensure_future(answer))
            # The first is on its way when the others come.
            await asyncio.sleep(0.01 if len(asked) == 1 else 0)
        await asyncio.sleep(0.05)
        for model in models:
            model.gate.set()
        answers = await asyncio.gather(*asked, return_exceptions=True)
        await batcher.stop()
        return [answer["y"].tolist() if isinstance(answer, dict) else answer for answer in answers]

    return asyncio.run(all_of_them()), batches


ONE = signature()


def asked(batcher, model, value, seconds=20):
    """Returns the answer to come of a request of one row."""
    return asyncio.ensure_future(batcher.compute(model, ONE, {"x": np.array([value])}, 1, seconds))


async def at_work(model):
    """Returns a queue whose model computes a request, and the answer to that."""
    batcher = Batcher(10, 100)
    batcher.start()
    first = asked(batcher, model, 1)
    await asyncio.sleep(0.02)
    return batcher, first


def test_what_came_meanwhile_is_one_batch():
    model = Doubling(is_open=False)
    answers, batches = run([(model, ONE, [1]), (model, ONE, [2, 3]), (model, ONE, []), (model, ONE, [4])])
    assert answers == [[2], [4, 6], [], [8]]
    assert model.asked == [[1], [2, 3, 4]]
    assert batches == [1, 3]
    assert model.users == 0


def test_a_batch_has_no_more_rows_than_it_may_and_a_request_is_never_cut():
    model = Doubling(is_open=False)
    answers, _ = run([(model, ONE, [0]), *[(model, ONE, [n, n]) for n in (1, 2, 3)], (model, ONE, [4] * 9)], batch=5)
    assert answers == [[0], [2, 2], [4, 4], [6, 6], [8] * 9]
    assert model.asked == [[0], [1, 1, 2, 2], [3, 3], [4] * 9]


def test_versions_and_signatures_are_not_mixed():
    old, new, other = Doubling(is_open=False), Doubling(), signature()
    run([(old, ONE, [0]), (old, ONE, [1]), (new, ONE, [2]), (old, ONE, [3]), (old, other, [4])])
    assert old.asked == [[0], [1, 3], [4]]
    assert new.asked == [[2]]


@pytest.mark.parametrize(
    "one",
    [signature(shape=(1,)), signature(out=()), signature(out=(None, None)), signature(out=None)],
    ids=["one row", "no rows given", "a width of its own", "any shape"],
)
def test_what_cannot_be_cut_apart_runs_alone(one):
    model = Doubling(is_open=False)
    run([(model, one, [0]), (model, one, [1]), (model, one, [2])])
    assert model.asked == [[0], [1], [2]]


def test_lists_are_padded_to_the_widest_only_where_something_says_with_what():
    model, lists = Doubling(is_open=False), signature((None, None), padding=7, out=(None, 3))
    run([(model, lists, [[0]]), (model, lists, [[1]]), (model, lists, [[2, 3], [4, 5]])])
    assert model.asked == [[[0]], [[1, 7], [2, 3], [4, 5]]]
    model, lists = Doubling(is_open=False), signature((None, None), out=(None, 3))
    run([(model, lists, [[0]]), (model, lists, [[1]]), (model, lists, [[2, 3]]), (model, lists, [[4]])])
    assert model.asked == [[[0]], [[1], [4]], [[2, 3]]]


def test_each_axis_is_padded_to_the_longest():
    model, bags = Doubling(is_open=False), signature((None, None, None), padding=-1, out=(None, 2))
    first, tall, wide = [[[1]]], [[[2], [3]]], [[[4, 5, 6]], [[7, 8, 9]]]
    run([(model, bags, first), (model, bags, first), (model, bags, tall), (model, bags, wide)], batch=4)
    assert model.asked[1] == [
        [[1, -1, -1], [-1, -1, -1]],
        [[2, -1, -1], [3, -1, -1]],
        [[4, 5, 6], [-1, -1, -1]],
        [[7, 8, 9], [-1, -1, -1]],
    ]


def test_what_two_requests_make_large_together_is_not_joined():
    """Neither is large alone: one has many steps, the other many ids of a step."""
    model, bags = Doubling(is_open=False), signature((None, None, None), padding=-1, out=(None, 2))
    tall, wide = np.ones([1, 2048, 1], int).tolist(), np.ones([1, 1, 2048], int).tolist()
    run([(model, bags, [[[0]]]), (model, bags, tall), (model, bags, wide), (model, bags, tall)])
    assert [np.shape(asked) for asked in model.asked] == [(1, 1, 1), (2, 2048, 1), (1, 1, 2048)]


def test_a_wide_row_does_not_make_the_rows_of_others_as_wide():
    model, lists = Doubling(is_open=False), signature((None, None), padding=7, out=(None, 3))
    wide = [[1] * (1 << 19)]
    run([(model, lists, [[0]]), (model, lists, [[1]]), (model, lists, wide), (model, lists, [[2]]), (model, ONE, [3])])
    assert [np.shape(asked) for asked in model.asked] == [(1, 1), (2, 1 << 19), (1, 1), (1,)]


def test_a_bad_row_fails_alone():
    model = Doubling(is_open=False)
    answers, _ = run([(model, ONE, [0]), (model, ONE, [1]), (model, ONE, [-2, 5]), (model, ONE, [3])])
    assert (answers[0], answers[1], answers[3]) == ([0], [2], [6])
    assert isinstance(answers[2], Refusal) and answers[2].code is Code.INVALID_ARGUMENT
    assert str(answers[2]) == "-2 is below 0"
    assert model.users == 0


def test_what_fails_in_another_way_fails_alone_as_well():
    model = Doubling(is_open=False)
    model_run = model.run

    def run_or_break(signature, arrays):
        outputs = model_run(signature, arrays)
        if 13 in arrays["x"]:
            raise tf.errors.ResourceExhaustedError(None, None, "no memory")
        return outputs

    model.run = run_or_break
    answers, _ = run([(model, ONE, [0]), (model, ONE, [13]), (model, ONE, [1])])
    assert answers[2] == [2]
    assert answers[1].code is Code.INTERNAL and "no memory" in str(answers[1])


def test_a_model_that_gives_other_rows_than_it_was_asked_for_is_not_believed():
    model = Doubling(is_open=False)
    model.run = lambda signature, arrays: {"y": np.zeros(7)}
    answers, _ = run([(model, ONE, [0])])
    assert answers[0].code is Code.INTERNAL and "7 rows" in str(answers[0])


def test_a_full_queue_refuses_and_a_large_request_alone_does_not():
    model = Doubling(is_open=False)
    answers, _ = run([(model, ONE, [0]), (model, ONE, [1] * 9), (model, ONE, [2, 2]), (model, ONE, [3])], waiting=4)
    assert answers[:2] == [[0], [2] * 9]
    assert answers[2].code is answers[3].code is Code.RESOURCE_EXHAUSTED


def test_who_waits_too_long_is_told_and_not_computed():
    model = Doubling(is_open=False)
    answers, _ = run([(model, ONE, [0]), (model, ONE, [1])], seconds=0.01)
    assert [answer.code for answer in answers] == [Code.DEADLINE_EXCEEDED] * 2
    assert model.asked == [[0]]
    assert model.users == 0


def test_who_has_gone_is_left_out_of_the_next_batch():
    model = Doubling(is_open=False)

    async def go():
        batcher, first = await at_work(model)
        with pytest.raises(Refusal, match=r"no answer within 0\.01 seconds"):
            await asked(batcher, model, 2, seconds=0.01)
        last = asked(batcher, model, 3)
        await asyncio.sleep(0)
        model.gate.set()
        await asyncio.gather(first, last)
        assert (model.asked, model.users) == ([[1], [3]], 0)
        await batcher.stop()

    asyncio.run(go())


def test_at_the_end_what_is_computed_is_answered_and_what_waits_is_refused():
    model = Doubling(is_open=False)

    async def end():
        batcher, first = await at_work(model)
        second = asked(batcher, model, 2)
        await asyncio.sleep(0.02)
        threading.Timer(0.05, model.gate.set).start()
        await batcher.stop()
        return await asyncio.gather(first, second, return_exceptions=True)

    first, second = asyncio.run(end())
    assert first["y"].tolist() == [2]
    assert second.code is Code.UNAVAILABLE
    assert model.users == 0
