#include "mpc_plant/clock.hpp"

#include <time.h>

#include <algorithm>
#include <cerrno>

namespace mpc_plant {
namespace {

constexpr std::int64_t second_ns = 1'000'000'000;

std::int64_t monotonic_ns() noexcept {
    timespec now{};
    clock_gettime(CLOCK_MONOTONIC, &now);
    return now.tv_sec * second_ns + now.tv_nsec;
}

void sleep_until(std::int64_t time_ns) noexcept {
    const timespec until{static_cast<time_t>(time_ns / second_ns), static_cast<long>(time_ns % second_ns)};
    while (clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &until, nullptr) == EINTR) {
    }
}

}  // namespace

SteadyClock::SteadyClock(std::int64_t period_ns) : period_ns_(period_ns), next_ns_(monotonic_ns()) {}

std::int64_t SteadyClock::tick() noexcept {
    sleep_until(next_ns_);
    const std::int64_t now_ns = monotonic_ns();
    const std::int64_t missed = std::max<std::int64_t>(0, (now_ns - next_ns_) / period_ns_);
    overruns_ += static_cast<std::uint64_t>(missed);
    next_ns_ += (missed + 1) * period_ns_;
    return now_ns;
}

SimulationClock::SimulationClock(std::int64_t period_ns)
    : period_ns_(period_ns), wall_ns_(monotonic_ns()), time_ns_(wall_ns_) {}

std::int64_t SimulationClock::tick() noexcept {
    sleep_until(wall_ns_);
    const std::int64_t late_ns = monotonic_ns() - wall_ns_;
    if (late_ns >= period_ns_) {
        overruns_ += static_cast<std::uint64_t>(late_ns / period_ns_);
        wall_ns_ += late_ns;
    }
    wall_ns_ += period_ns_;
    const std::int64_t now_ns = time_ns_;
    time_ns_ += period_ns_;
    return now_ns;
}

}  // namespace mpc_plant
