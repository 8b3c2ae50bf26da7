#pragma once

#include "json.hpp"
#include "mpc_plant/robot.hpp"

/// One function for each file of vectors; docs/wire.md has the formats.
void check_acceptance(const Json& test, Checker& checker);
void check_frames(const Json& test, Checker& checker);
void check_gate(const Json& test, Checker& checker);
void check_ladder(const Json& test, Checker& checker);
void check_plant(const Json& test, Checker& checker);
void check_quadrotor(const Json& test, Checker& checker);
void check_tracker(const Json& test, Checker& checker);

inline mpc_plant::Robot robot_of(const Json& test) { return mpc_plant::parse_robot(test["robot"].dump()); }
