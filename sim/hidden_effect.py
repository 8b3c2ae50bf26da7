"""What acts on a simulated robot beside what its MJCF says."""

from __future__ import annotations

import abc

import mujoco


class HiddenEffect(abc.ABC):
    """Something that the plant has and no model of it knows."""

    @abc.abstractmethod
    def act(self, data: mujoco.MjData) -> None:
        """Before a step of the simulation, with its command in place: add to data.qfrc_applied, or change the MuJoCo model."""
