"""How fast this machine is now, against the one on which the times in published.toml were recorded."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from launch.bench.measure import Bench, Effort
from launch.bench.peers.casadi_peers import textbook_peer
from launch.bench.problems import PROBLEMS
from launch.bench.published import published
from launch.bench.row import Mode

# Of these four the ratios agree within 20 %. On racecar a cold solve takes twice as long as its record says: there it must have
# taken fewer iterations.
_PROBLEMS, _PLUGINS = ("cartpole", "quadrotor"), ("ipopt", "fatrop")
YARDSTICK = "cold solves of CasADi's ipopt and fatrop on cartpole and quadrotor"


def machine_scale(repetitions: int, progress: Callable[[str], None]) -> float:
    """By what to multiply recorded times: the geometric mean of measured by recorded medians of some quick peers."""
    ratios = []
    for name in _PROBLEMS:
        bench = Bench(PROBLEMS[name](), Effort(repetitions=repetitions), lambda line: progress(f"yardstick: {line}"))
        for plugin in _PLUGINS:
            peer = textbook_peer(plugin)
            record = published(peer.name, name, Mode.COLD)
            assert record is not None
            micros = bench.cold(peer.make(bench.case.problem, Mode.COLD)).micros
            ratios.append(float(np.median(micros)) / record.median_us)
    return float(np.exp(np.mean(np.log(ratios))))
