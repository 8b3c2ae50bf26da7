"""The same work on many items at once: on the cores of this machine, or on a Ray cluster."""

from __future__ import annotations

import abc
import contextlib
import multiprocessing
import os
import signal
import threading
from collections.abc import Callable, Generator, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from concurrent.futures.process import BrokenProcessPool
from typing import Any, TypeVar, final

from mpc_controller.identification.model_structure import IdentificationError

Item = TypeVar("Item")
Result = TypeVar("Result")


class Workers(abc.ABC):
    """`map(function, shared, items)` is [function(shared, item) for item in items], in this order.

    `function` is one of a module, and `shared` is sent once to every worker: what it builds on it stays with it.
    """

    @final
    def map(
        self,
        function: Callable[[Any, Item], Result],
        shared: Any,
        items: Sequence[Item],
        progress: Callable[[str], None] = lambda line: None,
    ) -> list[Result]:
        """An error of an item is raised as it is; the rest is given up. IdentificationError where a worker dies."""
        results: dict[int, Result] = {}
        if items:
            with contextlib.closing(self.results(function, shared, items)) as done:
                for number, result in done:
                    results[number] = result
                    progress(f"{len(results)} of {len(items)} done")
        return [results[number] for number in range(len(items))]

    @abc.abstractmethod
    def results(
        self, function: Callable[[Any, Item], Result], shared: Any, items: Sequence[Item]
    ) -> Generator[tuple[int, Result], None, None]:
        """Number and result of every item (there is one at least) as they come. Closed early, it gives up the rest."""


@final
class LocalWorkers(Workers):
    """Processes, one a core. They end with the call, and with this process, however it ends."""

    def __init__(self, count: int | None = None) -> None:
        self.count = count or len(os.sched_getaffinity(0))

    def results(
        self, function: Callable[[Any, Item], Result], shared: Any, items: Sequence[Item]
    ) -> Generator[tuple[int, Result], None, None]:
        context = multiprocessing.get_context("spawn")  # a fork would take locks of other threads along
        others = set(multiprocessing.active_children())
        with _single_threads():
            pool = ProcessPoolExecutor(min(self.count, len(items)), context, initializer=_begin, initargs=(shared,))
            try:
                with _interrupts_held():
                    numbers = {pool.submit(_run, function, item): number for number, item in enumerate(items)}
                for future in as_completed(numbers):
                    yield numbers[future], future.result()
            except BrokenProcessPool:
                hint = "out of memory, or a script that does this outside of `if __name__ == '__main__':`"
                raise IdentificationError(f"a worker process ended by itself ({hint})") from None
            except BaseException:
                for process in set(multiprocessing.active_children()) - others:
                    process.terminate()  # waiting for what they do would take as long as doing it
                raise
            finally:
                pool.shutdown(cancel_futures=True)


@contextlib.contextmanager
def _single_threads() -> Iterator[None]:
    """Processes started meanwhile have linear algebra on one core: it reads this when it is loaded."""
    names = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS")
    before = {name: os.environ.get(name) for name in names}
    os.environ.update(dict.fromkeys(names, "1"))
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                del os.environ[name]
            else:
                os.environ[name] = value


@contextlib.contextmanager
def _interrupts_held() -> Iterator[None]:
    """Ctrl-C at a terminal reaches all its processes: those started meanwhile never see it, this one does afterwards."""
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


_shared: Any = None  # of this process, which is a worker's


def _begin(shared: Any) -> None:
    global _shared
    _shared = shared
    threading.Thread(target=_end_with_parent, daemon=True).start()


def _end_with_parent() -> None:
    """A killed parent says nothing, and a worker would wait for its next item for ever."""
    parent = multiprocessing.parent_process()
    if parent is not None:
        parent.join()
        os._exit(1)


def _run(function: Callable[[Any, Item], Result], item: Item) -> Result:
    return function(_shared, item)
