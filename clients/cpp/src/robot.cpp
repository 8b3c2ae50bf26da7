#include "mpc_plant/robot.hpp"

#include <google/protobuf/struct.pb.h>
#include <google/protobuf/util/json_util.h>

#include <cmath>
#include <fstream>
#include <sstream>
#include <stdexcept>

namespace mpc_plant {
namespace {

[[noreturn]] void refuse(const std::string& text) { throw std::invalid_argument("robot description: " + text); }

/// The fields of the JSON object, by name and type.
class Fields {
public:
    explicit Fields(const std::string& json) {
        if (!google::protobuf::util::JsonStringToMessage(json, &object_).ok()) {
            refuse("it is not a JSON object; `python clients/robot_description.py ROBOT` writes one");
        }
    }
    explicit Fields(const google::protobuf::Struct& object) : object_(object) {}

    std::string text(const std::string& name) const {
        const auto& value = at(name);
        if (!value.has_string_value() || value.string_value().empty()) refuse("'" + name + "' must be a text");
        return value.string_value();
    }

    bool flag(const std::string& name) const {
        if (!at(name).has_bool_value()) refuse("'" + name + "' must be true or false");
        return at(name).bool_value();
    }

    double finite(const std::string& name) const {
        if (!at(name).has_number_value() || !std::isfinite(at(name).number_value())) refuse("'" + name + "' must be a number");
        return at(name).number_value();
    }

    double above_zero(const std::string& name) const {
        const double value = finite(name);
        if (value <= 0) refuse("'" + name + "' must be a number above 0");
        return value;
    }

    Vector numbers(const std::string& name) const {
        if (!at(name).has_list_value()) refuse("'" + name + "' must be a list of numbers");
        Vector result;
        for (const auto& value : at(name).list_value().values()) {
            if (!value.has_number_value()) refuse("'" + name + "' must be a list of numbers");
            result.push_back(value.number_value());
        }
        return result;
    }

    std::size_t count(const std::string& name) const { return whole(name, above_zero(name)); }

    std::size_t index(const std::string& name) const { return whole(name, finite(name)); }

    std::vector<Fields> objects(const std::string& name) const {
        if (!at(name).has_list_value()) refuse("'" + name + "' must be a list of objects");
        std::vector<Fields> result;
        for (const auto& value : at(name).list_value().values()) result.emplace_back(value.struct_value());
        return result;
    }

    std::vector<std::size_t> indices(const std::string& name) const {
        std::vector<std::size_t> result;
        for (const double value : numbers(name)) result.push_back(whole(name, value));
        return result;
    }

private:
    static std::size_t whole(const std::string& name, double value) {
        if (!(value >= 0 && value < 1e6 && value == std::floor(value))) refuse("'" + name + "' must have whole numbers");
        return static_cast<std::size_t>(value);
    }

    const google::protobuf::Value& at(const std::string& name) const {
        const auto found = object_.fields().find(name);
        if (found == object_.fields().end()) refuse("'" + name + "' is missing");
        return found->second;
    }

    google::protobuf::Struct object_;
};

void check_indices(const Robot& robot) {
    std::size_t free = 0;
    for (const std::size_t start : robot.manifold.quaternions) {
        if (start < free || start + 4 > robot.manifold.nx) {
            refuse("'quaternions' must be ascending, four entries apart and inside the state");
        }
        free = start + 4;
    }
    for (const std::size_t index : robot.measured) {
        if (index >= robot.manifold.nx) refuse("'measured' must have indices of the state");
    }
    if (robot.measured.empty()) refuse("'measured' must name at least one state");
    for (const std::size_t start : robot.manifold.quaternions) {
        long count = 0;
        for (std::size_t i = start; i < start + 4; ++i) {
            count += std::count(robot.measured.begin(), robot.measured.end(), i);
        }
        if (count != 0 && count != 4) refuse("'measured' must have all four entries of a quaternion, or none");
    }
}

JointLimit joint_limit(const Fields& fields) {
    return {fields.index("position"),     fields.index("velocity"),    fields.text("position_name"),
            fields.text("velocity_name"), fields.text("unit"),         fields.finite("lower"),
            fields.finite("upper"),       fields.above_zero("speed"),  fields.above_zero("deceleration"),
            fields.finite("reaction_s")};
}

void check_joint_limits(const Robot& robot) {
    for (const JointLimit& limit : robot.joint_limits) {
        for (const std::size_t index : {limit.position, limit.velocity}) {
            if (std::find(robot.measured.begin(), robot.measured.end(), index) == robot.measured.end()) {
                refuse("'joint_limits' of " + limit.position_name + ": only measured states can have some");
            }
        }
        if (!(limit.lower < limit.upper && limit.reaction_s >= 0)) {
            refuse("'joint_limits' of " + limit.position_name + ": 'lower' must be below 'upper', 'reaction_s' at least 0");
        }
    }
}

void check_controls(const Robot& robot, std::size_t nu) {
    for (const Vector* v : {&robot.control_lower, &robot.control_upper, &robot.control_slew, &robot.neutral}) {
        if (v->size() != nu || !all_finite(*v)) {
            refuse("limits, slew and neutral must have one finite number for each of the " + std::to_string(nu) + " controls");
        }
    }
    for (std::size_t i = 0; i < nu; ++i) {
        if (!(robot.control_lower[i] <= robot.control_upper[i] && robot.control_slew[i] > 0)) {
            refuse("each 'control_lower' must be at most its 'control_upper', and each 'control_slew' above 0");
        }
    }
}

// To even where it lies halfway, as the controller does.
std::int64_t period_ns(double rate_hz) { return static_cast<std::int64_t>(std::nearbyint(1e9 / rate_hz)); }

}  // namespace

std::int64_t Robot::tick_ns() const { return period_ns(plant_rate_hz); }

std::int64_t Robot::plan_period_ns() const { return period_ns(plan_rate_hz); }

Robot parse_robot(const std::string& json) {
    const Fields fields(json);
    Robot robot;
    robot.name = fields.text("robot");
    robot.model_hash = fields.text("model_hash");
    robot.manifold = {fields.count("states"), fields.indices("quaternions")};
    robot.measured = fields.indices("measured");
    robot.control_lower = fields.numbers("control_lower");
    robot.control_upper = fields.numbers("control_upper");
    robot.control_slew = fields.numbers("control_slew");
    robot.neutral = fields.numbers("neutral");
    robot.passive_without_plan = fields.flag("passive_without_plan");
    robot.plant_rate_hz = fields.above_zero("plant_rate_hz");
    robot.plan_rate_hz = fields.above_zero("plan_rate_hz");
    for (const Fields& limit : fields.objects("joint_limits")) robot.joint_limits.push_back(joint_limit(limit));
    check_indices(robot);
    check_joint_limits(robot);
    check_controls(robot, fields.count("controls"));
    return robot;
}

Robot load_robot(const std::string& path) {
    std::ifstream file(path);
    if (!file) refuse("'" + path + "' can't be read");
    std::ostringstream text;
    text << file.rdbuf();
    return parse_robot(text.str());
}

}  // namespace mpc_plant
