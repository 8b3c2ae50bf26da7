"""Compiled functions give what CasADi gives."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import casadi as ca
import numpy as np
import pytest

from mpc_controller.native.codegen import dense, generate_c
from mpc_controller.native.function import NativeFunction


def _functions() -> list[ca.Function]:
    """A function of SX with sparse and matrix outputs, and one of MX."""
    x, u, a = ca.SX.sym("x", 3), ca.SX.sym("u", 2), ca.SX.sym("a", 2, 3)
    outputs = [a @ x + ca.sin(u), ca.jacobian(x**2, x), x @ u.T, ca.sumsqr(x)]
    m = ca.MX.sym("m", 3)
    return [ca.Function("f", [x, u, a], outputs), ca.Function("g", [m], [ca.norm_2(m), m * 2])]


@pytest.mark.parametrize("function", _functions(), ids=["expressions", "matrix graph"])
def test_compiled_values_are_those_of_casadi(function: ca.Function) -> None:
    random = np.random.default_rng(0)
    native = NativeFunction(function, "values")
    for _ in range(5):
        arguments = [random.normal(size=function.size_in(i)) for i in range(function.n_in())]
        wanted = function.call([ca.DM(a) for a in arguments])
        given = native(*(a[:, 0] if a.shape[1] == 1 else a for a in arguments))
        for value, expected in zip(given, wanted, strict=True):
            dense_value = expected.full()
            assert value.shape == (dense_value.shape[:1] if dense_value.shape[1] == 1 else dense_value.shape)
            np.testing.assert_allclose(value, dense_value.reshape(value.shape), rtol=1e-14, atol=1e-15)


def test_other_values_never_rebuild(cache: Path) -> None:
    f, _ = _functions()
    native = NativeFunction(f, "values")
    files = {file: file.stat().st_mtime_ns for file in (cache / "native").iterdir()}
    for scale in (1.0, 2.0):
        native(np.full(3, scale), np.full(2, scale), np.full((2, 3), scale))
    assert NativeFunction(_functions()[0], "values").build.from_cache
    assert files == {file: file.stat().st_mtime_ns for file in (cache / "native").iterdir()}


def test_results_are_fresh_arrays() -> None:
    native = NativeFunction(_functions()[1], "fresh")
    first = native(np.ones(3))[1]
    native(np.zeros(3))
    np.testing.assert_array_equal(first, 2 * np.ones(3))


@pytest.mark.parametrize("arguments", [(), (np.zeros(4),), (np.zeros((3, 1)),), (np.zeros(3), np.zeros(3))])
def test_wrong_numbers_or_shapes_are_refused(arguments: tuple[np.ndarray, ...]) -> None:
    native = NativeFunction(_functions()[1], "the norm")
    with pytest.raises(ValueError, match=r"the norm takes arrays of shapes \(\(3,\),\)"):
        native(*arguments)


def test_threads_may_share_a_function() -> None:
    native = NativeFunction(_functions()[1], "shared")

    def doubled(k: int) -> bool:
        return all(np.array_equal(native(np.full(3, float(k)))[1], np.full(3, 2.0 * k)) for _ in range(500))

    with ThreadPoolExecutor(4) as pool:
        assert all(pool.map(doubled, range(4)))


def test_not_a_number_passes_through() -> None:
    norm, _ = NativeFunction(_functions()[1], "nan")(np.array([np.nan, 0.0, 0.0]))
    assert np.isnan(norm).all()


def test_one_text_holds_several_functions() -> None:
    f, g = _functions()
    text = generate_c([dense(f, "first"), dense(g, "second")])
    for name in ("first", "second"):
        assert f"int {name}(const casadi_real** arg, casadi_real** res, casadi_int* iw, casadi_real* w, int mem)" in text


def test_two_functions_of_one_name_are_refused() -> None:
    f, g = _functions()
    with pytest.raises(ValueError, match="'same' occurs twice"):
        generate_c([dense(f, "same"), dense(g, "same")])
