"""Why a plan was not taken: the names under which plans are counted and told."""

from __future__ import annotations

import enum
from typing import final


@final
class Reject(enum.StrEnum):
    """One reason for each thing that can be wrong, in the order in which they are looked for."""

    WRONG_ROBOT = "wrong robot"
    WRONG_MODEL = "wrong model"
    AWAITS_OPERATOR = "awaits an operator"
    OTHER_IN_CHARGE = "other controller in charge"
    WRONG_EPOCH = "wrong epoch"
    UNCLAIMED = "plant not claimed"
    DUPLICATE = "duplicate"
    OUT_OF_ORDER = "out of order"
    FAILED = "failed solve"
    WRONG_SIZE = "wrong size"
    NON_FINITE = "not finite"
    WRONG_START = "start is not the first time"
    WRONG_END = "valid beyond its last time"
    NO_QUATERNION = "quaternion not of unit length"
    OUT_OF_RANGE = "control out of range"
    STALE = "stale"
    BEFORE_OBSERVATION = "starts before its observation"
    TOO_FAR_AHEAD = "starts too far ahead"
    ENDED = "validity ended"
