// A learned correction r(z; w) with its guard (model/residual/residual.py has the equations), and ∂r/∂z, at several points at once.
// Single precision in the networks, double around them.
#pragma once
#include "network.h"

#define SATURATION 0.25

// As native/residual_code.py packs them; weights of the members one behind the other.
typedef struct {
    const double *numbers;
    const float *weights;
} ResidualData;

typedef struct {
    NetworkMemory network;
    double y[RESIDUAL_BATCH][RR], square[RESIDUAL_BATCH][RR];               // means over members of y and y²
    double J[RESIDUAL_BATCH][RR][RZ];                                       // of ∂y/∂z
#if RESIDUAL_MEMBERS > 1
    double moment[RESIDUAL_BATCH][RR][RZ];                                  // of y ∂y/∂z
#endif
    double normalized[RESIDUAL_BATCH][RZ];
} ResidualMemory;

// `numbers`, in this order.
typedef struct {
    double center[RZ], inverse_scale[RZ], lower[RZ], upper[RZ], inverse_fade[RZ];
    double precision[RZ][RZ];       // over its limit
    double inverse_disagreement[RR]; // over RR
    double bound[RR], strength;
} ResidualNumbers;

// Members' means at the points z (count, RZ).
static void residual_members(ResidualMemory *m, const ResidualData *data, const double *z, int count, int derivatives) {
    const ResidualNumbers *a = (const ResidualNumbers *)data->numbers;
    const int padded = padded_floats(RZ), outputs = padded_floats(RR);
    float *input = layer_y(&m->network, 0);
    memset(input, 0, count * padded * sizeof *input);
    for (int p = 0; p < count; p++)
        for (int i = 0; i < RZ; i++)
            input[p * padded + i] = m->normalized[p][i] = (z[p * RZ + i] - a->center[i]) * a->inverse_scale[i];
    memset(m->y, 0, count * sizeof *m->y), memset(m->square, 0, count * sizeof *m->square);
    if (derivatives) memset(m->J, 0, count * sizeof *m->J);
#if RESIDUAL_MEMBERS > 1
    if (derivatives) memset(m->moment, 0, count * sizeof *m->moment);
#endif
    for (int member = 0; member < RESIDUAL_MEMBERS; member++) {
        const float *weights = data->weights + (long long)member * NET_WEIGHTS, *y = layer_y(&m->network, NET_LAYERS);
        network_forward(&m->network, weights, count);
        const float *J = derivatives ? network_backward(&m->network, weights, count) : 0;
        for (int p = 0; p < count; p++)
            for (int i = 0; i < RR; i++) {
                const double value = y[p * outputs + i];
                m->y[p][i] += value / RESIDUAL_MEMBERS, m->square[p][i] += value * value / RESIDUAL_MEMBERS;
                for (int j = 0; derivatives && j < RZ; j++) {
                    const double slope = J[(p * RR + i) * padded + j] * a->inverse_scale[j] / RESIDUAL_MEMBERS;
                    m->J[p][i][j] += slope;
#if RESIDUAL_MEMBERS > 1
                    m->moment[p][i][j] += value * slope;
#endif
                }
            }
    }
}

// Gate of point p, and its derivative by z.
static double residual_gate(const ResidualMemory *m, const ResidualNumbers *a, int p, double *slope) {
    const double *z = m->normalized[p];
    double outside = 0, distance = 0, along[RZ] = {0}, gradient[RZ] = {0};  // along = P z, by the columns of a symmetric P
    for (int j = 0; j < RZ; j++)
        for (int i = 0; i < RZ; i++) along[i] += a->precision[j][i] * z[j];
    for (int i = 0; i < RZ; i++) distance += along[i] * z[i];
    for (int i = 0; i < RZ; i++) {
        const double beyond = larger(0, z[i] - a->upper[i]) - larger(0, a->lower[i] - z[i]), far = beyond * a->inverse_fade[i];
        outside += far * far;
        gradient[i] = 2 * far * a->inverse_fade[i];
    }
    const double sparse = larger(0, distance - 1);
    outside += sparse * sparse;
    for (int i = 0; i < RZ; i++) gradient[i] = (gradient[i] + 4 * sparse * along[i]) * a->inverse_scale[i];
#if RESIDUAL_MEMBERS > 1
    double variance = 0;
    for (int i = 0; i < RR; i++) variance += a->inverse_disagreement[i] * (m->square[p][i] - m->y[p][i] * m->y[p][i]);
    const double unsure = larger(0, variance - 1);
    outside += unsure * unsure;
    for (int i = 0; slope && unsure > 0 && i < RR; i++)
        for (int j = 0; j < RZ; j++)
            gradient[j] += 4 * unsure * a->inverse_disagreement[i] * (m->moment[p][i][j] - m->y[p][i] * m->J[p][i][j]);
#endif
    const double left = outside < 1 ? 1 - outside : 0;  // 0 for a NaN
    for (int i = 0; slope && i < RZ; i++) slope[i] = left > 0 ? -2 * left * gradient[i] : 0;
    return left * left;
}

// Dissipation and saturation of output i at point p: its value, and what its derivative by y (and by the conjugate feature) is.
INLINE double residual_output(const ResidualNumbers *a, const double *z, int i, double y, double *by_y, double *by_conjugate) {
    *by_y = 1, *by_conjugate = 0;
    double value = y;
#if RESIDUAL_DISSIPATIVE
    const double along = z[RESIDUAL_CONJUGATE[i]], grip = larger(y, 0) + log1p(exp(-fabs(y)));
    value = -grip * along, *by_y = -along / (1 + exp(-y)), *by_conjugate = -grip;
#endif
    const double bound = a->bound[i], excess = fabs(value) - bound;
    if (excess > 0) {
        const double bend = SATURATION * bound, t = tanh(excess / bend);
        value = copysign(bound + bend * t, value);
        *by_y *= 1 - t * t, *by_conjugate *= 1 - t * t;
    }
    return value;
}

// r (count, RR) and ∂r/∂z (count, RR, RZ) unless null; `gates` (count) unless null.
static void residual_evaluate(ResidualMemory *m, const ResidualData *data, const double *z, int count, double *r, double *jacobian,
                              double *gates) {
    const ResidualNumbers *a = (const ResidualNumbers *)data->numbers;
    residual_members(m, data, z, count, jacobian != 0);
    for (int p = 0; p < count; p++) {
        double slope[RZ];
        const double gate = residual_gate(m, a, p, jacobian ? slope : 0), scale = a->strength * gate;
        if (gates) gates[p] = gate;
        for (int i = 0; i < RR; i++) {
            double by_y, by_conjugate, *J = jacobian ? jacobian + (p * RR + i) * RZ : 0;
            const double value = residual_output(a, z + p * RZ, i, m->y[p][i], &by_y, &by_conjugate);
            r[p * RR + i] = scale > 0 ? scale * value : 0;
            if (!jacobian) continue;
            for (int j = 0; j < RZ; j++)
                J[j] = scale > 0 ? scale * by_y * m->J[p][i][j] + a->strength * value * slope[j] : 0;
#if RESIDUAL_DISSIPATIVE
            J[RESIDUAL_CONJUGATE[i]] += scale > 0 ? scale * by_conjugate : 0;
#endif
        }
    }
}

// σ (count, RR): what r may be off by, of what r itself says in the same call: how far its members disagree, where they are heard, and
// as much as was ever corrected where they are not,   σ² = strength² [g² var(y) (dr/dy)² + (1 − g)² bound²].
static void residual_spread(ResidualMemory *m, const ResidualData *data, const double *z, int count, double *r, double *spread) {
    const ResidualNumbers *a = (const ResidualNumbers *)data->numbers;
    double gates[RESIDUAL_BATCH];
    residual_evaluate(m, data, z, count, r, 0, gates);
    for (int p = 0; p < count; p++)
        for (int i = 0; i < RR; i++) {
            double by_y, by_conjugate;
            residual_output(a, z + p * RZ, i, m->y[p][i], &by_y, &by_conjugate);
            const double variance = larger(0, m->square[p][i] - m->y[p][i] * m->y[p][i]), unknown = (1 - gates[p]) * a->bound[i];
            spread[p * RR + i] = a->strength * sqrt(gates[p] * gates[p] * variance * by_y * by_y + unknown * unknown);
        }
}

// At up to RESIDUAL_BATCH points.
static void residual_values(ResidualMemory *m, const ResidualData *data, const double *z, int count, double *r, double *gates) {
    residual_evaluate(m, data, z, count, r, 0, gates);
}

static void residual_jacobians(ResidualMemory *m, const ResidualData *data, const double *z, int count, double *r, double *jacobian,
                               double *gates) {
    residual_evaluate(m, data, z, count, r, jacobian, gates);
}
