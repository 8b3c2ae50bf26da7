#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "mpc_plant/robot.hpp"

namespace mpc_plant {

/// Sound readings have one finite number for each measured state, and unit quaternions (to 10 %).
///
/// `noisy`: positions in the reading of those whose sensors never give exactly the same number for long; one that does so for
/// 50 ms is frozen.
class MeasurementCheck {
public:
    explicit MeasurementCheck(const Robot& robot, std::vector<std::size_t> noisy = {});

    /// What is wrong with the reading of this tick in one phrase; empty when it is sound.
    std::string fault_of(const Vector& measured, std::int64_t now_ns);

private:
    std::string frozen(std::int64_t now_ns) const;

    std::size_t count_;
    std::vector<std::vector<std::size_t>> quaternions_;  // positions in the reading
    std::vector<std::size_t> noisy_;
    Vector last_;  // of the noisy ones, as what follows
    std::vector<std::int64_t> changed_ns_;
};

}  // namespace mpc_plant
