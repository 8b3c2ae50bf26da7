"""`mpc bench residual` measures what it says."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np

from launch.bench.residual import numpy_jacobian
from mpc_controller.model.residual.network import mlp_shape
from mpc_controller.model.residual.residual import ResidualShape
from mpc_controller.native.native_residual import NativeResidual
from tests.launch.command import run
from tests.model.residuals import random_residual


def test_residuals_are_measured_beside_numpy_and_in_the_loop(tmp_path: Path) -> None:
    path = tmp_path / "rows.json"
    done = run("bench", "residual", "--quick", "--json", str(path))
    assert (done.returncode, done.stderr) == (0, "")
    rows = json.loads(path.read_text())
    assert [(row["network"], row.get("stages")) for row in rows if row["kind"] == "network"] == [
        ("2x64", 20), ("5x128", 20), ("12x512", 20)
    ]  # fmt: skip
    assert all(0 < row["median_us"] <= row["p99_us"] and row["numpy_us"] > 0 for row in rows if row["kind"] == "network")
    assert [row["network"] for row in rows if row["kind"] == "loop"] == ["none", "2x64", "2x64, chance 0.95", "5x128"]
    assert "values and Jacobians of 20 stages, 16 inputs, 12 outputs" in done.stdout


def test_numpy_has_the_same_jacobians() -> None:
    residual = random_residual(ResidualShape(mlp_shape(5, (7, 6), 3)))
    z = np.random.default_rng(0).standard_normal((4, 5))
    y, jacobian = numpy_jacobian(residual.networks[0], z.astype(np.float32))
    r, by_z, _ = NativeResidual(residual.shape).jacobians(residual, z)
    np.testing.assert_allclose(y, r, atol=1e-5)
    np.testing.assert_allclose(jacobian, by_z, atol=1e-5)
