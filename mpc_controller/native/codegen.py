"""CasADi functions to C text."""

from __future__ import annotations

import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import casadi as ca

_OPTIONS: dict[str, Any] = {"with_header": False, "main": False, "mex": False, "casadi_real": "double"}


def generate_c(functions: Sequence[ca.Function], name: str = "generated") -> str:
    """One C text for several functions, to be compiled on its own. What else it exports starts with `name`, so that two texts
    of different names may be linked together.

    Each function f gives `int f(const double** arg, double** res, casadi_int* iw, double* w, int mem)`, with `casadi_int` a
    long long, and `int f_work(casadi_int* sz_arg, casadi_int* sz_res, casadi_int* sz_iw, casadi_int* sz_w)`. Values are
    column-major and hold structural nonzeros only; `dense` makes a function whose values are all dense. Raises ValueError for
    a name that occurs twice.
    """
    names = [function.name() for function in functions]
    for twice in names:
        if names.count(twice) > 1:
            raise ValueError(f"cannot generate C for functions named {names}: '{twice}' occurs twice")
    generator = ca.CodeGenerator(name, _OPTIONS)
    for function in functions:
        generator.add(function)
    with tempfile.TemporaryDirectory(prefix="mpc-generate-") as folder:
        # CasADi joins the prefix and the name as they are.
        return Path(generator.generate(f"{folder}/")).read_text()


def dense(function: ca.Function, name: str) -> ca.Function:
    """The same function under another name, with dense inputs and outputs."""
    symbols: Any = ca.SX if function.is_a("SXFunction") else ca.MX
    inputs = [symbols.sym(function.name_in(i), *function.size_in(i)) for i in range(function.n_in())]
    outputs = [ca.densify(output) for output in function.call(inputs)]
    return ca.Function(name, inputs, outputs, function.name_in(), function.name_out())
