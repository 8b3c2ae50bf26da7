#include "json.hpp"

#include <google/protobuf/util/json_util.h>

#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <fstream>
#include <sstream>

namespace {

constexpr double tolerance = 1e-12;

[[noreturn]] void give_up(const std::string& text) {
    std::fprintf(stderr, "error: %s\n", text.c_str());
    std::exit(2);
}

std::string text_of(double value) {
    char text[40];
    std::snprintf(text, sizeof text, "%.17g", value);
    return text;
}

}  // namespace

Json Json::from_file(const std::string& path) {
    std::ifstream file(path);
    std::ostringstream text;
    text << file.rdbuf();
    google::protobuf::Value value;
    if (!file || !google::protobuf::util::JsonStringToMessage(text.str(), &value).ok()) give_up(path + " is no JSON file");
    return Json(value);
}

bool Json::has(const std::string& name) const { return value_.struct_value().fields().count(name) > 0; }

Json Json::operator[](const std::string& name) const {
    const auto& fields = value_.struct_value().fields();
    const auto found = fields.find(name);
    if (found == fields.end()) give_up("'" + name + "' is missing in " + dump().substr(0, 200));
    return Json(found->second);
}

std::vector<Json> Json::list() const {
    if (!value_.has_list_value()) give_up("no list: " + dump());
    std::vector<Json> result;
    for (const auto& value : value_.list_value().values()) result.push_back(Json(value));
    return result;
}

std::string Json::text() const {
    if (!value_.has_string_value()) give_up("no text: " + dump());
    return value_.string_value();
}

bool Json::flag() const {
    if (!value_.has_bool_value()) give_up("neither true nor false: " + dump());
    return value_.bool_value();
}

double Json::number() const {
    if (value_.has_number_value()) return value_.number_value();
    const std::string name = text();
    if (name == "NaN") return std::nan("");
    if (name == "Infinity") return HUGE_VAL;
    if (name == "-Infinity") return -HUGE_VAL;
    give_up("no number: " + name);
}

std::int64_t Json::integer() const {
    return value_.has_number_value() ? static_cast<std::int64_t>(value_.number_value()) : std::stoll(text());
}

std::uint64_t Json::natural() const {
    return value_.has_number_value() ? static_cast<std::uint64_t>(value_.number_value()) : std::stoull(text());
}

std::string Json::bytes() const {
    const std::string digits = text();
    std::string result;
    for (std::size_t i = 0; i + 1 < digits.size(); i += 2) {
        result.push_back(static_cast<char>(std::stoi(digits.substr(i, 2), nullptr, 16)));
    }
    return result;
}

mpc_plant::Vector Json::vector() const {
    mpc_plant::Vector result;
    for (const Json& entry : list()) result.push_back(entry.number());
    return result;
}

std::string Json::dump() const {
    std::string text;
    (void)google::protobuf::util::MessageToJsonString(value_, &text);
    return text;
}

void Checker::same(const std::string& what, const std::string& actual, const std::string& expected) {
    ++checks;
    if (actual != expected) fail(what, "'" + actual + "'", "'" + expected + "'");
}

void Checker::same(const std::string& what, std::int64_t actual, std::int64_t expected) {
    ++checks;
    if (actual != expected) fail(what, std::to_string(actual), std::to_string(expected));
}

void Checker::close(const std::string& what, const mpc_plant::Vector& actual, const mpc_plant::Vector& expected) {
    ++checks;
    if (actual.size() != expected.size()) {
        fail(what, std::to_string(actual.size()) + " numbers", std::to_string(expected.size()));
        return;
    }
    for (std::size_t i = 0; i < actual.size(); ++i) {
        const bool are_same = actual[i] == expected[i] || (std::isnan(actual[i]) && std::isnan(expected[i]));
        const double difference = are_same ? 0 : std::abs(actual[i] - expected[i]) / std::max(1.0, std::abs(expected[i]));
        if (!(difference <= tolerance)) fail(what + "[" + std::to_string(i) + "]", text_of(actual[i]), text_of(expected[i]));
        largest_difference = std::max(largest_difference, difference);
    }
}

void Checker::fail(const std::string& what, const std::string& actual, const std::string& expected) {
    ++failures;
    std::printf("%s: %s is %s; expected %s\n", title_.c_str(), what.c_str(), actual.c_str(), expected.c_str());
}
