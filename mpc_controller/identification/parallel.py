"""The same work on many items at once: on the cores of this machine, or on a Ray cluster."""

from __future__ import annotations

import abc
import multiprocessing
import os
from collections.abc import Callable, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from typing import Any, TypeVar, final

from mpc_controller.identification.model_structure import IdentificationError

Item = TypeVar("Item")
Result = TypeVar("Result")
LOCAL = "local"  # the address of a Ray that is started here


class Workers(abc.ABC):
    """`map(function, shared, items)` is [function(shared, item) for item in items], in this order.

    `function` is one of a module, and `shared` is sent once to every worker: what it builds on it stays with it.
    """

    @abc.abstractmethod
    def map(
        self,
        function: Callable[[Any, Item], Result],
        shared: Any,
        items: Sequence[Item],
        progress: Callable[[str], None] = lambda line: None,
    ) -> list[Result]:
        """An error of an item is raised as it is; the rest is given up."""


@final
class LocalWorkers(Workers):
    """Processes, one a core."""

    def __init__(self, count: int | None = None) -> None:
        self.count = count or len(os.sched_getaffinity(0))

    def map(
        self,
        function: Callable[[Any, Item], Result],
        shared: Any,
        items: Sequence[Item],
        progress: Callable[[str], None] = lambda line: None,
    ) -> list[Result]:
        context = multiprocessing.get_context("spawn")  # a fork would take locks of other threads along
        count = min(self.count, len(items))
        with ProcessPoolExecutor(count, context, initializer=_share, initargs=(shared,)) as pool:
            futures = [pool.submit(_run, function, item) for item in items]
            try:
                for done, _ in enumerate(as_completed(futures), start=1):
                    progress(f"{done} of {len(items)} done")
                return [future.result() for future in futures]
            finally:
                for future in futures:
                    future.cancel()


_shared: Any = None  # of this process, which is a worker's


def _share(shared: Any) -> None:
    global _shared
    _shared = shared


def _run(function: Callable[[Any, Item], Result], item: Item) -> Result:
    return function(_shared, item)


@final
class RayWorkers(Workers):
    """Actors of a Ray cluster, one a processor; `address` is where it is, or `local` to start one here.

    Raises IdentificationError where Ray is not installed or does not answer.
    """

    def __init__(self, address: str) -> None:
        try:
            import ray
        except ImportError:
            raise IdentificationError("--ray needs the package ray; pip install 'mpc_controller[ray]'") from None
        self._ray = ray
        started = None if address == LOCAL else address
        settings: dict[str, Any] = {"num_cpus": len(os.sched_getaffinity(0))} if address == LOCAL else {}
        try:
            ray.init(address=started, log_to_driver=False, include_dashboard=False, **settings)
        except (ConnectionError, ValueError, RuntimeError) as error:
            raise IdentificationError(f"--ray {address}: no cluster answers: {str(error).splitlines()[0]}") from None

    def map(
        self,
        function: Callable[[Any, Item], Result],
        shared: Any,
        items: Sequence[Item],
        progress: Callable[[str], None] = lambda line: None,
    ) -> list[Result]:
        ray = self._ray
        handle = ray.put(shared)
        count = min(int(ray.cluster_resources().get("CPU", 1)), len(items))
        actors = [ray.remote(_Actor).options(num_cpus=1).remote(handle) for _ in range(count)]
        waiting = {actors[k % count].run.remote(function, item): k for k, item in enumerate(items)}
        results: dict[int, Result] = {}
        try:
            while waiting:
                (done,), _ = ray.wait(list(waiting), num_returns=1)
                number = waiting.pop(done)
                try:
                    results[number] = ray.get(done)
                except ray.exceptions.RayTaskError as error:
                    raise error.as_instanceof_cause() from None
                progress(f"{len(results)} of {len(items)} done")
        finally:
            for actor in actors:
                ray.kill(actor)
        return [results[k] for k in range(len(items))]

    def close(self) -> None:
        """Leave the cluster; one that was started here ends."""
        self._ray.shutdown()


class _Actor:
    """A worker of a cluster."""

    def __init__(self, shared: Any) -> None:
        self._shared = shared

    def run(self, function: Callable[[Any, Item], Result], item: Item) -> Result:
        return function(self._shared, item)
