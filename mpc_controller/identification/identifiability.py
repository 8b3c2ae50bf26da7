"""Which parameters, and which combinations of them, the data see; in words where they do not."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from mpc_controller.arrays import Array
from mpc_controller.identification.fit import Information, Standing
from mpc_controller.model.parameters import Parameter

_UNSEEN = 0.25  # relative standard deviation beyond which a direction or a parameter counts as not seen
_SHARE = 0.08  # of the largest entry of a direction: smaller ones are left out of its description
_CHANGE = 0.1
_MATTERS = 0.02
_NEAR = 1e-6  # of a range, from its end


def sizes(table: Sequence[Parameter], scale: Array, values: Array) -> Array:
    """What a change of each parameter is compared with: its size, where it is nominally 0 the width of its prior."""
    return np.array([abs(v) if p.value and v else s for p, s, v in zip(table, scale, values, strict=True)])


def information_of(table: Sequence[Parameter], information: Array, size: Array, correlation: Array) -> Information:
    """The information matrix of the data and of what was known before, scaled and taken apart."""
    scaled = size[:, None] * information * size
    values, vectors = np.linalg.eigh((scaled + scaled.T) / 2)
    order = np.argsort(values)[::-1]
    singular = np.sqrt(np.maximum(values[order], 0.0))
    return Information(tuple(p.name for p in table), size, singular, vectors[:, order], correlation)


def unseen_shares(information: Information) -> Array:
    """(n,) how much of each parameter's variance comes from unseen directions; nothing where it is below 2 % of its size."""
    variances = information.directions**2 / (information.singular_values**2 + _UNSEEN**2)
    unseen = information.singular_values < 1 / _UNSEEN
    total = variances.sum(axis=1)
    return np.where(total > _MATTERS**2, variances[:, unseen].sum(axis=1) / total, 0.0)


def standing(parameter: Parameter, value: float, std: float, size: float, unseen: float) -> Standing:
    """What the data say about one parameter, with its standard deviation, the size of a change that would matter, and its
    unseen share."""
    return Standing.AT_BOUND if _is_at_bound(parameter, value, size) else seen(parameter, value, std, size, unseen)


def seen(parameter: Parameter, value: float, std: float, size: float, unseen: float) -> Standing:
    """The same, wherever the bounds are."""
    if parameter.std:
        return Standing.IDENTIFIED if std < 0.7 * parameter.std else Standing.PRIOR
    return Standing.IDENTIFIED if unseen < 0.5 and std < _UNSEEN * max(size, abs(value)) else Standing.UNSEEN


def _is_at_bound(parameter: Parameter, value: float, size: float) -> bool:
    """Within a millionth of the range; of what matters where the range is open, as friction's is above."""
    width = parameter.upper - parameter.lower
    near = _NEAR * (width if np.isfinite(width) else max(size, abs(parameter.value)))
    return min(value - parameter.lower, parameter.upper - value) <= near


def unseen_in_words(information: Information, table: Sequence[Parameter]) -> list[str]:
    """One sentence for every direction that the data do not see."""
    unseen = information.singular_values < 1 / _UNSEEN
    known = np.array([bool(p.std) for p in table])
    basis = _sparse_basis(information.directions[:, unseen])
    return [_sentence(column, information, table) for column in basis.T if not known[np.argmax(np.abs(column))]]


def _sparse_basis(directions: Array) -> Array:
    """The same space, spanned by vectors with as many zeros as elimination gives."""
    basis = directions.copy()
    count = basis.shape[1]
    free = list(range(len(basis)))
    for k in range(count):
        row = max(free, key=lambda i: float(np.abs(basis[i, k:]).max()))
        column = k + int(np.abs(basis[row, k:]).argmax())
        basis[:, [k, column]] = basis[:, [column, k]]
        basis[:, k] /= basis[row, k]
        for other in range(count):
            if other != k:
                basis[:, other] -= basis[row, other] * basis[:, k]
        free.remove(row)
    return basis


def _sentence(direction: Array, information: Information, table: Sequence[Parameter]) -> str:
    share = direction / np.abs(direction).max()
    names = [i for i in np.argsort(-np.abs(share)) if abs(share[i]) > _SHARE]
    change = share * information.scale  # of the parameters, in their units
    if len(names) == 1:
        return f"{table[names[0]].name} is not seen by these data"
    units = {table[i].unit for i in names}
    steps = change[names] / np.abs(change[names]).max()
    listed = [table[i].name for i in names]
    if len(units) == 1 and len(names) == 2 and abs(steps[0] + steps[1]) < 0.1 * np.abs(steps).max():
        return f"only the sum of {' and '.join(listed)} is seen by these data"
    if (
        len(units) == 1
        and len(names) == 2
        and abs(steps[0] - steps[1]) < 0.1 * np.abs(steps).max()
        and _have_zero(table, names)
    ):
        return f"only the difference of {' and '.join(listed)} is seen by these data"
    if np.abs(share[names] - share[names[0]]).max() < 0.1 and not _have_zero(table, names):
        return f"only the ratios of {', '.join(listed[:-1])} and {listed[-1]} are seen by these data"
    parts = ", ".join(_part(table[i], float(share[i]), float(change[i])) for i in names)
    return f"these data do not see a common change of {parts}: only combinations that it leaves as they are"


def _have_zero(table: Sequence[Parameter], names: Sequence[int]) -> bool:
    return any(table[i].value == 0 for i in names)


def _part(parameter: Parameter, share: float, change: float) -> str:
    if parameter.value == 0:
        return f"{parameter.name} by {_CHANGE * change:+.2g} {parameter.unit}".rstrip()
    return f"{parameter.name} by {100 * _CHANGE * share:+.2g} %"
