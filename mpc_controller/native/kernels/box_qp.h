// Projected Newton for the quadratic programme of one stage's controls,
//
//     min ½ dᵀQd + qᵀd   s.t.  lower ≤ d ≤ upper,   lower ≤ 0 ≤ upper,
//
// with Q (NU, NU) in the lower triangle of the first columns of W (leading dimension LZ). Controls that press against a bound
// are clamped; among the others Q must be positive definite.
// Source: Bertsekas, "Projected Newton methods for optimization problems with simple constraints", 1982; Tassa, Mansard, Todorov,
// "Control-limited differential dynamic programming", 2014.
#pragma once
#include "riccati.h"

#define BOX_ITERATIONS 100

// A control this close to a limit is at it: a Newton step that leaves it free would be bent at once.
static inline double near(double lower, double upper) { return 1e-10 * smaller(1, upper - lower); }

// Q d + q
static void box_gradient(const double *W, const double *q, const double *d, double *gradient) {
    for (int i = 0; i < NU; i++) gradient[i] = q[i];
    for (int j = 0; j < NU; j++) {
        gradient[j] += W[j * LZ + j] * d[j];
        for (int i = j + 1; i < NU; i++) {
            gradient[i] += W[j * LZ + i] * d[j];
            gradient[j] += W[j * LZ + i] * d[i];
        }
    }
}

// Newton step −Q⁻¹g among the free controls, 0 for the clamped ones; 1 when Q is not positive definite there.
static int box_newton_step(const double *W, const double *gradient, const char *clamped, double *step) {
    int index[NU], free = 0;
    double L[NU][NU], y[NU];
    for (int i = 0; i < NU; i++) {
        step[i] = 0;
        if (!clamped[i]) index[free++] = i;
    }
    for (int a = 0; a < free; a++) {
        double left = -gradient[index[a]];
        for (int b = 0; b <= a; b++) {
            double sum = W[index[b] * LZ + index[a]];
            for (int c = 0; c < b; c++) sum -= L[a][c] * L[b][c];
            if (a == b && !(sum > 0)) return 1;
            L[a][b] = a == b ? sqrt(sum) : sum / L[b][b];
            if (b < a) left -= L[a][b] * y[b];
        }
        y[a] = left / L[a][a];
    }
    for (int a = free - 1; a >= 0; a--) {
        double sum = y[a];
        for (int b = a + 1; b < free; b++) sum -= L[b][a] * step[index[b]];
        step[index[a]] = sum / L[a][a];
    }
    return 0;
}

// Along d(α) = [d + α step] kept in the box, backtrack until the objective falls (Armijo). Gives α, 0 where it does not fall.
static double box_search(const double *W, const double *gradient, const double *step, const double *lower, const double *upper,
                         double *d) {
    const double none[NU] = {0};
    for (double alpha = 1; alpha > 1e-10; alpha *= 0.5) {
        double moved[NU], Qm[NU], slope = 0, curvature = 0;
        for (int i = 0; i < NU; i++) moved[i] = between(d[i] + alpha * step[i], lower[i], upper[i]) - d[i];
        box_gradient(W, none, moved, Qm);
        for (int i = 0; i < NU; i++) slope += gradient[i] * moved[i], curvature += moved[i] * Qm[i];
        if (slope + 0.5 * curvature > 0.1 * slope) continue;
        for (int i = 0; i < NU; i++) d[i] += moved[i];
        return alpha;
    }
    return 0;
}

// The minimiser d and which controls it clamps. 0, or 1 when Q is not positive definite among the free ones.
static int box_qp(const double *W, const double *q, const double *lower, const double *upper, double *d, char *clamped) {
    memset(d, 0, NU * sizeof *d);
    double alpha = 0;
    for (int iteration = 0; iteration < BOX_ITERATIONS; iteration++) {
        double gradient[NU], step[NU];
        int changed = 0, inside = 1;
        box_gradient(W, q, d, gradient);
        for (int i = 0; i < NU; i++) {
            const double limit = gradient[i] > 0 ? lower[i] : upper[i];
            const char now = gradient[i] != 0 && fabs(d[i] - limit) <= near(lower[i], upper[i]);
            if (now) d[i] = limit;
            changed |= iteration == 0 || now != clamped[i];
            clamped[i] = now;
        }
        // A full Newton step within the box that ends with the set it began with: nothing is left to gain.
        if (!changed && alpha == 1) return 0;
        if (box_newton_step(W, gradient, clamped, step)) return 1;
        for (int i = 0; i < NU; i++) inside &= d[i] + step[i] >= lower[i] && d[i] + step[i] <= upper[i];
        if (inside) {
            for (int i = 0; i < NU; i++) d[i] += step[i];
            alpha = 1;
            continue;
        }
        if (box_search(W, gradient, step, lower, upper, d) == 0) return 0;
        alpha = 0;  // the step was bent: one more is needed
    }
    return 0;
}
