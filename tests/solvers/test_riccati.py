"""The linear-quadratic regulator in closed form: dense algebra, textbooks, and what is refused."""

from __future__ import annotations

import numpy as np
import pytest
import scipy.linalg

from mpc_controller.solvers.riccati import RegulatorError, finite_horizon_lqr, infinite_horizon_lqr


def _varying(rng, N, nx, nu):
    """Random time-varying matrices with a positive definite Hessian of every stage."""
    root = rng.normal(size=(N, nx + nu, nx + nu))
    H = root @ root.transpose(0, 2, 1) + 0.1 * np.eye(nx + nu)
    end = rng.normal(size=(nx, nx))
    return {
        "A": rng.normal(size=(N, nx, nx)) / np.sqrt(nx), "B": rng.normal(size=(N, nx, nu)),
        "Q": H[:, :nx, :nx], "R": H[:, nx:, nx:], "S": H[:, :nx, nx:],
        "q": rng.normal(size=(N, nx)), "r": rng.normal(size=(N, nu)), "c": rng.normal(size=(N, nx)),
        "Q_N": end @ end.T, "q_N": rng.normal(size=nx),
    }  # fmt: skip


def _follow(m, feedback, x0):
    x, controls = [x0], []
    for k in range(len(feedback.gains)):
        controls.append(feedback.gains[k] @ x[-1] + feedback.offsets[k])
        x.append(m["A"][k] @ x[-1] + m["B"][k] @ controls[-1] + m["c"][k])
    return np.array(x), np.array(controls)


@pytest.mark.parametrize(("N", "nx", "nu"), [(1, 1, 1), (7, 4, 2), (30, 3, 3)])
def test_affine_time_varying_feedback_is_the_solution_of_the_dense_optimality_system(N, nx, nu):
    m = _varying(np.random.default_rng(N), N, nx, nu)
    x0 = np.ones(nx)
    # Unknowns: u_0..u_{N−1}, x_1..x_N, π_1..π_N of min ½ zᵀHz + hᵀz s.t. G z = b.
    n = N * (nu + nx)
    H, h, G, b = np.zeros((n, n)), np.zeros(n), np.zeros((N * nx, n)), np.zeros(N * nx)
    for k in range(N):
        u, x, ahead = (slice(k * nu, (k + 1) * nu), *(slice(N * nu + i * nx, N * nu + (i + 1) * nx) for i in (k - 1, k)))
        row = slice(k * nx, (k + 1) * nx)
        H[u, u], h[u] = m["R"][k], m["r"][k]
        G[row, ahead], G[row, u], b[row] = np.eye(nx), -m["B"][k], m["c"][k]
        if k == 0:
            h[u] += m["S"][0].T @ x0
            b[row] += m["A"][0] @ x0
        else:
            H[x, x], H[x, u], H[u, x], h[x] = m["Q"][k], m["S"][k], m["S"][k].T, m["q"][k]
            G[row, x] = -m["A"][k]
    H[n - nx :, n - nx :], h[n - nx :] = m["Q_N"], m["q_N"]
    z = np.linalg.solve(np.block([[H, G.T], [G, np.zeros((N * nx, N * nx))]]), np.concatenate([-h, b]))
    states, controls = _follow(m, finite_horizon_lqr(**m), x0)
    np.testing.assert_allclose(controls.ravel(), z[: N * nu], atol=1e-8 * (1 + np.abs(z).max()))
    np.testing.assert_allclose(states[1:].ravel(), z[N * nu : n], atol=1e-8 * (1 + np.abs(z).max()))


def test_time_varying_feedback_minimises_the_stacked_least_squares():
    N, nx, nu = 12, 3, 2
    m = _varying(np.random.default_rng(2), N, nx, nu) | {"S": np.zeros((N, nx, nu)), "q_N": np.zeros(nx)}
    m |= {"q": np.zeros((N, nx)), "r": np.zeros((N, nu))}
    x0 = np.array([1.0, -2.0, 0.5])
    effect, free, rows, targets = np.zeros((nx, N * nu)), x0, [], []
    for k in range(N):
        choose = np.eye(N * nu)[k * nu : (k + 1) * nu]
        for weight, J, value in ((m["Q"][k], effect, free), (m["R"][k], choose, np.zeros(nu))):
            root = np.linalg.cholesky(weight).T
            rows.append(root @ J)
            targets.append(-root @ value)
        effect, free = m["A"][k] @ effect + m["B"][k] @ choose, m["A"][k] @ free + m["c"][k]
    root = scipy.linalg.sqrtm(m["Q_N"]).real
    stacked = np.linalg.lstsq(np.vstack([*rows, root @ effect]), np.concatenate([*targets, -root @ free]), rcond=None)[0]
    _, controls = _follow(m, finite_horizon_lqr(**m), x0)
    np.testing.assert_allclose(controls.ravel(), stacked, atol=1e-8)


def test_the_cost_to_go_is_the_cost_of_following_the_feedback():
    m = _varying(np.random.default_rng(3), 9, 3, 2)
    feedback = finite_horizon_lqr(**m)

    def cost(x0):
        x, u = _follow(m, feedback, x0)
        total = 0.5 * x[-1] @ m["Q_N"] @ x[-1] + m["q_N"] @ x[-1]
        for k in range(9):
            total += 0.5 * x[k] @ m["Q"][k] @ x[k] + x[k] @ m["S"][k] @ u[k] + 0.5 * u[k] @ m["R"][k] @ u[k]
            total += m["q"][k] @ x[k] + m["r"][k] @ u[k]
        return total

    x0 = np.array([0.3, -1.0, 2.0])
    assert cost(x0) - cost(np.zeros(3)) == pytest.approx(0.5 * x0 @ feedback.P[0] @ x0 + feedback.p[0] @ x0, rel=1e-10)


def test_far_from_the_end_the_gain_is_that_of_the_endless_horizon():
    rng = np.random.default_rng(4)
    A, B, S = rng.normal(size=(4, 4)), rng.normal(size=(4, 2)), 0.1 * rng.normal(size=(4, 2))
    Q, R = np.diag([1.0, 2.0, 3.0, 4.0]), np.diag([0.5, 0.2])
    K, P = infinite_horizon_lqr(A, B, Q, R, S)
    finite = finite_horizon_lqr(A, B, Q, R, np.eye(4), horizon=300, S=S)
    np.testing.assert_allclose(finite.gains[0], K, rtol=1e-9)
    np.testing.assert_allclose(finite.P[0], P, rtol=1e-9)
    np.testing.assert_allclose(P, scipy.linalg.solve_discrete_are(A, B, Q, R, s=S), rtol=1e-12)


def test_the_double_integrator_has_its_textbook_regulator():
    """min ∫ ½ (q² + u²) with q̈ = u: K = −(1, √2) and P = (√2, 1; 1, √2)."""
    K, P = infinite_horizon_lqr(
        np.array([[0.0, 1], [0, 0]]), np.array([[0.0], [1]]), np.diag([1.0, 0]), np.eye(1), continuous=True
    )
    root = np.sqrt(2)
    np.testing.assert_allclose(K, [[-1, -root]], atol=1e-12)
    np.testing.assert_allclose(P, [[root, 1], [1, root]], atol=1e-12)


def test_a_scalar_regulator_is_the_root_of_its_quadratic():
    """x⁺ = a x + b u: P = q + a²P − (abP)²/(r + b²P)."""
    a, b, q, r = 1.5, 0.7, 2.0, 0.3
    middle = r - q * b * b - a * a * r
    root = (-middle + np.sqrt(middle * middle + 4 * b * b * q * r)) / (2 * b * b)
    K, P = infinite_horizon_lqr(np.array([[a]]), np.array([[b]]), np.array([[q]]), np.array([[r]]))
    assert P[0, 0] == pytest.approx(root, rel=1e-12)
    assert K[0, 0] == pytest.approx(-a * b * root / (r + b * b * root), rel=1e-12)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"R": -np.eye(1)}, "R has the eigenvalue -1"),
        ({"A": np.diag([2.0, 0.5]), "B": np.array([[0.0], [1.0]])}, "no control reaches the mode with the eigenvalue 2"),
        ({"A": np.eye(2), "B": np.eye(2), "R": np.eye(2), "Q": np.diag([1.0, 0.0])}, "no stabilising solution"),
        ({"Q": np.eye(3)}, r"Q has shape \(3, 3\); expected \(2, 2\)"),
    ],
)
def test_an_impossible_regulator_is_refused_with_the_reason(changes, message):
    matrices = {"A": np.array([[1.0, 0.1], [0, 1]]), "B": np.array([[0.0], [0.1]]), "Q": np.eye(2), "R": np.eye(1)} | changes
    with pytest.raises(RegulatorError, match=message):
        infinite_horizon_lqr(**matrices)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({}, "horizons are not given"),
        ({"horizon": 3, "q": np.zeros((4, 2))}, "horizons are {'horizon': 3, 'q': 4}"),
        ({"horizon": 3, "c": np.zeros(3)}, r"c has shape \(3,\)"),
        ({"horizon": 3, "R": -10 * np.eye(1)}, "at k=2 is not positive definite"),
        ({"horizon": 3, "Q_N": np.eye(3)}, "Q_N has shape"),
    ],
)
def test_a_finite_horizon_that_does_not_fit_is_refused_by_name(changes, message):
    matrices = {"A": np.eye(2), "B": np.ones((2, 1)), "Q": np.eye(2), "R": np.eye(1), "Q_N": np.eye(2)} | changes
    with pytest.raises(RegulatorError, match=message):
        finite_horizon_lqr(**matrices)
