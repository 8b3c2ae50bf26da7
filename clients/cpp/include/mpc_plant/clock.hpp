#pragma once

#include <cstdint>

namespace mpc_plant {

/// The plant's clock, tick by tick.
class Clock {
public:
    virtual ~Clock() = default;

    /// Waits for the next tick; the plant's time then [ns].
    virtual std::int64_t tick() noexcept = 0;

    /// The ticks whose time had passed when they were asked for.
    std::uint64_t overruns() const noexcept { return overruns_; }

protected:
    std::uint64_t overruns_ = 0;
};

/// For real robots: CLOCK_MONOTONIC, ticks at absolute times start + k·period. Ticks that were missed are skipped, never caught
/// up with.
class SteadyClock final : public Clock {
public:
    explicit SteadyClock(std::int64_t period_ns);
    std::int64_t tick() noexcept override;

private:
    std::int64_t period_ns_, next_ns_;
};

/// For simulators, which advance by one period a tick: time is start + k·period, paced by the wall clock. A late tick delays
/// the ones after it, so the simulation falls behind by the overrun and its time stays that of its physics.
class SimulationClock final : public Clock {
public:
    explicit SimulationClock(std::int64_t period_ns);
    std::int64_t tick() noexcept override;

private:
    std::int64_t period_ns_, wall_ns_, time_ns_;
};

}  // namespace mpc_plant
