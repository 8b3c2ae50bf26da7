"""Training over the horizon: back-propagation through time of the fused model, from what was measured."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, final

import jax
import jax.numpy as jnp
import numpy as np
import optax

from mpc_controller.arrays import Array, IntArray
from mpc_controller.learning.data_set import DataSet, Track
from mpc_controller.learning.draft import Draft, Layers
from mpc_controller.learning.jax_one_step import squares
from mpc_controller.learning.jax_residual import frame_of, gate, members, shaped
from mpc_controller.learning.jax_step import JaxStep
from mpc_controller.learning.options import LearnOptions
from mpc_controller.model.residual.residual import ResidualShape

MOST_STEPS = 500  # of a training horizon
_OVERLAP = 5  # windows that share a sample
_MOST_WINDOWS = 600  # of a log
_SMOOTH = 0.1  # of an error's median size: below it the loss is quadratic
_STEEPEST = 1.0  # norm of a gradient that is believed
_NARROW = 16  # inputs of a layer, up to which its weights move at the full rate
_MEMORY = 0.95  # of the average over steps that is judged and kept: it has less noise than the last step


@final
@dataclass(frozen=True, eq=False)
class Windows:
    """Starts in tracks (n, 2): number of the track and sample; weights (n, signals), so that Σ weights · cumulated errors is
    the mean over tracks and signals of the error relative to that of physics alone; smooth (signals,)."""

    tracks: Sequence[Track]
    starts: IntArray
    weights: Array
    smooth: Array


@final
@dataclass(frozen=True)
class Progress:
    """Of one training: losses of every epoch, on its own windows and on those kept aside (NaN without)."""

    training: tuple[float, ...]
    aside: tuple[float, ...]
    best: int
    interrupted: bool


@final
class MultiStep:
    """min Σ_windows Σ_h Σ_signals w ‖y_h ⊟ h(x_h)‖ + decay ‖W‖²,   x₀ = x_meas ⊞ (s + noise),  x_{h+1} = F(x_h) ⊞ γ(r(z_h))

    with w = 1/(the same sum for physics alone, of that log and signal), so that 1 is no gain, and position, velocity, attitude
    and rate count alike. s, the windows' initial states, are fitted or 0; h = 0 counts like every other sample. Lengths are
    rounded off below a tenth of their median. Adam with a cosine schedule, gradients
    clipped; what is kept is an average over steps.
    """

    def __init__(self, data: DataSet, shape: ResidualShape, steps: int, noise: Array, options: LearnOptions) -> None:
        self._data, self._shape, self._steps, self._options = data, shape, steps, options
        self._noise = noise * options.noise
        self._step = JaxStep(data.step, data.parameters)
        free = options.free_starts
        self._free = (not data.structure.measured_starts) if free is None else free
        self._movable = np.zeros(data.step.ndx)
        self._movable[data.known] = 1.0
        self._optimizer = optax.chain(optax.clip_by_global_norm(_STEEPEST), optax.scale_by_adam())
        self._advance = jax.jit(self._advanced)

    def windows(self, tracks: Sequence[Track]) -> Windows:
        """Of tracks, weighed by the error of physics alone."""
        starts, weights, smooth = [], [], []
        for number, track in enumerate(tracks):
            own = track.starts(self._steps, max(1, self._steps // _OVERLAP))
            own = own[:: -(-len(own) // _MOST_WINDOWS) or 1]
            if not len(own):
                continue
            errors = self._physics(tracks, np.stack([np.full(len(own), number), own], axis=1))
            total = np.maximum(errors.sum(axis=0), 1e-300)
            starts.append(np.stack([np.full(len(own), number), own], axis=1))
            weights.append(np.tile(1 / (total * errors.shape[1]), (len(own), 1)))
            smooth.append(_SMOOTH * np.median(errors, axis=0) / self._steps)
        if not starts:
            return Windows(tracks, np.zeros((0, 2), int), np.zeros((0, len(self._data.structure.signals))), np.ones(1))
        return Windows(
            tracks, np.concatenate(starts), np.concatenate(weights) / len(starts), np.maximum(np.mean(smooth, axis=0), 1e-12)
        )

    def fit(
        self,
        draft: Draft,
        windows: Windows,
        epochs: int,
        score: Callable[[Draft], float] | None,
        report: Callable[[str], None],
    ) -> tuple[Draft, Progress]:
        """The draft with its best layers: by a score of what is kept aside, else the last; `epochs` of the schedule's."""
        options = self._options
        batch = min(options.batch, len(windows.starts))
        per_epoch = -(-len(windows.starts) // batch)
        total = options.epochs * per_epoch
        trained = jax.tree.map(jnp.array, draft.layers[draft.fixed :])
        state, offsets = self._optimizer.init(trained), _Offsets(len(windows.starts), self._data.step.ndx)
        random, averaged = np.random.default_rng([options.seed, 3]), trained
        best, best_score, kept = trained, score(draft) if score else np.inf, 0
        training: list[float] = []
        count = 0
        scores: list[float] = []
        interrupted = False
        try:
            for epoch in range(1, epochs + 1):
                losses = []
                for chosen in _batches(len(windows.starts), batch, self._shape.members, options.seed, random):
                    arguments = self._batch(draft, windows, chosen, offsets, random)
                    rate = options.first_rate * (0.05 + 0.95 * np.cos(np.pi / 2 * min(count / total, 1)) ** 2)
                    loss, trained, averaged, state, by_offsets = self._advance(
                        trained, averaged, state, rate, arguments.pop("offsets"), arguments
                    )
                    if self._free:
                        offsets.move(chosen.ravel(), np.asarray(by_offsets), options.first_rate)
                    count += 1
                    losses.append(float(loss))
                training.append(float(np.mean(losses)))
                found = score(draft.with_trained(averaged)) if score else np.nan
                scores.append(found)
                told = f", left out {found:.4f}" if score else ""
                report(f"epoch {epoch} of {epochs}: {training[-1]:.4f} of the error of physics alone{told}")
                if not score or found < best_score:
                    best, best_score, kept = averaged, found, epoch
                elif epoch - kept >= options.patience:
                    break
        except KeyboardInterrupt:
            interrupted = True
        return draft.with_trained(best), Progress(tuple(training), tuple(scores), kept, interrupted)

    def _physics(self, tracks: Sequence[Track], starts: IntArray) -> Array:
        step, signals = self._data.step, self._data.structure.signals
        x = np.stack([tracks[n].states[k] for n, k in starts])
        total = np.zeros((len(starts), len(signals)))
        for h in range(self._steps):
            rows = np.stack([tracks[n].rows[k + h] for n, k in starts])
            seen = np.stack([tracks[n].seen[k + h] for n, k in starts])
            x, _, off = step.split(step.advance(x, np.zeros((len(x), step.nr)), rows, self._data.parameters)[0])
            length = np.stack([np.linalg.norm(off[:, s.tangent], axis=1) for s in signals], axis=1)
            total += np.where(seen > 0, length, 0.0)
        return total

    def _arguments(self, draft: Draft, tracks: Sequence[Track], starts: IntArray) -> dict[str, Any]:
        rows = np.stack([tracks[n].rows[k : k + self._steps] for n, k in starts], axis=1)
        seen = np.stack([tracks[n].seen[k : k + self._steps] for n, k in starts], axis=1)
        x = np.stack([tracks[n].states[k] for n, k in starts])
        mean = np.stack([tracks[n].controls[k] for n, k in starts])
        return {
            "x": x,
            "mean": mean,
            "rows": rows,
            "seen": seen,
            "frame": frame_of(draft),
            "fixed": draft.layers[: draft.fixed],
        }

    def _batch(
        self, draft: Draft, windows: Windows, chosen: IntArray, offsets: _Offsets, random: np.random.Generator
    ) -> dict[str, Any]:
        """chosen (members, batch)."""
        flat = chosen.ravel()
        given = self._arguments(draft, windows.tracks, windows.starts[flat])
        given["weights"] = windows.weights[flat] * (len(windows.starts) / chosen.shape[1])
        given["smooth"] = windows.smooth
        given["noise"] = self._noise * self._movable * random.standard_normal((len(flat), len(self._noise)))
        given["unit"] = self._noise * self._movable
        given["offsets"] = offsets.values[flat]
        return given

    def _loss(self, trained: Layers, offsets: Any, given: dict[str, Any]) -> Any:
        start = offsets * given["unit"] if self._free else jnp.zeros_like(offsets)
        rounded = self._rollout(trained, start + given["noise"], given).sum(axis=0)
        if self._free:
            places = [list(signal.tangent) for signal in self._data.structure.signals]
            measured = start[:, jnp.array(self._data.structure.tangent_indices)]
            first = [_length(measured[:, p], given["smooth"][i]) for i, p in enumerate(places)]
            rounded = rounded + jnp.stack(first, axis=1)
        penalty = self._options.decay * squares(trained)
        return ((given["weights"] * rounded).sum() + penalty) / self._shape.members

    def _advanced(self, trained: Layers, averaged: Layers, state: Any, rate: float, offsets: Any, given: dict[str, Any]) -> Any:
        """One step of Adam: the loss before it, layers, their average and state after it, and the gradient by the offsets."""
        loss, (by_layers, by_offsets) = jax.value_and_grad(self._loss, argnums=(0, 1))(trained, offsets, given)
        clean = jax.tree.map(lambda g: jnp.where(jnp.isfinite(g), g, 0.0), by_layers)
        updates, state = self._optimizer.update(clean, state)
        # As wide as a layer's input is, as many weights move its output together.
        rates = [rate * min(1.0, _NARROW / layer.inputs) for layer in self._shape.network.layers[-len(trained) :]]
        moved = tuple(jax.tree.map(partial(_stepped, r), *pair) for r, *pair in zip(rates, trained, updates, strict=True))
        averaged = jax.tree.map(lambda mean, layer: _MEMORY * mean + (1 - _MEMORY) * layer, averaged, moved)
        return loss, moved, averaged, state, by_offsets

    def _rollout(self, trained: Layers, start: Any, given: dict[str, Any]) -> Any:
        """(H, n, signals) lengths of the errors, every window with its own member of an ensemble."""
        step, count, shape = self._data.step, self._shape.members, self._shape
        layers, frame = (*given["fixed"], *trained), given["frame"]
        signals = [(list(signal.tangent), given["smooth"][i]) for i, signal in enumerate(self._data.structure.signals)]

        def correction(z: Any) -> Any:
            y = members(shape, frame, layers, z.reshape(count, -1, step.nz)).reshape(-1, step.nr)
            return gate(frame, z)[:, None] * shaped(shape, y, z)

        def forward(carry: Any, inputs: Any) -> Any:
            x, z = carry
            rows, seen = inputs
            x, z, off = step.split(self._step.advance(x, correction(z), rows))
            lengths = jnp.stack([_length(off[:, jnp.array(place)], rounding) for place, rounding in signals], axis=1)
            return (x, z), jnp.where(seen > 0, lengths, 0.0)

        first = self._step.begin(given["x"], start, given["mean"])
        carry = (first[:, : step.nx], first[:, step.nx :])
        return jax.lax.scan(forward, carry, (given["rows"], given["seen"]))[1]


def _length(off: Any, smooth: Any) -> Any:
    return jnp.sqrt((off**2).sum(axis=1) + smooth**2 + 1e-24) - smooth


def _stepped(rate: float, value: Any, update: Any) -> Any:
    return value - rate * update


def _batches(count: int, batch: int, members: int, seed: int, random: np.random.Generator) -> list[IntArray]:
    """Positions (members, batch / members) of windows, all once over; members of an ensemble see stretches of their own."""
    if members == 1:
        order = random.permutation(count)
        return [np.resize(order[k : k + batch], batch)[None] for k in range(0, count, batch)]
    share = max(1, batch // members)
    chunks = np.array_split(np.arange(count), min(20, count))
    lots = []
    for member in range(members):
        fixed = np.random.default_rng([seed, 4, member])  # the same stretches in every epoch
        own = np.concatenate([chunks[k] for k in fixed.integers(len(chunks), size=len(chunks))])
        lots.append(random.permutation(own)[: share * max(1, count // batch)])
    size = min(len(lot) for lot in lots) // share * share or min(len(lot) for lot in lots)
    return [np.stack([np.resize(lot[k : k + share], share) for lot in lots]) for k in range(0, size, share)]


@final
class _Offsets:
    """Initial states of windows, in units of noise, each with an Adam of its own: it moves when its window is looked at."""

    def __init__(self, count: int, size: int) -> None:
        self.values, self._m, self._v = (np.zeros((count, size)) for _ in range(3))
        self._seen = np.zeros((count, 1))

    def move(self, chosen: IntArray, gradient: Array, rate: float) -> None:
        clean = np.nan_to_num(gradient, nan=0.0, posinf=0.0, neginf=0.0)
        self._seen[chosen] += 1
        self._m[chosen] = 0.9 * self._m[chosen] + 0.1 * clean
        self._v[chosen] = 0.99 * self._v[chosen] + 0.01 * clean**2
        m = self._m[chosen] / (1 - 0.9 ** self._seen[chosen])
        v = self._v[chosen] / (1 - 0.99 ** self._seen[chosen])
        self.values[chosen] -= 10 * rate * m / (np.sqrt(v) + 1e-12)


def training_steps(options: LearnOptions, structure_s: float, period_s: float) -> int:
    """Samples of the training horizon."""
    return max(1, min(round((options.horizon_s or structure_s) / period_s), MOST_STEPS))
