"""Networks from elsewhere as residuals: where they hold, what they give there, and who judges them."""

from __future__ import annotations

import hashlib
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from mpc_controller.arrays import Array
from mpc_controller.learning.imported import NOT_JUDGED, learn_imported
from mpc_controller.learning.options import LearningError
from mpc_controller.model.residual.residual_file import residual_bytes, residual_from_bytes
from mpc_controller.native.native_residual import NativeResidual
from tests.learning.carts import cart, cart_log
from tests.learning.test_onnx_import import Graph

onnx = pytest.importorskip("onnx")

RANGES = np.array([-4.0, -3.0]), np.array([6.0, 5.0])


def linear_file(folder: Path, matrix: Array) -> Path:
    """y = matrix x as an ONNX file."""
    graph = Graph(matrix.shape[1])
    onnx.save(graph.model(graph.node("MatMul", "x", graph.constant(matrix.T))), str(folder / "net.onnx"))
    return folder / "net.onnx"


def corners(lower: Array, upper: Array) -> Array:
    return np.stack(np.meshgrid(*zip(lower, upper, strict=True)), axis=-1).reshape(-1, len(lower))


def test_the_true_drag_from_a_file_is_accepted_with_the_guard_of_the_logs(tmp_path: Path) -> None:
    path = linear_file(tmp_path, np.array([[-0.8, 0.0]]))
    logs = [replace(cart_log(name, seed, noise=1e-3), digest=f"digest of {name}") for seed, name in enumerate("abc")]
    learned = learn_imported(cart(), path, logs)
    residual = learned.residual
    assert residual.accepted, learned.reason
    assert learned.rows[-1].ratio < 0.2
    assert [row.role for row in learned.rows] == ["learned", "learned", "held out"]
    assert [trace.log for trace in learned.traces] == ["c"]
    fastest = np.abs(logs[0].measured[:, 1]).max()
    assert residual.guard.bound == pytest.approx(0.8 * fastest, rel=0.3)
    z = np.array([[0.3, 0.1], [1e3, 0.0]])
    r, gate = NativeResidual(residual.shape).values(residual, z)
    np.testing.assert_allclose(r, [[-0.24], [0.0]], atol=1e-6)
    assert gate.tolist() == [1.0, 0.0]
    said = residual.provenance
    assert said["network"] == f"net.onnx sha256:{hashlib.sha256(path.read_bytes()).hexdigest()}"
    assert said["logs"] == ["a sha256:digest of a", "b sha256:digest of b"]
    assert said["validation_logs"] == ["c sha256:digest of c"]
    assert {"date", "model", "horizon_s", "control_delay_s"} <= set(said)


def test_without_logs_it_holds_within_the_ranges_and_is_not_accepted(tmp_path: Path) -> None:
    matrix = np.array([[-0.8, 0.3]])
    learned = learn_imported(cart(), linear_file(tmp_path, matrix), (), ranges=RANGES)
    residual = residual_from_bytes(residual_bytes(learned.residual), "")
    assert not residual.accepted
    assert learned.reason == residual.metrics["reason"] == NOT_JUDGED
    assert learned.rows == learned.traces == ()
    assert residual.provenance["ranges"] == {"velocity": [-4.0, 6.0], "drive": [-3.0, 5.0]}
    assert residual.provenance["logs"] == []
    within = np.concatenate([corners(*RANGES), np.random.default_rng(0).uniform(*RANGES, (100, 2))])
    r, gate = NativeResidual(residual.shape).values(residual, within)
    np.testing.assert_allclose(gate, 1.0, atol=1e-12)
    np.testing.assert_allclose(r, within @ matrix.T, rtol=1e-5, atol=1e-5)
    beyond = np.concatenate([corners(RANGES[0] - 3, RANGES[1] + 3), [[30.0, 0.0]]])
    assert not NativeResidual(residual.shape).values(residual, beyond)[0].any()


def test_ranges_and_logs_that_only_judge_can_be_accepted(tmp_path: Path) -> None:
    path, logs = linear_file(tmp_path, np.array([[-0.8, 0.0]])), [cart_log("a", 0, noise=1e-3)]
    learned = learn_imported(cart(), path, (), logs, ranges=RANGES)
    assert learned.residual.accepted, learned.reason
    assert [row.role for row in learned.rows] == ["held out"]
    against = learn_imported(cart(), linear_file(tmp_path, np.array([[0.8, 0.0]])), (), logs, ranges=RANGES)
    assert not against.residual.accepted
    assert "above 1" in against.reason


def test_networks_of_other_sizes_and_machines_without_a_port_are_refused(tmp_path: Path) -> None:
    path = linear_file(tmp_path, np.ones((2, 3)))
    with pytest.raises(LearningError, match=r"takes 3 numbers and gives 2; cart has 2 features \(velocity, drive\) and 1 out"):
        learn_imported(cart(), path, (), ranges=RANGES)
    with pytest.raises(LearningError, match="does not say where a learned residual enters"):
        learn_imported(replace(cart(), residual_port=None), path, (), ranges=RANGES)
