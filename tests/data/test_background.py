import threading
import traceback

import pytest

from easymtl.data.background import Background


def test_items_come_in_order_and_then_it_ends():
    items = Background(iter(range(100)), 3, "test")
    assert list(items) == list(range(100))
    with pytest.raises(StopIteration):
        next(items)


def test_an_error_comes_after_the_items_before_it_with_its_traceback():
    def fails_at_two():
        yield from (0, 1)
        raise KeyError("lost")

    items = Background(fails_at_two(), 5, "test")
    assert [next(items), next(items)] == [0, 1]
    with pytest.raises(KeyError) as error:
        next(items)
    assert "fails_at_two" in "".join(traceback.format_tb(error.value.__traceback__))


def test_never_more_items_are_made_than_may_wait():
    made = []
    second = threading.Event()

    def counts():
        for number in range(10):
            made.append(number)
            if number == 1:
                second.set()
            yield number

    items = Background(counts(), 1, "test")
    next(items)
    assert second.wait(5)
    assert len(made) <= 2
    items.close()
    items.join()
    assert len(made) <= 2


def test_close_ends_the_thread_and_closes_the_generator():
    closed = threading.Event()

    def endless():
        try:
            while True:
                yield 0
        finally:
            closed.set()

    items = Background(endless(), 2, "test")
    next(items)
    items.close()
    items.join()
    assert closed.is_set()
    assert list(items) == []
