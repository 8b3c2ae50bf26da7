"""How matrices lie in the memory of the kernels: column-major, columns padded to whole vectors."""

from __future__ import annotations

import casadi as ca

LANES = 8  # doubles of one vector of the kernels (kernels/linalg.h)


def padded(n: int) -> int:
    """The leading dimension that the kernels give to n rows."""
    return -(-n // LANES) * LANES


def pad_rows(matrix: ca.SX) -> ca.SX:
    """The matrix with rows of zeros below, up to the leading dimension."""
    return ca.vertcat(matrix, ca.SX(padded(matrix.shape[0]) - matrix.shape[0], matrix.shape[1]))
