"""The simulated plant: MuJoCo with a hidden truth, behind read and apply as a real robot's driver is."""

from __future__ import annotations

from collections import deque
from typing import final

import mujoco
import numpy as np

from mpc_controller.arrays import Array
from mpc_controller.node.plant import Plant
from mpc_controller.robot import Robot
from sim.mjcf import MjcfState, load_mjcf
from sim.perturbation import hidden_effects, law_parameters, scale_model
from sim.truth import SimTruth


@final
class MujocoPlant(Plant):
    """Simulates one robot; one `apply` advances it by one period of the plant.

    The same robot, initial state (nx,), truth, seed and commands give the same numbers to the last bit. A simulation that
    breaks down (NaN or unbounded accelerations) is a value: `failure` says why in one line, and the state stays the last
    sound one. `model` and `data` are MuJoCo's, to look at.
    """

    def __init__(self, robot: Robot, initial_state: Array, truth: SimTruth, seed: int, period_s: float) -> None:
        self.model = load_mjcf(robot)
        self.data = mujoco.MjData(self.model)
        self.failure = ""
        self._robot, self._adapter = robot, robot.mjcf_adapter
        self._state = MjcfState(robot, self.model, self.data)
        self._law_parameters = law_parameters(self.model, robot, truth)
        self._effects = hidden_effects(self.model, robot, truth)
        scale_model(self.model, self.data, truth)
        self._steps = whole_steps(period_s, self.model.opt.timestep)
        self._noise = _Noise(robot, truth.noise_scale, seed)
        self.noisy = self._noise.names
        self._warnings = self.data.warning.number  # a view: counts since the start

        # MuJoCo would write warnings to the terminal and to a file in the working folder; `failure` tells them instead.
        mujoco.set_mju_user_warning(_ignore)
        self.model.opt.disableflags |= mujoco.mjtDisableBit.mjDSBL_AUTORESET
        self._state.write(_checked_state(robot, initial_state))
        mujoco.mj_forward(self.model, self.data)
        self._truth_state = self._state.read()
        delays = [round(d / self.model.opt.timestep) for d in (truth.actuator_delay_s, truth.observation_delay_s)]
        self._commands = deque([np.array(robot.neutral, dtype=float)] * (delays[0] + 1), maxlen=delays[0] + 1)
        self._states = deque([self._truth_state] * (delays[1] + 1), maxlen=delays[1] + 1)

    def read(self) -> tuple[Array, Array]:
        """What the sensors say, delayed and noisy, in the order of Robot.measured, and the true state (nx,) now."""
        return self._noise.applied_to(self._states[0]), self._truth_state.copy()

    def apply(self, u: Array) -> None:
        """Hold the command u (nu,) over one period."""
        command = np.array(u, dtype=float)
        for _ in range(self._steps):
            if self.failure:
                return
            self._commands.append(command)
            self._step(self._commands[0])

    def close(self) -> None:
        """Nothing to free; a driver of a real robot would."""

    def _step(self, command: Array) -> None:
        data = self.data
        data.ctrl[:] = command
        if self._adapter is not None:
            data.qfrc_applied[:] = self._adapter.forces(self._truth_state, self._law_parameters)
        else:
            data.qfrc_applied[:] = 0.0
        for effect in self._effects:
            effect.act(data)
        mujoco.mj_step(self.model, data)
        if self._warnings.any():
            kind = int(self._warnings.argmax())
            text = mujoco.mju_warningText(kind, int(data.warning[kind].lastinfo))
            self.failure = f"simulation of '{self._robot.name}' broke down at {data.time:.3f} s: {text}"
            return
        self._truth_state = self._state.read()
        self._states.append(self._truth_state)


@final
class _Noise:
    """Gaussian noise on the measured states, in the tangent space."""

    def __init__(self, robot: Robot, scale: float, seed: int) -> None:
        self._manifold = robot.dynamics.manifold
        self._measured = robot.measured_indices
        self._tangent = self._manifold.tangent_indices([int(i) for i in self._measured])
        self._std = scale * np.asarray(robot.measurement_std, dtype=float)
        self._random = np.random.default_rng(seed)
        # The turn of a quaternion changes all of its entries.
        self.names = robot.measured if self._std.all() else ()

    def applied_to(self, x: Array) -> Array:
        """The measured entries of x ⊞ n, n ~ N(0, std²)."""
        if not self._std.any():
            return np.asarray(x[self._measured])
        noise = np.zeros(self._manifold.ndx)
        noise[self._tangent] = self._std * self._random.standard_normal(len(self._tangent))
        return np.asarray(self._manifold.retract(x, noise)[self._measured])


def whole_steps(period_s: float, timestep_s: float) -> int:
    """How many simulation steps make one period of the plant; ValueError where they do not make it exactly."""
    steps = round(period_s / timestep_s)
    if steps < 1 or abs(steps * timestep_s - period_s) > 1e-9 * period_s:
        nearest_hz = 1 / (timestep_s * max(steps, 1))
        raise ValueError(
            f"the plant's rate is {1 / period_s:g} Hz; it must be the simulation's {1 / timestep_s:g} steps a second divided "
            f"by a whole number, such as {nearest_hz:g} Hz"
        )
    return steps


def _checked_state(robot: Robot, state: Array) -> Array:
    """The state with unit quaternions, if it is one."""
    x, d = np.array(state, dtype=float), robot.dynamics
    if x.shape != (d.nx,) or not np.isfinite(x).all():
        raise ValueError(f"initial state of '{robot.name}' is {x}; it must be {d.nx} finite numbers")
    if any(not x[start : start + 4].any() for start in d.manifold.quaternions):
        raise ValueError(f"initial state of '{robot.name}' is {x}; a quaternion (w, x, y, z) must not be zero")
    return d.manifold.normalized(x)


def _ignore(text: str) -> None:
    """MuJoCo's own warnings; the counters in its data are read instead."""
