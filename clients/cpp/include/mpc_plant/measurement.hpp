#pragma once

#include <string>
#include <vector>

#include "mpc_plant/robot.hpp"

namespace mpc_plant {

/// Sound readings have one finite number for each measured state, and unit quaternions (to 10 %).
class MeasurementCheck {
public:
    explicit MeasurementCheck(const Robot& robot);

    /// What is wrong with it in one phrase; empty when it is sound.
    std::string fault_of(const Vector& measured) const;

private:
    std::size_t count_;
    std::vector<std::vector<std::size_t>> quaternions_;  // positions in the reading
};

}  // namespace mpc_plant
