#pragma once

#include <google/protobuf/struct.pb.h>

#include <cstdint>
#include <string>
#include <vector>

#include "mpc_plant/vector.hpp"

/// Reading access to a JSON value. What is missing or of another type ends the program: the vectors are ours.
class Json {
public:
    static Json from_file(const std::string& path);

    bool has(const std::string& name) const;
    Json operator[](const std::string& name) const;
    std::vector<Json> list() const;
    std::string text() const;
    bool flag() const;
    double number() const;            // "NaN", "Infinity" and "-Infinity" are what JSON has no numbers for
    std::int64_t integer() const;     // whole numbers beyond 2^53 are texts
    std::uint64_t natural() const;
    std::string bytes() const;        // of hexadecimal digits
    mpc_plant::Vector vector() const;
    std::string dump() const;

private:
    explicit Json(google::protobuf::Value value) : value_(std::move(value)) {}

    google::protobuf::Value value_;
};

/// Compares, counts and prints what differs. Numbers agree to 1e-12 of their size, and at least of 1.
class Checker {
public:
    void begin(const std::string& title) { title_ = title; }
    void same(const std::string& what, const std::string& actual, const std::string& expected);
    void same(const std::string& what, std::int64_t actual, std::int64_t expected);
    void close(const std::string& what, const mpc_plant::Vector& actual, const mpc_plant::Vector& expected);

    int checks = 0, failures = 0;
    double largest_difference = 0;

private:
    void fail(const std::string& what, const std::string& actual, const std::string& expected);

    std::string title_;
};
