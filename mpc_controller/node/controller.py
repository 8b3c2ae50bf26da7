"""The controller without its bus: messages in, plans out. The node and the replay run this same class."""

from __future__ import annotations

import time
from dataclasses import dataclass, replace
from typing import final

import numpy as np

from mpc_controller.bus.messages import Claim, EventKind, Message, Mode, Observation, ParameterUpdate, Plan, Reference
from mpc_controller.control.arming import arming_fault
from mpc_controller.control.delivery import DeliveryEstimate
from mpc_controller.control.estimator import Estimate, Estimator
from mpc_controller.control.joint_watch import JointWatch
from mpc_controller.control.latency import LatencyEstimate
from mpc_controller.control.pace import Pace
from mpc_controller.control.receding_horizon import RecedingHorizon, ReferenceOverride
from mpc_controller.control.residual_adaptation import LinearAdaptation
from mpc_controller.control.runtime_parameters import RuntimeParameters
from mpc_controller.model.parameters import ParameterError
from mpc_controller.model.residual.residual import Residual
from mpc_controller.model.residual.residual_file import ResidualError
from mpc_controller.node.event_log import EventLog
from mpc_controller.node.observed import Order, Succession, refusal
from mpc_controller.node.plan_message import empty_plan, plan_message
from mpc_controller.node.residual_in_use import ResidualInUse
from mpc_controller.robot import Robot, Task
from mpc_controller.solvers.solution import Status
from mpc_controller.solvers.solver import NO_DEADLINE

# The part of a control period after which a solve is cut; the rest is for the estimator, the encoding and the way.
_SOLVE_BY = 0.8
# Of a plan, where plans get lost: of a fifth and more that is lost one in a hundred plans does not arrive.
_MOST_REPEATS = 2


@final
@dataclass(frozen=True)
class ControlJob:
    """What to control and how: robot, task, the parts that do it, and the rate of plans [Hz]. `solver` is its name; `residual`
    is what each epoch starts with, and learns on with `adaptation`. claim: how plants are claimed."""

    robot: Robot
    task: Task
    solver: str
    estimator: Estimator
    horizon: RecedingHorizon
    rate_hz: float
    residual: Residual | None = None
    adaptation: LinearAdaptation | None = None
    claim: Claim = Claim.IF_FREE

    def __post_init__(self) -> None:
        own, wanted = self.robot.dynamics, self.task.problem.dynamics
        if (own.state_names, own.control_names) != (wanted.state_names, wanted.control_names):
            raise ValueError(
                f"task '{self.task.name}' plans with states {wanted.state_names} and controls {wanted.control_names}; "
                f"'{self.robot.name}' has {own.state_names} and {own.control_names}"
            )
        if not 0 < self.rate_hz <= self.robot.plant_rate_hz:
            raise ValueError(
                f"'{self.robot.name}' can't be planned for at {self.rate_hz:g} Hz: every plan answers an observation, of which "
                f"its plant makes {self.robot.plant_rate_hz:g} a second"
            )


@final
class Controller:
    """One epoch: from the first observation of a plant to its last, or to the end of an emergency stop (`is_over`), starting
    from the nominal parameters.

    `accept` takes the stream of messages in order; `plan` answers the newest sound observation. Updates of parameters and
    references take effect with the next observation in the stream, so a plan depends on the messages up to the observation
    that it answers, and on nothing else: no clock but the plant's, except the deadline and the fields that report times.
    """

    def __init__(self, job: ControlJob, epoch: int) -> None:
        self._job = job
        self._horizon, self._estimator = job.horizon, job.estimator
        self._horizon.reset()
        if job.residual is not None:
            self._horizon.load_residual(job.residual)
            if job.adaptation is not None:
                job.adaptation.restart(job.residual)
        self._estimator.reset()
        self._parameters = RuntimeParameters(job.robot, job.task.problem)
        self._period_ns = round(1e9 / job.rate_hz)
        self._pace = Pace(self._period_ns, round(1e9 / job.robot.plant_rate_hz))
        self._latency, self._delivery = LatencyEstimate(self._period_ns, epoch), DeliveryEstimate(epoch)
        self._override: ReferenceOverride | None = None
        self._reference: Reference | None = None  # which it is of
        self._waiting: list[ParameterUpdate | Reference] = []
        self._observation: Observation | None = None
        self._estimate: Estimate | None = None
        self._acting = job.robot.neutral
        self._epoch = epoch
        self._empty = empty_plan(job.robot, job.task, job.solver, epoch)
        self._sequence = 0
        self._succession = Succession()
        self._joints = JointWatch(job.robot)
        self._arrived = -1  # sequence of the newest observation, sound or not
        self._parameter_sequence = 0
        self._residual = ResidualInUse(job.robot, job.residual)
        self._last_plan: Plan | None = None
        self.is_over = self._is_restarted = False
        self._asked_again, self._repeats = False, 0
        self.events = EventLog("controller")

    @property
    def is_due(self) -> bool:
        """Whether the newest sound observation wants a plan."""
        return self._observation is not None and self._pace.is_due(self._observation.time_ns)

    @property
    def time_ns(self) -> int:
        """Of the newest sound observation; 0 before the first."""
        return self._observation.time_ns if self._observation else 0

    @property
    def share_faded(self) -> float:
        """Of the plans that started where the residual is not wholly in force; 0 without one."""
        return self._residual.share_faded

    @property
    def operators_words(self) -> list[ParameterUpdate | Reference]:
        """What operators said that outlives the epoch: all changed parameters in one message, the reference that holds, what
        still waits. No reference outlives the plant, whose clock says until when it holds."""
        changes, residual = dict(self._parameters.changes), self._residual.data
        said: list[ParameterUpdate | Reference] = []
        if changes or residual:
            said.append(ParameterUpdate(self._parameter_sequence, changes, residual))
        if self._override is not None and self._reference is not None and not self._is_restarted:
            said.append(self._reference)
        return [*said, *self._waiting]

    def accept(self, message: Message) -> None:
        """Take in one message of the stream; those that are not for a controller pass by."""
        if isinstance(message, Observation):
            self._observe(message)
        elif isinstance(message, ParameterUpdate | Reference):
            self._waiting.append(message)

    def plan(self, received_ns: int, has_deadline: bool = True) -> Plan:
        """Answer the newest observation, which came at `received_ns` on time.monotonic_ns().

        The first plan of an epoch iterates from nothing and has no deadline; nor have those of a lock-step plant.
        """
        observation, estimate = self._observation, self._estimate
        assert observation is not None
        assert estimate is not None
        self._adapt(observation, estimate)
        has_deadline = has_deadline and self._sequence > 0 and not observation.lock_step
        deadline_ns = received_ns + round(_SOLVE_BY * self._period_ns) if has_deadline else NO_DEADLINE
        motion = self._horizon.plan(
            estimate, observation, self._parameters, self._epoch, self._latency.value_ns, self._override, deadline_ns
        )
        self._pace.planned(observation.time_ns)
        self._repeats = 0
        self._sequence += 1
        plan = plan_message(self._empty, self._job.task, self._sequence, observation, estimate, motion)
        if not motion.solution.is_usable:
            self._delivery.failed(self._sequence)
            self._tell_failure(plan, motion.solution.status)
        if note := self._residual.judge(self._horizon.residual_gate(motion, self._parameters.model)):
            self.events.tell(EventKind.ESTIMATOR, observation.time_ns, note, note.partition(":")[0])
        loop_ns = time.monotonic_ns() - received_ns
        missed = has_deadline and (loop_ns > self._period_ns or plan.status == Status.DEADLINE)
        self._last_plan = replace(plan, loop_time_ns=loop_ns, deadline_missed=missed, claim=self._claim(plan, observation))
        return self._last_plan

    def take_repeat(self) -> Plan | None:
        """The last plan once more: when a lock-step plant repeated the observation that it answers, and for the next two
        observations where plans get lost on their way."""
        asked, self._asked_again = self._asked_again, False
        self._repeats += asked
        return self._last_plan if asked else None

    def _claim(self, plan: Plan, observation: Observation) -> Claim:
        """The explicit step that arms a plant: once all was made sure of, until it says that this epoch leads."""
        if observation.plan_epoch == self._epoch or not Status(plan.status).is_usable:
            return Claim.NONE
        fault = arming_fault(plan, observation, self._job.robot, self._joints)
        if fault:
            self.events.tell(EventKind.SAFETY, observation.time_ns, f"the plant is not armed: {fault}", "arming")
        return Claim.NONE if fault else self._job.claim

    def _adapt(self, observation: Observation, estimate: Estimate) -> None:
        """Let the residual learn from what is estimated, while plans are followed; from then on it is planned with."""
        adaptation = self._job.adaptation
        if adaptation is None or not observation.mode.follows_plans:
            return
        before = adaptation.residual
        model = self._parameters.model
        after = adaptation.update(estimate.state, self._acting, model, estimate.disturbance, self._period_ns * 1e-9)
        if after is not before:
            self._horizon.load_residual(after)

    def _observe(self, observation: Observation) -> None:
        order = self._succession.judge(observation, self._observation)
        self._asked_again = order is Order.REPEAT and observation.lock_step
        self._is_restarted = self._is_restarted or order is Order.RESTART
        self.is_over = self.is_over or self._is_restarted
        if order is Order.LATE:
            text = f"observation {observation.sequence} came late"
            self.events.tell(EventKind.REJECTED, self.time_ns, text, "late observations")
        if order is not Order.NEXT:
            return
        self._tell_gap(observation)
        if self._is_refused(observation):
            return
        self._apply_updates(observation)
        self._latency.observe(observation)
        if observation.plan_epoch == self._epoch + 1 and observation.mode is not Mode.E_STOP:
            self.is_over = True  # a stop, which takes the next epoch, was released; this is how it shows if it was not seen
        if observation.awaits_operator and not (self._observation and self._observation.awaits_operator):
            self.events.tell(EventKind.SAFETY, observation.time_ns, "an operator has to arm the robot", "arming")
        acting = self._horizon.acting(observation)
        self._acting = acting.control
        self._estimate = self._estimator.update(acting, self._parameters.model)
        self._observation = observation
        self._delivery.observe(observation)
        is_repeated = self._delivery.is_lossy and self._repeats < _MOST_REPEATS
        self._asked_again = is_repeated and not observation.lock_step
        if self._estimate.note:
            topic = self._estimate.note.partition(":")[0]
            self.events.tell(EventKind.ESTIMATOR, observation.time_ns, self._estimate.note, topic)

    def _is_refused(self, observation: Observation) -> bool:
        """Observations that must not be planned from are counted and told."""
        problem = refusal(observation, self._job.robot)
        if problem:
            topic, text = problem
            self.events.tell(EventKind.REJECTED, observation.time_ns, text, topic)
        return bool(problem)

    def _tell_gap(self, observation: Observation) -> None:
        """Always told: a replay must leave out what was not seen here."""
        first, end = self._arrived + 1, observation.sequence - 1
        self._arrived = observation.sequence
        if self._observation is None or first > end:
            return
        details = {"epoch": str(self._epoch), "first_lost": str(first), "last_lost": str(end)}
        self.events.tell(EventKind.INFO, observation.time_ns, f"observations {first} to {end} did not arrive", details=details)

    def _apply_updates(self, observation: Observation) -> None:
        for message in self._waiting:
            if isinstance(message, ParameterUpdate):
                self._update_parameters(message, observation.time_ns)
            else:
                self._replace_reference(message, observation.time_ns)
        self._waiting.clear()
        if self._override is not None and observation.time_ns >= self._override.until_ns:
            self._override = None

    def _update_parameters(self, message: ParameterUpdate, time_ns: int) -> None:
        try:
            residual = self._residual.of(message.residual)
            self._parameters.update(message.values)
        except (ParameterError, ResidualError) as error:
            self.events.tell(EventKind.PARAMETERS, time_ns, f"update {message.sequence} refused: {error}")
            return
        told = [f"{name} = {value:g}" for name, value in message.values.items()]
        if residual is None and message.residual and message.sequence:
            told.append("the residual is in use already")
        if residual is not None:
            told.append(self._residual.take(residual, message.residual))
            self._horizon.load_residual(residual)
            if self._job.adaptation is not None:
                self._job.adaptation.restart(residual)
        if told:
            self._parameter_sequence = message.sequence
            self.events.tell(EventKind.PARAMETERS, time_ns, f"update {message.sequence}: {', '.join(told)}")

    def _replace_reference(self, message: Reference, time_ns: int) -> None:
        nr = self._job.task.problem.nr
        if message.reference.shape != (nr,) or not np.isfinite(message.reference).all():
            names = ", ".join(self._job.task.problem.reference_names)
            text = f"reference {message.sequence} refused: it must be {nr} finite numbers ({names})"
            self.events.tell(EventKind.REJECTED, time_ns, text)
            return
        self._override, self._reference = ReferenceOverride(message.reference, message.until_ns), message
        self.events.tell(EventKind.INFO, time_ns, f"reference {message.sequence} until {message.until_ns} ns")

    def _tell_failure(self, plan: Plan, status: Status) -> None:
        what = f"solve failed: {status.name}"
        where = f" at '{plan.worst_constraint}'" if plan.worst_constraint else ""
        self.events.tell(EventKind.SOLVER, self.time_ns, what + where, what)
