"""Work on many items at once: the same in processes as on a local Ray, and nothing left behind however it ends."""

from __future__ import annotations

import os
import pickle
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from mpc_controller.identification.identify import IdentifyOptions, output_error
from mpc_controller.identification.model_structure import IdentificationError
from mpc_controller.identification.output_error import OutputError, OutputErrorOptions
from mpc_controller.identification.parallel import LocalWorkers, Workers
from mpc_controller.identification.ray_workers import RayWorkers
from mpc_controller.identification.repeated_fits import RepeatedFit
from tests.identification.here import Here
from tests.identification.machines import machine
from tests.identification.pendulum import TRUTH, structure, swing
from tests.identification.worker_tasks import NEVER_S, dies, scaled
from tests.launch.command import environment


# Starting and ending a Ray takes half a minute: with the long tests.
@pytest.fixture(scope="module", params=["processes", pytest.param("ray", marks=pytest.mark.slow)])
def workers(request: pytest.FixtureRequest) -> Iterator[Workers]:
    if request.param == "processes":
        yield LocalWorkers(2)
        return
    pytest.importorskip("ray")
    cluster = RayWorkers("local")
    yield cluster
    cluster.close()


def test_results_come_in_order(workers: Workers) -> None:
    lines: list[str] = []
    found = workers.map(scaled, np.array([1.0, 2.0]), [3.0, 1.0, 2.0], lines.append)
    np.testing.assert_array_equal(found, [[3.0, 6.0], [1.0, 2.0], [2.0, 4.0]])
    assert lines == ["1 of 3 done", "2 of 3 done", "3 of 3 done"]
    assert workers.map(scaled, np.zeros(1), []) == []


def test_an_error_is_raised_as_it_is_and_nobody_waits_for_the_other_items(workers: Workers) -> None:
    with pytest.raises(ValueError, match=r"^-1 is below 0$") as caught:
        workers.map(scaled, np.zeros(1), [NEVER_S, -1.0])
    assert caught.type is ValueError


def test_a_worker_that_dies_is_an_error_in_one_line(workers: Workers) -> None:
    with pytest.raises(IdentificationError, match=r"^a worker .* ended") as caught:
        workers.map(dies, None, [3, 3])
    assert "\n" not in str(caught.value)


def test_fits_are_the_same_everywhere(workers: Workers) -> None:
    fit, logs = OutputError(structure(2.5 * TRUTH), delay=False), [swing(4.0, torque=3.0, seed=seed) for seed in range(2)]
    once = IdentifyOptions(output_error=OutputErrorOptions(threads=1), compares_lengths=False)
    options = replace(once, starts=3, bootstrap=10, cross_validates=True)
    (here, _, _), (there, _, _) = (output_error(fit, logs, options, workers=some) for some in (Here(), workers))
    assert here.notes == there.notes
    assert here.estimated == there.estimated
    assert "all 3 starts end at the same values" in here.notes
    assert here.cross_validation is not None
    assert there.cross_validation is not None
    np.testing.assert_array_equal(here.cross_validation.estimates, there.cross_validation.estimates)


@pytest.mark.parametrize(("sent", "to_all"), [(signal.SIGINT, True), (signal.SIGKILL, False)])
def test_no_worker_outlives_a_run_that_is_stopped(tmp_path: Path, sent: signal.Signals, to_all: bool) -> None:
    """Ctrl-C goes to the whole group of a terminal; kill -9 only to the one that it names."""
    script = tmp_path / "script.py"
    script.write_text(
        "from pathlib import Path\n"
        "from mpc_controller.identification.parallel import LocalWorkers\n"
        "from tests.identification.worker_tasks import marks_and_sleeps\n"
        "if __name__ == '__main__':\n"
        f"    LocalWorkers(2).map(marks_and_sleeps, Path({str(tmp_path / 'pids')!r}), [0, 1])\n"
    )
    pids = tmp_path / "pids"
    pids.mkdir()
    run = subprocess.Popen(
        [sys.executable, script], stderr=subprocess.PIPE, text=True, env=environment(), start_new_session=True
    )
    _wait(lambda: len(list(pids.iterdir())) == 2)
    (os.killpg if to_all else os.kill)(run.pid, sent)
    _, errors = run.communicate()
    assert errors.count("KeyboardInterrupt") == int(to_all)  # its own, not its workers'
    _wait(lambda: not any(_is_running(int(file.name)) for file in pids.iterdir()))


def test_a_model_that_holds_expressions_is_sent_and_needs_no_second_compilation() -> None:
    m = machine("arm")
    shared = RepeatedFit(m.structure, True, [m.log(0.1)], OutputErrorOptions())
    library = shared.fit.library.build.path
    again = pickle.loads(pickle.dumps(shared)).fit.library.build
    assert again.from_cache
    assert again.path == library


def test_without_ray_the_error_names_the_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "ray", None)
    with pytest.raises(IdentificationError, match=r"pip install 'mpc_controller\[ray\]'"):
        RayWorkers("local")


@pytest.mark.slow
@pytest.mark.parametrize("address", ["127.0.0.1:1", "ray://127.0.0.1:1", "127.0.0.1:nowhere", "127.0.0.1:99999"])
def test_a_cluster_that_is_not_there_is_named_at_once(address: str, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("ray")
    monkeypatch.setattr("ray.is_initialized", lambda: False)  # whatever the other tests have started
    with pytest.raises(IdentificationError, match=f"^--ray {address}: nothing answers there"):
        RayWorkers(address)


def _wait(holds: object) -> None:
    assert callable(holds)
    while not holds():  # the test's timeout ends it
        time.sleep(0.05)


def _is_running(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False
