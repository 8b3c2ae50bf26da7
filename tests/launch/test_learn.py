"""`mpc learn`, `mpc control --residual` and `mpc residual` from the command line: what they write, and what they refuse."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from mpc_controller.model.residual.network import mlp_shape
from mpc_controller.model.residual.residual import Residual, ResidualShape
from mpc_controller.model.residual.residual_file import load_residual, save_residual
from robots import load_robot
from tests.identification.arm_runs import write_runs
from tests.identification.machines import machine
from tests.launch.command import run, run_here, start
from tests.model.residuals import random_residual

pytest.importorskip("jax")


def _residual(seed: int = 0, **changes: object) -> Residual:
    """A small one for the cart-pole."""
    robot = load_robot("cartpole")
    port = robot.residual_port
    assert port is not None
    small = random_residual(ResidualShape(mlp_shape(port.nz, (8,), port.nr)), seed, 1e-3)
    fields = {
        "robot": "cartpole",
        "model_hash": robot.model_hash,
        "parameters": robot.dynamics.nominal.parameters.as_dict(),
        "feature_names": port.feature_names,
        "output_names": port.output_names,
    }
    return replace(small, **(fields | changes))  # type: ignore[arg-type]


@pytest.fixture
def logs(tmp_path: Path) -> list[str]:
    """Two runs of a cart-pole whose cart has three times the damping of its model."""
    made = [machine("cartpole", seed) for seed in range(2)]
    names = made[0].structure.dynamics.parameters.names
    truth = made[0].structure.dynamics.parameters.values
    truth[names.index("cart_damping")] *= 3
    write_runs(made[0].structure, [replace(m, truth=truth).log(6.0, seed=k) for k, m in enumerate(made)], tmp_path)
    return sorted(path.name for path in tmp_path.glob("*.csv"))


def test_a_residual_is_learned_judged_and_written(tmp_path: Path, logs: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    options = ("--mapping", "log.toml", "--family", "linear", "--epochs", "3", "--json", "told.json")
    done = run_here("learn", "cartpole", *logs, *options, cwd=tmp_path, capsys=capsys)
    assert (done.returncode, done.stderr) == (0, "")
    assert "accepted: on what was held out the error is 0." in done.stdout
    assert "next:       mpc control cartpole --residual cartpole-residual.npz" in done.stdout
    residual = load_residual(tmp_path / "cartpole-residual.npz")
    assert residual.accepted
    assert residual.robot == "cartpole"
    told = json.loads((tmp_path / "told.json").read_text())
    (held_out,) = (row for row in told["rows"] if row["role"] == "held out")
    assert held_out["ratio"] < 0.7
    assert "<svg" in (tmp_path / "cartpole-residual.html").read_text()
    again = run_here("learn", "cartpole", *logs, *options, cwd=tmp_path, capsys=capsys)
    assert again.returncode == 2
    assert again.stderr == "error: cartpole-residual.npz exists; give another name, or --force to replace it\n"


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("cartpole", "0"), "one log alone cannot judge what is learned from it; give another one, or hold out a share of it"),
        (("cartpole", "0", "0"), "is given twice; a log that is learned from cannot judge"),
        (("cartpole", "0", "1", "--hidden", "8,x"), "'8,x' must be widths of layers between 1 and 4096, such as 32,32"),
        (("go2_leg", "0", "1"), "'go2_leg' is identified in parts"),
        (("pendulum", "0", "1"), "'pendulum' does not say where a learned residual enters"),
        (("cartpole", "0", "1", "--import", "log.toml"), "log.toml"),
    ],
)
def test_bad_input_is_one_line_and_nothing_is_written(
    tmp_path: Path, logs: list[str], capsys: pytest.CaptureFixture[str], arguments: tuple[str, ...], message: str
) -> None:
    named = [logs[int(a)] if a in ("0", "1") else a for a in arguments]
    done = run_here("learn", *named, "--mapping", "log.toml", "--family", "linear", cwd=tmp_path, capsys=capsys)
    assert done.returncode == 2
    assert message in done.stderr
    assert done.stderr.count("\n") == 1
    assert not list(tmp_path.glob("*residual*"))


@pytest.mark.parametrize(
    ("changes", "options", "message"),
    [
        (
            {"accepted": False},
            (),
            "validation did not find it better than physics alone; --force-residual takes it all the same",
        ),
        ({"robot": "arm"}, (), "a residual of arm cannot correct cartpole"),
        ({"model_hash": "0" * 12}, ("--force-residual",), "corrects the equations 000000000000"),
        ({"parameters": {"gravity": 1.0}}, ("--force-residual",), "other parameters"),
    ],
)
def test_the_controller_does_not_start_with_a_residual_of_another_model(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], changes: dict[str, object], options: tuple[str, ...], message: str
) -> None:
    save_residual(tmp_path / "r.npz", _residual(**changes))
    done = run_here("control", "cartpole", "--residual", "r.npz", *options, cwd=tmp_path, capsys=capsys)
    assert done.returncode == 2
    assert message in done.stderr


def test_a_file_that_is_no_residual_is_named(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "r.npz").write_bytes(b"PK\x03\x04 nothing")
    done = run_here("control", "cartpole", "--residual", "r.npz", cwd=tmp_path, capsys=capsys)
    assert done.returncode == 2
    assert "r.npz" in done.stderr


def test_a_running_controller_takes_another_residual_and_refuses_one_that_does_not_fit(tmp_path: Path) -> None:
    address = f"ipc://{tmp_path}/bus"
    for name, residual in (
        ("first", _residual(0)),
        ("second", _residual(1)),
        ("other", _residual(2, parameters={"gravity": np.pi})),
    ):
        save_residual(tmp_path / f"{name}.npz", residual)
    sim = start("sim", "cartpole", "--endpoint", address, "--duration", "3600", "--priority", "0", cwd=tmp_path)
    control = start(
        *("control", "cartpole", "--residual", "first.npz", "--endpoint", address, "--wait", "120", "--priority", "0"),
        cwd=tmp_path,
    )
    try:
        assert control.stdout is not None
        while "waiting for the plant" not in control.stdout.readline():
            assert control.poll() is None
        taken = _until_answered(tmp_path, "second.npz", address)
        assert (taken.returncode, taken.stderr) == (0, "")
        assert taken.stdout.startswith("cartpole plans with it: mlp 8 tanh")
        refused = _until_answered(tmp_path, "other.npz", address)
        assert refused.returncode == 1
        assert "refused it" in refused.stderr
        assert "other parameters" in refused.stderr
    finally:
        for process in (control, sim):
            process.terminate()
            process.communicate(timeout=60)


def _until_answered(folder: Path, name: str, address: str):
    """The controller may not be in charge yet."""
    for _ in range(20):
        done = run("residual", "cartpole", name, "--endpoint", address, cwd=folder)
        if done.returncode != 3:
            break
    return done


def test_without_anybody_there_it_says_so(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    save_residual(tmp_path / "r.npz", _residual())
    done = run_here("residual", "cartpole", "r.npz", "--endpoint", f"ipc://{tmp_path}/bus", cwd=tmp_path, capsys=capsys)
    assert done.returncode == 3
    assert f"no plant of 'cartpole' answers at ipc://{tmp_path}/bus within 3 s" in done.stderr
