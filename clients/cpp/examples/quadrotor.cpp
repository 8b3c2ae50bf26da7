// A simulated quadrotor behind the bus: `quadrotor ROBOT.json ADDRESS [--duration SECONDS] [--mass-scale FACTOR] [--drag N s/m]`.
//
// `python clients/robot_description.py quadrotor > ROBOT.json`, then `mpc control quadrotor --endpoint ADDRESS` flies it.

#include <atomic>
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <exception>
#include <random>
#include <stdexcept>
#include <string>

#include "mpc_plant/plant.hpp"
#include "mpc_plant/zmq_link.hpp"
#include "quadrotor_model.hpp"

namespace {

using mpc_plant::Vector;

constexpr double ground = 0.015;  // m: height of the body's centre when it stands
// Of its sensors: position [m], rotation vector [rad], velocity [m/s], angular velocity [rad/s].
constexpr double noise_std[4] = {1e-3, 2e-3, 1e-2, 2e-2};

std::atomic<bool> stop{false};

/// Flies by the equations that the controller plans with, but with other parameters and noisy sensors; stands on the ground.
class SimulatedQuadrotor final : public mpc_plant::Plant {
public:
    SimulatedQuadrotor(const quadrotor::Parameters& truth, double period_s) : truth_(truth), period_s_(period_s) {
        x_[2] = ground;
        x_[3] = 1;
    }

    mpc_plant::Reading read() noexcept override {
        Vector noise(12);
        for (std::size_t i = 0; i < noise.size(); ++i) noise[i] = noise_std[i / 3] * normal_(random_);
        return {body_.retract(x_.data(), noise), Vector(x_.begin(), x_.end()), ""};
    }

    void apply(const Vector& u) noexcept override {
        x_ = quadrotor::step(x_, {u[0], u[1], u[2], u[3]}, truth_, period_s_);
        if (x_[2] >= ground || x_[9] > 0) return;
        const double length = std::hypot(x_[3], x_[6]);  // it lands on its feet, with the heading that it had
        x_[2] = ground;
        x_[3] /= length, x_[4] = x_[5] = 0, x_[6] /= length;
        for (std::size_t i = 7; i < 13; ++i) x_[i] = 0;
    }

    Vector hold(const Vector& state, const Vector& planned) noexcept override { return law_(state, planned); }

private:
    mpc_plant::Manifold body_{13, {3}};  // what is measured of the state
    quadrotor::Parameters truth_;
    quadrotor::HoverLaw law_{quadrotor::Parameters{}};  // on board, for the nominal machine
    double period_s_;
    quadrotor::State x_{};
    std::mt19937_64 random_{1};
    std::normal_distribution<double> normal_;
};

double number(const std::string& option, const char* text) {
    char* end = nullptr;
    const double value = std::strtod(text, &end);
    if (*text == '\0' || *end != '\0' || !(value >= 0 && value < 1e9)) {
        throw std::invalid_argument(option + " is '" + text + "'; it must be a number from 0 on");
    }
    return value;
}

int fly(int count, char** words) {
    if (count < 3 || count % 2 == 0) {
        std::fputs("usage: quadrotor ROBOT.json ADDRESS [--duration SECONDS] [--mass-scale FACTOR] [--drag N_S_PER_M]\n", stderr);
        return 2;
    }
    mpc_plant::RunOptions options;
    quadrotor::Parameters truth;
    for (int i = 3; i < count; i += 2) {
        const std::string option = words[i];
        const double value = number(option, words[i + 1]);
        if (option == "--duration") options.duration_s = value;
        else if (option == "--mass-scale") truth.mass *= value;
        else if (option == "--drag") truth.drag = value;
        else throw std::invalid_argument("there is no option " + option + "; known are --duration, --mass-scale, --drag");
    }
    const mpc_plant::Robot robot = mpc_plant::load_robot(words[1]);
    if (robot.manifold.nx != 17 || robot.nu() != 4 || robot.measured.size() != 13) {
        throw std::invalid_argument(std::string(words[1]) + " describes '" + robot.name + "'; it must be the quadrotor");
    }
    mpc_plant::ZmqLink link{mpc_plant::Endpoints(words[2])};
    mpc_plant::SimulationClock clock(robot.tick_ns());
    SimulatedQuadrotor plant(truth, static_cast<double>(robot.tick_ns()) * 1e-9);
    std::puts("ready");
    std::fflush(stdout);
    const mpc_plant::Summary summary = mpc_plant::run(plant, robot, link, clock, options, stop);
    const mpc_plant::Totals& totals = summary.totals;
    std::printf("%llu ticks, %llu overruns, %llu safety interventions, %llu limited ticks, %llu refused plans\n",
                static_cast<unsigned long long>(totals.ticks), static_cast<unsigned long long>(totals.overruns),
                static_cast<unsigned long long>(totals.safety_interventions),
                static_cast<unsigned long long>(totals.limited_ticks), static_cast<unsigned long long>(totals.rejected()));
    return 0;
}

}  // namespace

int main(int count, char** words) {
    std::signal(SIGINT, [](int) { stop = true; });
    std::signal(SIGTERM, [](int) { stop = true; });
    try {
        return fly(count, words);
    } catch (const std::exception& error) {
        std::fprintf(stderr, "error: %s\n", error.what());
        return 1;
    }
}
