"""A CasADi function as compiled code that is cheap to call from Python."""

from __future__ import annotations

import ctypes
import threading
from collections.abc import Callable
from typing import final

import casadi as ca
import numpy as np
import numpy.typing as npt

from mpc_controller.arrays import Array
from mpc_controller.native.build import Source, build_library
from mpc_controller.native.codegen import dense, generate_c

_ENTRY = "function"


def _ignore(line: str) -> None:
    """The default for reports: nobody listens."""


@final
class NativeFunction:
    """y₁, y₂, … = f(x₁, x₂, …), compiled at construction (or taken from the cache) and called without the GIL.

    Arrays are float64: a CasADi column (n, 1) is (n,), anything else (n, m). Results are fresh arrays. A call from Python costs
    a few microseconds over the C code itself; calls from several threads take turns.

    Raises CompilerError when it cannot be built.
    """

    def __init__(self, function: ca.Function, name: str, report: Callable[[str], None] = _ignore) -> None:
        self.name = name
        self.build = build_library(
            name, function.serialize(), lambda: [Source("function.c", generate_c([dense(function, _ENTRY)]), "-O1")], report
        )
        inputs = [function.size_in(i) for i in range(function.n_in())]
        outputs = [function.size_out(i) for i in range(function.n_out())]
        sizes = self._work_sizes()
        self._inputs = [np.zeros(shape, order="F") for shape in inputs]
        self._outputs = [np.zeros(shape, order="F") for shape in outputs]
        self._work = np.zeros(sizes[2] + 1, dtype=np.int64), np.zeros(sizes[3] + 1)
        arguments, results = _pointers(self._inputs, sizes[0]), _pointers(self._outputs, sizes[1])
        self._evaluate = self.build.library[_ENTRY]
        self._call_arguments = (arguments, results, *map(_address, self._work), ctypes.c_int(0))
        # What callers see: columns as vectors, on the memory that the C code uses.
        self._argument_views = tuple(a[:, 0] if a.shape[1] == 1 else a for a in self._inputs)
        self._result_views = tuple(a[:, 0] if a.shape[1] == 1 else a for a in self._outputs)
        self._shapes = tuple(view.shape for view in self._argument_views)
        self._lock = threading.Lock()

    def __call__(self, *arguments: npt.ArrayLike) -> tuple[Array, ...]:
        """Evaluate; ValueError when the number or the shapes of the arguments are wrong."""
        given = [np.asarray(argument, dtype=np.float64) for argument in arguments]
        if tuple(a.shape for a in given) != self._shapes:
            raise ValueError(f"{self.name} takes arrays of shapes {self._shapes}; got {tuple(a.shape for a in given)}")
        with self._lock:
            for view, value in zip(self._argument_views, given, strict=True):
                view[...] = value
            if self._evaluate(*self._call_arguments) != 0:
                raise ArithmeticError(f"{self.name}: the evaluation failed")
            return tuple(view.copy() for view in self._result_views)

    def _work_sizes(self) -> list[int]:
        """Lengths of the pointer arrays and of the integer and real work vectors that the C code asks for."""
        sizes = [ctypes.c_longlong() for _ in range(4)]
        self.build.library[f"{_ENTRY}_work"](*map(ctypes.byref, sizes))
        return [size.value for size in sizes]


def _address(array: npt.NDArray[np.generic]) -> ctypes.c_void_p:
    return ctypes.c_void_p(array.ctypes.data)


def _pointers(arrays: list[Array], length: int) -> ctypes.Array[ctypes.c_void_p]:
    """A C array of `length` pointers that starts with those of the arrays."""
    return (ctypes.c_void_p * max(length, len(arrays), 1))(*(array.ctypes.data for array in arrays))
