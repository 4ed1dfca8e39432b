"""Data is made ready in the background while the model computes."""

import queue
import threading
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

T = TypeVar("T")
R = TypeVar("R")


def prefetch(items: Iterable[T], depth: int = 2) -> Iterator[T]:
    """The same items in the same order, up to `depth` of them made ahead by a thread. An error in `items` is raised
    here; leaving the loop early stops the thread."""
    ready: queue.Queue[tuple[bool, T | BaseException | None]] = queue.Queue(depth)
    stop = threading.Event()

    def offer(entry: tuple[bool, T | BaseException | None]) -> None:
        while not stop.is_set():
            try:
                return ready.put(entry, timeout=0.1)
            except queue.Full:
                continue

    def work() -> None:
        try:
            for item in items:
                offer((True, item))
                if stop.is_set():
                    return
            offer((False, None))
        except BaseException as error:
            offer((False, error))

    threading.Thread(target=work, daemon=True).start()
    try:
        while True:
            more, item = ready.get()
            if not more:
                if isinstance(item, BaseException):
                    raise item
                return
            yield item  # type: ignore[misc]
    finally:
        stop.set()


def map_ahead(function: Callable[[T], R], items: Iterable[T], threads: int = 2, depth: int = 4) -> Iterator[R]:
    """`map` in the same order by a pool of threads, never more than `depth` results ahead of the reader."""
    with ThreadPoolExecutor(threads) as pool:
        waiting: list = []
        for item in items:
            waiting.append(pool.submit(function, item))
            if len(waiting) > depth:
                yield waiting.pop(0).result()
        while waiting:
            yield waiting.pop(0).result()
