// What the generated functions need when their numbers are vectors: LANES stages of the horizon at once, one a lane.
#pragma once
#include "linalg.h"

// 1 where true, 0 where false, as generated code writes it.
static inline vec lanes_truth(mask m) { return choose(m, splat(1), splat(0)); }
static inline mask lanes_holds(vec a) { return a != splat(0); }

// a·b + c·d … of the C library, lane by lane.
#define LANES_UNARY(name) \
    static inline vec lanes_##name(vec a) { \
        vec r; \
        for (int i = 0; i < LANES; i++) r[i] = name(a[i]); \
        return r; \
    }
#define LANES_BINARY(name) \
    static inline vec lanes_##name(vec a, vec b) { \
        vec r; \
        for (int i = 0; i < LANES; i++) r[i] = name(a[i], b[i]); \
        return r; \
    }
LANES_UNARY(sqrt)
LANES_UNARY(fabs)
LANES_UNARY(exp)
LANES_UNARY(log)
LANES_UNARY(asin)
LANES_UNARY(acos)
LANES_UNARY(atan)
LANES_UNARY(sinh)
LANES_UNARY(cosh)
LANES_UNARY(tanh)
LANES_UNARY(floor)
LANES_UNARY(ceil)
LANES_BINARY(atan2)
LANES_BINARY(pow)
LANES_BINARY(fmin)
LANES_BINARY(fmax)

// π/2 in three parts of 33 bits each, so that n times the first two is exact for |n| < 2²⁰.
#define HALF_PI_1 1.57079632673412561417e+00
#define HALF_PI_2 6.07710050630396597660e-11
#define HALF_PI_3 2.02226624879595063154e-21
#define FARTHEST_ANGLE 1e6
#define ROUNDING 6755399441055744.0  // 1.5·2⁵²: a number added to it is rounded, and stands in its last bits

// sin x, or cos x for quarter = 1, by reduction to |y| ≤ π/4 and the minimax polynomials of fdlibm (k_sin.c, k_cos.c), which are
// good to the last digit. Angles that are too large, or not finite, go to the C library.
static inline vec lanes_turned(vec x, long long quarter) {
    const vec turns = x * (2 / 3.14159265358979323846) + ROUNDING, n = turns - ROUNDING;
    const mask q = ((mask)turns & 3) + quarter;
    const vec y = ((x - n * HALF_PI_1) - n * HALF_PI_2) - n * HALF_PI_3, z = y * y;
    const vec sine = y + y * z * (-1.66666666666666324348e-01 + z * (8.33333333332248946124e-03 + z * (-1.98412698298579493134e-04 +
        z * (2.75573137070700676789e-06 + z * (-2.50507602534068634195e-08 + z * 1.58969099521155010221e-10)))));
    const vec cosine = 1 - 0.5 * z + z * z * (4.16666666666666019037e-02 + z * (-1.38888888888741095749e-03 +
        z * (2.48015872894767294178e-05 + z * (-2.75573143513906633035e-07 + z * (2.08757232129817482790e-09 + z * -1.13596475577881948265e-11)))));
    const vec value = choose((q & 1) != 0, cosine, sine);
    return choose((q & 2) != 0, -value, value);
}

static inline int lanes_far(vec x) {
    const mask far = ~((x < FARTHEST_ANGLE) & (x > -FARTHEST_ANGLE));
    long long any = 0;
    for (int i = 0; i < LANES; i++) any |= far[i];
    return any != 0;
}

static vec lanes_sin(vec x) {
    if (!lanes_far(x)) return lanes_turned(x, 0);
    for (int i = 0; i < LANES; i++) x[i] = sin(x[i]);
    return x;
}

static vec lanes_cos(vec x) {
    if (!lanes_far(x)) return lanes_turned(x, 1);
    for (int i = 0; i < LANES; i++) x[i] = cos(x[i]);
    return x;
}

static inline vec lanes_tan(vec x) { return lanes_sin(x) / lanes_cos(x); }
