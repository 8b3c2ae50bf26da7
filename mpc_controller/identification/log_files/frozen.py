"""Sensors that hold their last value while the machine moves on, as trackers do that lost it."""

from __future__ import annotations

import numpy as np

from mpc_controller.identification.log import Log
from mpc_controller.identification.log_files.noise import noise_of
from mpc_controller.identification.log_files.pieces import runs, used_rows
from mpc_controller.identification.log_files.rates import known_rates, measured_states, tangent_rates
from mpc_controller.identification.log_files.values import left_out
from mpc_controller.identification.model_structure import IdentificationError, ModelStructure

_SHORTEST = 4  # rows
_MOSTLY = 0.6  # of the samples
# Motion that must be missed: standard deviations of the sensor's noise, and share of the signal's range. An encoder that turns
# around rests for some samples, while a rate that comes late says otherwise.
_MOTION, _SHARE = 10.0, 0.01


def without_frozen(log: Log, structure: ModelStructure) -> Log:
    """Rows in which a signal has exactly its value before, while its measured rate says that it moved, are left out.

    An encoder that rests does so, too: its rate says that it did not move. Raises where most of a signal is so.
    """
    known = known_rates(structure)
    if not any(known.values()):
        return log
    rates = tangent_rates(structure, measured_states(log, structure))
    used = used_rows(log)
    for signal in structure.signals:
        values = log.measured[:, signal.columns]
        seen = values[used & np.isfinite(values).all(axis=1)]
        if not known[signal.name] or len(seen) == 0:
            continue
        held = np.append(False, (values[1:] == values[:-1]).all(axis=1)) & used
        speed = np.nan_to_num(rates[:, [structure.tangent_indices[at] for at in signal.tangent]])
        enough = max(_MOTION * noise_of(log, structure, signal), _SHARE * float(np.ptp(seen, axis=0).max()))
        bad = np.zeros(len(log.times), dtype=bool)
        for first, end in runs(held):
            moved = np.abs(np.cumsum(speed[first:end] * log.steps[first:end, None], axis=0)).max()
            bad[first:end] = end - first >= _SHORTEST and moved > enough
        if np.count_nonzero(bad) > _MOSTLY * np.count_nonzero(used):
            share, at = 100 * np.count_nonzero(bad) / np.count_nonzero(used), log.times[int(np.argmax(bad))]
            raise IdentificationError(
                f"{log.name}: '{signal.name}' holds its value in {share:.0f} % of the samples, first at {at:.3f} s, while its "
                "measured rate says that it moves"
            )
        if bad.any():
            note = f"samples in which '{signal.name}' held its last value while its rate moved on left out"
            log = left_out(log, log.measured.copy(), signal.columns, bad, note)
    return log
