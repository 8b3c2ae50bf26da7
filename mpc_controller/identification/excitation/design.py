"""The search for the experiment that tells most, within the limits of the robot."""

from __future__ import annotations

import abc
from collections.abc import Callable
from dataclasses import dataclass
from typing import final

import numpy as np

from mpc_controller.arrays import Array
from mpc_controller.identification.excitation.experiment import Experiment, excitation_of, excitation_task, informative_s
from mpc_controller.identification.excitation.flight import Flight, ModelFlight
from mpc_controller.identification.excitation.information import PredictedInformation
from mpc_controller.identification.excitation.limits import is_within, limit_use
from mpc_controller.identification.excitation.regressor import ArmRegressor
from mpc_controller.identification.excitation.shapes import first_shape, perturbed
from mpc_controller.identification.model_structure import IdentificationError
from mpc_controller.robot import Robot

CRITERIA = ("D", "condition")
_ROOM = 0.75  # of every limit; the rest is for what the model does not know, such as a mass that is off by 30 %
_SMALLER, _LEAST_SMALLER, _TO_SPARE = 0.8, 0.5, 0.97
_SHRINKS = 8
_SEEN = 16.0  # eigenvalue: a direction known to a quarter of its size
_FIRST_STEP, _LEAST_STEP, _LARGEST_STEP = 0.3, 0.03, 0.8
_ARM_SAMPLE_S = 0.04


@final
@dataclass(frozen=True)
class DesignOptions:
    """duration_s of the signals (None: the robot's own); criterion: one of CRITERIA; seed of the search; evaluations: how many
    experiments are tried (None: 20 flights, or 400 motions of an arm)."""

    duration_s: float | None = None
    criterion: str = "D"
    seed: int = 0
    evaluations: int | None = None

    def __post_init__(self) -> None:
        if self.criterion not in CRITERIA:
            raise IdentificationError(f"no criterion '{self.criterion}'; there are {', '.join(CRITERIA)}")


@final
@dataclass(frozen=True)
class Trial:
    """An experiment, the scaled information (with the prior) by which it is judged, and the share of each limit it uses."""

    experiment: Experiment
    information: Array
    use: dict[str, float]


@final
@dataclass(frozen=True)
class Design:
    """The best experiment and the one that the search began with; score: see `score_of`."""

    best: Trial
    start: Trial
    score: float
    start_score: float
    evaluations: int


class Judge(abc.ABC):
    """Tries experiments without moving anything. `evaluations`: how many are worth their time."""

    evaluations: int

    @abc.abstractmethod
    def rank(self, information: Array) -> int:
        """How many directions of an experiment's information are meant to be seen."""

    @abc.abstractmethod
    def trial(self, experiment: Experiment) -> Trial | None:
        """None where the robot would not get through it."""


@final
class FlightJudge(Judge):
    """By the closed loop on the model that will be flown, and the fit's own derivatives along it."""

    evaluations = 20

    def __init__(self, robot: Robot, report: Callable[[str], None] = lambda line: None) -> None:
        self._robot, self._excitation = robot, excitation_of(robot)
        self.flight = ModelFlight(robot, robot.tasks[self._excitation.task](), report)
        self.predicted = PredictedInformation(robot, report)

    def rank(self, information: Array) -> int:
        values = np.linalg.eigvalsh((information + information.T) / 2)
        return max(1, int((values > _SEEN).sum()))

    def fly(self, experiment: Experiment) -> Flight:
        """From the start of the task on."""
        task = excitation_task(experiment, self._robot)
        return self.flight.fly(task, task.duration_s)

    def trial(self, experiment: Experiment) -> Trial | None:
        flight = self.fly(experiment)
        if not flight.is_finite or flight.failed:
            return None
        information = self.predicted.of(flight.since(informative_s(self._excitation)))
        return Trial(experiment, information + self.predicted.prior, self.use(flight))

    def use(self, flight: Flight) -> dict[str, float]:
        """Of the limits, while the signals run."""
        signal = flight.since(self._excitation.lead_s)
        return limit_use(self._excitation, signal.states, signal.controls)


@final
class ArmJudge(Judge):
    """By the regressor along the reference, which torque control follows closely."""

    evaluations = 400

    def __init__(self, robot: Robot) -> None:
        self._excitation = excitation_of(robot)
        self._regressor = ArmRegressor(robot)

    def rank(self, information: Array) -> int:
        return len(information)

    def trial(self, experiment: Experiment) -> Trial | None:
        start, end = self._excitation.lead_s, self._excitation.lead_s + experiment.signal_s
        q, v, a, _ = experiment.motion(self._excitation, np.arange(start, end, _ARM_SAMPLE_S))
        use = limit_use(self._excitation, np.hstack([q, v]), self._regressor.torques(q, v, a))
        return Trial(experiment, self._regressor.information(q, v, a), use)


def judge_of(robot: Robot, report: Callable[[str], None] = lambda line: None) -> Judge:
    """The judge that suits the robot. Compiles what is not in the cache."""
    return ArmJudge(robot) if excitation_of(robot).is_arm else FlightJudge(robot, report)


def design(
    robot: Robot, options: DesignOptions, judge: Judge | None = None, report: Callable[[str], None] = lambda line: None
) -> Design:
    """A (1+1) evolution strategy on amplitudes, phases and lengths, whose steps grow with success (Rechenberg's fifth).

    Raises IdentificationError where not even small motions are within the limits.
    """
    judge = judge or judge_of(robot, report)
    random = np.random.default_rng(options.seed)
    start, count = _first(robot, options, judge, random)
    rank = judge.rank(start.information)
    best, step = start, _FIRST_STEP
    score = start_score = score_of(start.information, options.criterion, rank)
    budget = options.evaluations or judge.evaluations
    smaller: Experiment | None = None  # of a better one that was too large
    while count < budget:
        count += 1
        trial = judge.trial(smaller or _neighbour(robot, best.experiment, step, random))
        gained = -np.inf if trial is None else score_of(trial.information, options.criterion, rank) - score
        fits = trial is not None and is_within(trial.use, _ROOM)
        smaller = _smaller(trial) if trial is not None and gained > 0 and not fits else None
        if trial is not None and fits and gained > 0:
            best, score = trial, score + gained
        if smaller is None:
            step = float(np.clip(step * (1.5 if gained > 0 else 0.9), _LEAST_STEP, _LARGEST_STEP))
        report(f"experiment {count} of {budget}: {options.criterion} {score:.3f} (at the start {start_score:.3f})")
    return Design(best, start, score, start_score, count)


def score_of(information: Array, criterion: str, rank: int) -> float:
    """To be maximised. D: ½ log det of the scaled information, by how much all relative intervals together shrink. condition:
    minus the logarithm of the ratio of the best to the worst known of the `rank` directions that the start could see."""
    values = np.maximum(np.linalg.eigvalsh((information + information.T) / 2), 1e-300)[::-1]
    if criterion == "D":
        return 0.5 * float(np.log(values).sum())
    return -0.5 * float(np.log(values[0] / values[rank - 1]))


def _first(robot: Robot, options: DesignOptions, judge: Judge, random: np.random.Generator) -> tuple[Trial, int]:
    """Signals that fill their channels, made smaller until all limits hold; and how many it took."""
    excitation = excitation_of(robot)
    duration_s = options.duration_s or excitation.duration_s
    experiment = Experiment(robot.name, tuple(first_shape(c, duration_s, random) for c in excitation.channels))
    worst = "the controller gave up"
    for count in range(1, _SHRINKS + 1):
        trial = judge.trial(experiment)
        if trial is not None and is_within(trial.use, _ROOM):
            return trial, count
        if trial is not None:
            name, share = max(trial.use.items(), key=lambda item: item[1])
            worst = f"{100 * share:.0f} % of '{name}' were used"
        experiment = _scaled(experiment, _SMALLER) if trial is None else _smaller(trial)
    raise IdentificationError(f"no excitation of '{robot.name}' found within its limits: at the smallest, {worst}")


def _smaller(trial: Trial) -> Experiment:
    """As much smaller as a motion proportional to its signals needs to be, for its limits to hold."""
    return _scaled(trial.experiment, float(np.clip(_TO_SPARE * _ROOM / max(trial.use.values()), _LEAST_SMALLER, _TO_SPARE)))


def _scaled(experiment: Experiment, factor: float) -> Experiment:
    return Experiment(experiment.robot, tuple(shape.scaled(factor) for shape in experiment.shapes))


def _neighbour(robot: Robot, experiment: Experiment, step: float, random: np.random.Generator) -> Experiment:
    """With the signals of some channels moved, one at least."""
    channels = excitation_of(robot).channels
    moved = random.random(len(channels)) < 0.5
    moved[random.integers(len(channels))] = True
    some = zip(channels, experiment.shapes, moved, strict=True)
    return Experiment(robot.name, tuple(perturbed(c, s, step, random) if m else s for c, s, m in some))
