// Rotation vectors (of body frames, angles in rad), as manifold.py composes them, with the right Jacobian of the exponential:
//
//     exp(J_r(θ) δ) ≈ exp(−θ) exp(θ + δ),    J_r(θ) = 1 − (1 − cos a)/a² [θ]ₓ + (a − sin a)/a³ [θ]ₓ²,   a = ‖θ‖
//
// Source: Solà, Deray, Atchuthan, "A micro Lie theory for state estimation in robotics", 2018, appendix B.
#pragma once
#include <math.h>

#define SMALL_ANGLE 0.03  // below it the first terms of series are exact to 1e-12

// θ_12 with exp(θ_12) = exp(θ_1) exp(θ_2), by quaternions.
static void compose_rotations(const double *first, const double *second, double *both) {
    const double *given[2] = {first, second};
    double q[2][4];
    for (int i = 0; i < 2; i++) {
        const double a = sqrt(given[i][0] * given[i][0] + given[i][1] * given[i][1] + given[i][2] * given[i][2]);
        const double square = a * a, is_small = a < SMALL_ANGLE;
        const double scale = is_small ? 0.5 - square / 48 * (1 - square / 80) : sin(a / 2) / a;
        q[i][0] = is_small ? 1 - square / 8 * (1 - square / 48 * (1 - square / 120)) : cos(a / 2);
        for (int j = 0; j < 3; j++) q[i][1 + j] = scale * given[i][j];
    }
    const double *p = q[0], *r = q[1];
    double w = p[0] * r[0] - p[1] * r[1] - p[2] * r[2] - p[3] * r[3];
    double v[3] = {p[0] * r[1] + p[1] * r[0] + p[2] * r[3] - p[3] * r[2], p[0] * r[2] - p[1] * r[3] + p[2] * r[0] + p[3] * r[1],
                   p[0] * r[3] + p[1] * r[2] - p[2] * r[1] + p[3] * r[0]};
    const double sign = w < 0 ? -1 : 1, sine = sqrt(v[0] * v[0] + v[1] * v[1] + v[2] * v[2]);
    const double square = sine * sine, series = 2 + square / 3 * (1 + square * (9.0 / 20 + square * 15.0 / 56));
    const double scale = sine < SMALL_ANGLE ? series : 2 * atan2(sine, fabs(w)) / sine;
    for (int j = 0; j < 3; j++) both[j] = sign * scale * v[j];
}

// identity + first [θ]ₓ + second [θ]ₓ², row by row.
static void of_skew(const double *t, double first, double second, double M[3][3]) {
    const double square = t[0] * t[0] + t[1] * t[1] + t[2] * t[2];
    for (int i = 0; i < 3; i++)
        for (int j = 0; j < 3; j++) M[i][j] = (i == j) * (1 - second * square) + second * t[i] * t[j];
    M[0][1] -= first * t[2], M[0][2] += first * t[1], M[1][2] -= first * t[0];
    M[1][0] += first * t[2], M[2][0] -= first * t[1], M[2][1] += first * t[0];
}

static double angle_of(const double *t) { return sqrt(t[0] * t[0] + t[1] * t[1] + t[2] * t[2]); }

// R(θ)ᵀ
static void turn_back(const double *t, double M[3][3]) {
    const double a = angle_of(t), s = a * a;
    if (a < SMALL_ANGLE) of_skew(t, s / 6 * (1 - s / 20) - 1, 0.5 - s / 24 * (1 - s / 30), M);
    else of_skew(t, -sin(a) / a, (1 - cos(a)) / s, M);
}

static void right_jacobian(const double *t, double M[3][3]) {
    const double a = angle_of(t), s = a * a;
    if (a < SMALL_ANGLE) of_skew(t, s / 24 * (1 - s / 30) - 0.5, 1.0 / 6 - s / 120 * (1 - s / 42), M);
    else of_skew(t, -(1 - cos(a)) / s, (a - sin(a)) / (a * s), M);
}

static void inverse_right_jacobian(const double *t, double M[3][3]) {
    const double a = angle_of(t), s = a * a;
    of_skew(t, 0.5, a < SMALL_ANGLE ? 1.0 / 12 + s / 720 * (1 + s / 42) : 1 / s - (1 + cos(a)) / (2 * a * sin(a)), M);
}

static void multiply_3(double A[3][3], double B[3][3], double C[3][3]) {
    for (int i = 0; i < 3; i++)
        for (int j = 0; j < 3; j++) C[i][j] = A[i][0] * B[0][j] + A[i][1] * B[1][j] + A[i][2] * B[2][j];
}
