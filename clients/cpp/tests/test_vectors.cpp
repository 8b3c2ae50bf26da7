// `test_vectors FILE.json...`: whether this side does what the files of tests/bus/vectors say. Prints what differs.

#include <cstdio>
#include <map>

#include "cases.hpp"
#include "mpc_plant/codec.hpp"

int main(int count, char** paths) {
    const std::map<std::string, void (*)(const Json&, Checker&)> known{
        {"acceptance", check_acceptance}, {"frames", check_frames}, {"gate", check_gate},       {"ladder", check_ladder},
        {"plant", check_plant},           {"tracker", check_tracker}, {"quadrotor", check_quadrotor},
    };
    mpc_plant::silence_parser();
    bool is_sound = count > 1;
    for (int i = 1; i < count; ++i) {
        const Json file = Json::from_file(paths[i]);
        const std::string name = file["vectors"].text();
        Checker checker;
        for (const Json& test : file["cases"].list()) {
            checker.begin(name + ", " + test["name"].text());
            known.at(name)(test, checker);
        }
        std::printf("%s: %d checks, %d failures, largest difference %.1e\n", name.c_str(), checker.checks, checker.failures,
                    checker.largest_difference);
        is_sound = is_sound && checker.checks > 0 && checker.failures == 0;
    }
    return is_sound ? 0 : 1;
}
