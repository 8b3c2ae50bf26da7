#include <algorithm>

#include "cases.hpp"
#include "quadrotor_model.hpp"

void check_quadrotor(const Json& test, Checker& checker) {
    const quadrotor::Parameters nominal;
    if (test.has("rates")) {
        for (const Json& rate : test["rates"].list()) {
            const mpc_plant::Vector x = rate["x"].vector(), u = rate["u"].vector();
            quadrotor::State state{};
            std::copy(x.begin(), x.end(), state.begin());
            const quadrotor::State xdot = quadrotor::derivative(state, {u[0], u[1], u[2], u[3]}, nominal);
            checker.close("xdot", mpc_plant::Vector(xdot.begin(), xdot.end()), rate["xdot"].vector());
        }
        return;
    }
    const quadrotor::HoverLaw hold(nominal);
    for (const Json& command : test["commands"].list()) {
        checker.close("thrusts", hold(command["state"].vector(), command["planned"].vector()), command["u"].vector());
    }
}
