"""The same work on many items at once, on a Ray cluster; Ray is loaded only here, and only when it is asked for."""

from __future__ import annotations

import logging
import os
import socket
from collections.abc import Callable, Generator, Sequence
from typing import Any, final

from mpc_controller.identification.model_structure import IdentificationError
from mpc_controller.identification.parallel import Item, Result, Workers

LOCAL = "local"  # the address of a Ray that is started here
_ANSWER_S = 5.0


@final
class RayWorkers(Workers):
    """Actors of a Ray cluster, one a processor. Every machine of it needs this package and a C compiler.

    address: host:port, ray://host:port, auto (the one that this machine belongs to), or local to start one here. Raises
    IdentificationError where Ray is not installed or does not answer.
    """

    def __init__(self, address: str) -> None:
        try:
            import ray
        except ImportError:
            raise IdentificationError("--ray needs the package ray; pip install 'mpc_controller[ray]'") from None
        self._ray = ray
        self._is_guest = bool(ray.is_initialized())  # somebody else's, who will end it
        if self._is_guest:
            return
        logging.getLogger("ray").setLevel(logging.ERROR)
        settings: dict[str, Any] = {"address": address}
        if address == LOCAL:
            os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
            settings = {"address": LOCAL, "num_cpus": len(os.sched_getaffinity(0)), "include_dashboard": False}
        else:
            _check_answers(address)
        try:
            ray.init(log_to_driver=False, logging_level=logging.ERROR, **settings)
        except (ConnectionError, ValueError, RuntimeError) as error:
            raise IdentificationError(f"--ray {address}: no cluster answers: {str(error).splitlines()[0]}") from None

    def results(
        self, function: Callable[[Any, Item], Result], shared: Any, items: Sequence[Item]
    ) -> Generator[tuple[int, Result], None, None]:
        ray = self._ray
        handle = ray.put(shared)
        count = max(1, min(int(ray.cluster_resources().get("CPU", 1)), len(items)))
        actors = [ray.remote(_Actor).options(num_cpus=1).remote(handle) for _ in range(count)]
        ahead = list(range(len(items)))[::-1]
        working = {actor.run.remote(function, items[k]): (actor, k) for actor in actors for k in [ahead.pop()]}
        try:
            while working:
                (done,), _ = ray.wait(list(working), num_returns=1)
                actor, number = working.pop(done)
                if ahead:  # whoever is done gets the next, so that a slow machine does not hold up the rest
                    following = ahead.pop()
                    working[actor.run.remote(function, items[following])] = (actor, following)
                yield number, ray.get(done)
        except ray.exceptions.RayTaskError as error:
            raise (error.cause or error) from None
        except ray.exceptions.RayError as error:
            raise IdentificationError(f"a worker of the Ray cluster ended: {str(error).splitlines()[0]}") from None
        finally:
            for actor in actors:
                ray.kill(actor)

    def close(self) -> None:
        """Leave the cluster; one that was started here ends."""
        if not self._is_guest:
            self._ray.shutdown()


def _check_answers(address: str) -> None:
    """Ray itself takes minutes to give up, and is loud about it."""
    host, colon, port = address.rpartition("://")[2].rpartition(":")
    if not colon:
        return  # `auto`, or the name of a cluster
    try:
        socket.create_connection((host, int(port)), _ANSWER_S).close()
    except (OSError, ValueError, OverflowError) as error:
        reason = (error.strerror if isinstance(error, OSError) else None) or str(error)
        raise IdentificationError(f"--ray {address}: nothing answers there ({reason})") from None


class _Actor:
    """A worker of a cluster."""

    def __init__(self, shared: Any) -> None:
        self._shared = shared

    def run(self, function: Callable[[Any, Item], Result], item: Item) -> Result:
        return function(self._shared, item)
