"""`mpc learn --import` from the command line: with logs, without, and what it refuses."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from mpc_controller.model.residual.residual_file import load_residual
from mpc_controller.native.native_residual import NativeResidual
from robots import load_robot
from tests.identification.arm_runs import write_runs
from tests.identification.machines import machine
from tests.launch.command import run_here
from tests.learning.test_onnx_import import Graph

onnx = pytest.importorskip("onnx")

PORT = load_robot("cartpole").residual_port
assert PORT is not None
DAMPING = load_robot("cartpole").dynamics.nominal.parameters.as_dict()["cart_damping"]


def write_network(path: Path, inputs: int = PORT.nz, outputs: int = PORT.nr, last: str = "Identity") -> None:
    """−2 cart_damping times the cart's velocity on the cart: what a cart with three times the damping lacks."""
    graph, weights = Graph(inputs), np.zeros((inputs, outputs))
    weights[PORT.feature_names.index("velocity"), 0] = -2 * DAMPING
    onnx.save(graph.model(graph.node(last, graph.node("MatMul", "x", graph.constant(weights)))), str(path))


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with two runs of a cart-pole whose cart has three times the damping of its model, and a network of it."""
    folder = tmp_path_factory.mktemp("runs")
    made = [machine("cartpole", seed) for seed in range(2)]
    names = made[0].structure.dynamics.parameters.names
    truth = made[0].structure.dynamics.parameters.values
    truth[names.index("cart_damping")] *= 3
    write_runs(made[0].structure, [replace(m, truth=truth).log(6.0, seed=k) for k, m in enumerate(made)], folder)
    write_network(folder / "net.onnx")
    (folder / "ranges.toml").write_text("".join(f"{name} = {{lower = -2.0, upper = 3}}\n" for name in PORT.feature_names))
    return folder


def test_a_network_that_says_what_is_missing_is_accepted(
    runs: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    logs = sorted(path.name for path in runs.glob("*.csv"))
    outputs = ("--output", str(tmp_path / "r.npz"), "--json", str(tmp_path / "told.json"))
    done = run_here(
        "learn", "cartpole", *logs, "--mapping", "log.toml", "--import", "net.onnx", *outputs, cwd=runs, capsys=capsys
    )
    assert (done.returncode, done.stderr) == (0, "")
    assert "accepted: on what was held out the error is 0." in done.stdout
    residual = load_residual(tmp_path / "r.npz")
    assert residual.accepted
    assert residual.family == "imported"
    for files, names in (("logs", logs[:1]), ("validation_logs", logs[1:])):
        assert [entry.partition(" sha256:")[0] for entry in residual.provenance[files]] == names
        assert all(len(entry.partition(" sha256:")[2]) == 64 for entry in residual.provenance[files])
    told = json.loads((tmp_path / "told.json").read_text())
    assert told["accepted"] is True
    assert "Gate along" in (tmp_path / "r.html").read_text()


def test_without_logs_ranges_say_where_it_holds_and_it_must_be_forced(
    runs: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    write_network(tmp_path / "net.onnx")
    wider = ("velocity=-4:5", str(runs / "ranges.toml"), "velocity=-5:5")
    done = run_here("learn", "cartpole", "--import", "net.onnx", "--range", *wider, cwd=tmp_path, capsys=capsys)
    assert (done.returncode, done.stderr) == (0, "")
    assert "NOT accepted: no log has judged it" in done.stdout
    assert "mpc control cartpole --residual cartpole-residual.npz --force-residual" in done.stdout
    residual = load_residual(tmp_path / "cartpole-residual.npz")
    assert not residual.accepted
    k = PORT.feature_names.index("velocity")
    z = np.full((1, PORT.nz), 0.5)
    z[0, k] = 4.9
    r, gate = NativeResidual(residual.shape).values(residual, z)
    assert gate[0] == 1
    assert r[0, 0] == pytest.approx(-2 * DAMPING * 4.9, rel=1e-5)
    assert "<svg" not in (tmp_path / "cartpole-residual.html").read_text()
    refused = run_here("control", "cartpole", "--residual", "cartpole-residual.npz", cwd=tmp_path, capsys=capsys)
    assert refused.returncode == 2
    assert "no log has judged it; --force-residual takes it all the same" in refused.stderr


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("--import", "net.onnx"), f"nor --range says where the network holds, in terms of {', '.join(PORT.feature_names)}"),
        (("--range", "velocity=-1:1"), "--range says where a network of --import holds"),
        ((), "no log of 'cartpole' to learn from; give at least one, or a network with --import"),
        (("run0.csv", "--import", "net.onnx", "--range", "ranges.toml"), "--range and logs both say where the network holds"),
        (("--import", "net.onnx", "--range", "velocity=-1:1"), "still need NAME=LOWER:UPPER"),
        (("--import", "net.onnx", "--range", "ranges.toml", "speed=-1:1"), "no feature 'speed'; there are "),
        (
            ("--import", "net.onnx", "--range", "ranges.toml", "velocity=2:1"),
            "velocity is 2:1; it must be two finite",
        ),
        (("--import", "net.onnx", "--range", "ranges.toml", "velocity=nan:1"), "velocity is nan:1; it must be two"),
        (("--import", "net.onnx", "--range", "velocity=3"), "'velocity=3' must be NAME=LOWER:UPPER, such as"),
        (("--import", "net.onnx", "--range", "half.toml"), "half.toml: no 'velocity.upper'; it must be a number"),
        (("--import", "net.onnx", "--range", "nothing.toml"), "nothing.toml: no such file"),
        (
            ("--import", "small.onnx", "--range", "ranges.toml"),
            "small.onnx: the network takes 4 numbers and gives 7; cartpole has",
        ),
        (("--import", "odd.onnx", "--range", "ranges.toml"), "odd.onnx: node 'softmax_1' (Softmax) is not supported"),
        (("--import", "ranges.toml", "--range", "ranges.toml"), "ranges.toml: cannot be read as ONNX"),
    ],
)
def test_bad_input_is_one_line_and_nothing_is_written(
    runs: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], arguments: tuple[str, ...], message: str
) -> None:
    write_network(tmp_path / "net.onnx")
    write_network(tmp_path / "small.onnx", 4, 7)
    write_network(tmp_path / "odd.onnx", last="Softmax")
    (tmp_path / "ranges.toml").write_text((runs / "ranges.toml").read_text())
    (tmp_path / "half.toml").write_text("velocity = {lower = -1}\n")
    before = sorted(tmp_path.iterdir())
    done = run_here("learn", "cartpole", *arguments, cwd=tmp_path, capsys=capsys)
    assert done.returncode == 2
    assert message in done.stderr
    assert done.stderr.count("\n") == 1
    assert sorted(tmp_path.iterdir()) == before
