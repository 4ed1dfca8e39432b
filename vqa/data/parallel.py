"""Data in batches, prepared in the background while the model computes."""

from collections import deque
from collections.abc import Callable, Generator, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import closing
from itertools import islice, repeat, takewhile
from typing import TypeVar

T = TypeVar("T")
R = TypeVar("R")


def batched(items: Iterable[T], size: int) -> Iterator[list[T]]:
    """The items in lists of `size`; the last may be shorter. (`itertools.batched` needs Python 3.12.)"""
    rest = iter(items)
    while batch := list(islice(rest, size)):
        yield batch


def prefetch(items: Iterable[T], depth: int = 2) -> Iterator[T]:
    """The same items in the same order, up to `depth` of them made ahead by one thread.

    An error in `items` is raised where its item would have come. A reader that leaves early waits for the
    item that is being made, no longer, and no thread is left running.
    """
    source, end = iter(items), object()
    with closing(map_ahead(lambda _: next(source, end), repeat(None), threads=1, depth=depth)) as made:
        yield from takewhile(lambda item: item is not end, made)  # type: ignore[misc]


def map_ahead(function: Callable[[T], R], items: Iterable[T], threads: int = 2, depth: int = 4) -> Generator[R]:
    """`map` in the same order by a pool of threads, at most `depth` items ahead of the one being read.

    Errors and early leaving as in `prefetch`. `items` itself is read in the reader's thread.
    """
    waiting: deque[Future[R]] = deque()
    pool = ThreadPoolExecutor(threads, thread_name_prefix="ahead")
    try:
        for item in items:
            waiting.append(pool.submit(function, item))
            if len(waiting) > depth:
                yield waiting.popleft().result()
        while waiting:
            yield waiting.popleft().result()
    finally:
        pool.shutdown(cancel_futures=True)
