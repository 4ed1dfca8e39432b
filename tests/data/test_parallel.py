import itertools
import threading
import time
from collections.abc import Callable, Iterable, Iterator

import pytest

from vqa.data.parallel import map_ahead, prefetch


def square(x: int) -> int:
    return x * x


class Noted(list[int]):
    """Notes the numbers that pass."""

    def __call__(self, x: int) -> int:
        self.append(x)
        return x


def running() -> set[threading.Thread]:
    return {thread for thread in threading.enumerate() if thread.name.startswith("ahead")}


WAYS: dict[str, Callable[[Iterable[int]], Iterator[int]]] = {
    "prefetch": lambda items: prefetch(map(square, items), depth=3),
    "map_ahead": lambda items: map_ahead(square, items, threads=4, depth=3),
    "both": lambda items: prefetch(map_ahead(square, items, threads=2, depth=3)),
}


@pytest.mark.parametrize("way", WAYS.values(), ids=list(WAYS))
@pytest.mark.parametrize("count", [0, 1, 3, 50])
def test_same_items_in_the_same_order(way: Callable, count: int) -> None:
    assert list(way(range(count))) == [x * x for x in range(count)]
    assert not running()


def test_slow_items_do_not_lose_their_place() -> None:
    def late(x: int) -> int:
        time.sleep(0.003 * (5 - x % 5))
        return x

    assert list(map_ahead(late, range(20), threads=4, depth=8)) == list(range(20))


def test_none_and_exceptions_may_be_items() -> None:
    items = [None, ValueError("an item"), 3]
    assert list(prefetch(items)) == items
    assert list(map_ahead(lambda x: x, items)) == items


@pytest.mark.parametrize("way", WAYS.values(), ids=list(WAYS))
def test_errors_of_the_items_are_raised(way: Callable) -> None:
    def items() -> Iterator[int]:
        yield from range(4)
        raise OSError("the disk is gone")

    with pytest.raises(OSError, match="the disk is gone"):
        list(way(items()))
    assert not running()


@pytest.mark.parametrize(
    "results",
    [map_ahead(lambda x: 6 // (3 - x), range(9), threads=3, depth=5), prefetch(6 // (3 - x) for x in range(9))],
)
def test_error_is_raised_at_the_place_of_its_item(results: Iterator[int]) -> None:
    assert [next(results) for _ in range(3)] == [2, 3, 6]
    with pytest.raises(ZeroDivisionError):
        next(results)


@pytest.mark.parametrize("way", WAYS.values(), ids=list(WAYS))
def test_leaving_early_leaves_no_thread(way: Callable) -> None:
    drawn = Noted()
    for item in way(map(drawn, itertools.count())):
        if item == 9:
            break
    assert not running()
    count = len(drawn)
    time.sleep(0.02)
    assert len(drawn) == count <= 12


def test_work_goes_on_while_the_reader_is_busy_but_not_far_ahead() -> None:
    made = Noted()
    for way in (prefetch(map(made, range(100)), depth=3), map_ahead(made, range(100), threads=2, depth=3)):
        made.clear()
        for item in way:
            deadline = time.monotonic() + 5
            while len(made) < min(item + 4, 100) and time.monotonic() < deadline:
                time.sleep(0.001)  # the reader is busy
            assert len(made) == min(item + 4, 100)  # this one and three ahead
            if item == 20:
                break


def test_threads_work_side_by_side() -> None:
    together = threading.Barrier(3, timeout=5)
    assert len(list(map_ahead(lambda _: together.wait(), range(9), threads=3, depth=3))) == 9
