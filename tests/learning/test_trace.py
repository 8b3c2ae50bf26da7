"""What pictures show of a residual: what would have explained a log, what it gave, and how far it was trusted."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from mpc_controller.learning.data_set import DataSet
from mpc_controller.learning.trace import Trace, trace_of
from mpc_controller.learning.validation import validated
from mpc_controller.model.residual.residual import Residual
from mpc_controller.native.native_residual import NativeResidual
from tests.learning.carts import cart, cart_log
from tests.model.residuals import linear_residual, wide_open

TRUTH = np.array([[-0.8, 0.0]])  # carts.drag


def _traced(residual: Residual) -> Trace:
    data = DataSet(cart())
    (track,) = data.tracks([cart_log("run", 0)])
    return trace_of(data, NativeResidual(residual.shape), residual, track)


def test_the_true_force_is_what_explains_a_log() -> None:
    trace = _traced(linear_residual(TRUTH))
    np.testing.assert_allclose(trace.given, trace.wanted, atol=1e-4)
    np.testing.assert_allclose(trace.explained, 1.0, atol=1e-6)
    assert len(trace.times) == len(trace.wanted) == 399
    assert (np.diff(trace.times) > 0).all()
    assert trace.outside == 0
    assert (trace.gate == 1).all()


def test_half_of_the_force_explains_three_quarters_and_its_opposite_is_worse_than_nothing() -> None:
    np.testing.assert_allclose(_traced(linear_residual(TRUTH / 2)).explained, 0.75, atol=1e-4)
    np.testing.assert_allclose(_traced(linear_residual(-TRUTH)).explained, -3.0, atol=1e-3)


def test_where_the_range_ends_the_gate_closes_and_the_feature_is_told() -> None:
    velocity = DataSet(cart()).tracks([cart_log("run", 0)])[0].states[:-1, 1]
    edge = float(np.quantile(velocity, 0.8))
    guard = replace(wide_open(2, 1), upper=np.array([edge, 1e6]), fade=np.array([1e-6, 1.0]))
    trace = _traced(replace(linear_residual(TRUTH), guard=guard))
    np.testing.assert_allclose(trace.beyond, [np.mean(velocity > edge), 0.0])
    assert trace.outside == trace.beyond[0]
    assert not trace.given[trace.wanted[:, 0] < -0.8 * edge - 1e-3].any()


def test_curves_over_the_horizon_add_up_to_the_errors_of_the_table() -> None:
    data = DataSet(cart())
    tracks = data.tracks([cart_log("run", 0)])
    judged = validated(data, linear_residual(TRUTH), tracks)
    (row,), (trace,) = judged.rows, judged.traces
    assert row.curve is not None
    np.testing.assert_allclose(row.curve.physics.sum(axis=0), row.physics)
    np.testing.assert_allclose(row.curve.fused.sum(axis=0), row.fused)
    np.testing.assert_allclose(row.curve.ahead, 0.05 * np.arange(1, 21))
    assert trace.log == row.log
    assert "curve" not in row.as_json()
