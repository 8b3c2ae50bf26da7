// Constraints in the objective: an augmented Lagrangian over the sides of sides.h. A side whose gap is d = σ(g − bound), with the
// price l1 e + ½ l2 e² of its violation e ≥ 0 (hard sides: l1 = ∞), multiplier estimate λ and penalty ρ adds
//
//     min over e ≥ 0:  l1 e + ½ l2 e² + (m² − λ²)/(2ρ),   m = max(0, λ − ρ(d + e)),
//
// once continuously differentiable in d, with −dψ/dd = m, the next estimate. With t = λ − ρd: m = 0 for t ≤ 0, t up to l1, and
// l1 + l2 e with e = (t − l1)/(ρ + l2) beyond, so that the estimate of a soft side never exceeds its price.
// Source: Bertsekas, "Constrained Optimization and Lagrange Multiplier Methods", 1982; Birgin, Martínez, "Practical Augmented
// Lagrangian Methods for Constrained Optimization", 2014, algorithm 4.1; Howell, Jackson, Manchester, "ALTRO", 2019.
#pragma once
#include "control_limits.h"

typedef struct {
    double lambda[ALL_SIDES + 1];  // estimates about which the Lagrangian is augmented
    double penalty;                // ρ; 0 before the first solve
    double missed;                 // how far the last estimates were off, see `next_estimates`,
    double enough;                 // and how far they may be without a larger penalty: below rounding it would only ever grow
} Augmented;

// ρ grows tenfold when an update of the estimates did not halve what the constraints miss, at most to here (relative to the first).
#define PENALTY_GROWTH 10
#define PENALTY_RANGE 1e9
#define ENOUGH_PROGRESS 0.5

typedef struct {
    double multiplier, weight, value;
} SideTerm;

static inline SideTerm augmented_side(double gap, double lambda, double penalty, int soft, double l1, double l2) {
    const double t = lambda - penalty * gap;
    if (t <= 0) return (SideTerm){0, 0, -0.5 * lambda * lambda / penalty};
    if (!soft || t <= l1) return (SideTerm){t, penalty, 0.5 * (t * t - lambda * lambda) / penalty};
    const double e = (t - l1) / (penalty + l2), m = l1 + l2 * e;
    return (SideTerm){m, penalty * l2 / (penalty + l2), l1 * e + 0.5 * l2 * e * e + 0.5 * (m * m - lambda * lambda) / penalty};
}

// Limits of controls (control_limits.h) are not augmented.
static inline int is_augmented(const Sides *a, int k, int at, int row) { return a->active[at] && !(k < N && is_box(row)); }

// The term of side i of stage k at a gap; nothing where the side is not augmented.
static inline SideTerm side_term(const Sides *a, const Augmented *l, int k, int i, double gap) {
    const int at = k * SIDES + i, rows = k < N ? NG : NGT;
    if (!is_augmented(a, k, at, i < rows ? i : i - rows)) return (SideTerm){0};
    return augmented_side(gap, l->lambda[at], l->penalty, a->soft[at], a->l1[at], a->l2[at]);
}

// What the sides add to the objective at constraint values g, when their gaps belong to the values g0 (null: g itself). With
// `fill`, multipliers and weights of the sides are set, to 0 for what is not augmented.
static double augment(Sides *a, const Augmented *l, const double *g, const double *g0, int fill) {
    double total = 0;
    for (int k = 0; k <= N; k++) {
        const int rows = k < N ? NG : NGT;
        for (int i = 0; i < 2 * rows; i++) {
            const int at = k * SIDES + i, row = i < rows ? i : i - rows;
            const double change = g0 ? g[k * NG + row] - g0[k * NG + row] : 0;
            const SideTerm term = side_term(a, l, k, i, a->gap[at] + (i < rows ? change : -change));
            total += term.value;
            if (fill) a->lambda[at] = term.multiplier, a->weight[at] = term.weight;
        }
    }
    return total;
}

// Gaps that belong to constraint values g, from those that belong to g0.
static void move_gaps(Sides *a, const double *g, const double *g0) {
    for (int k = 0; k <= N; k++) {
        const int rows = k < N ? NG : NGT;
        for (int i = 0; i < rows; i++) {
            const double change = g[k * NG + i] - g0[k * NG + i];
            a->gap[k * SIDES + i] += change;
            a->gap[k * SIDES + rows + i] -= change;
        }
    }
}

// How far the sides' multipliers are from the estimates: max |m − λ|.
static double estimates_off(const Augmented *l, const Sides *a) {
    double off = 0;
    for (int k = 0; k <= N; k++)
        for (int i = 0; i < (k < N ? SIDES : SIDES_N); i++) {
            const int at = k * SIDES + i;
            if (is_augmented(a, k, at, i % (k < N ? NG : NGT))) off = larger(off, fabs(a->lambda[at] - l->lambda[at]));
        }
    return off;
}

// Take the sides' multipliers for the next estimates. Gives the largest violation or product of the two that the old ones left,
// max |m − λ|/ρ.
static double next_estimates(Augmented *l, const Sides *a) {
    double missed = 0;
    for (int k = 0; k <= N; k++) {
        const int rows = k < N ? NG : NGT;
        for (int i = 0; i < rows; i++) {
            const int low = k * SIDES + i, high = low + rows;
            if (!is_augmented(a, k, low, i) && !is_augmented(a, k, high, i)) continue;
            // The two sides of an equality may both have moved: what they share says nothing.
            const double common = smaller(a->lambda[low], a->lambda[high]);
            missed = larger(missed, fabs(a->lambda[low] - l->lambda[low]) / l->penalty);
            missed = larger(missed, fabs(a->lambda[high] - l->lambda[high]) / l->penalty);
            l->lambda[low] = a->lambda[low] - common;
            l->lambda[high] = a->lambda[high] - common;
        }
    }
    return missed;
}

// The outer step: next estimates, and a larger ρ when they gain too little.
static void update_augmented(Augmented *l, const Sides *a) {
    const double missed = next_estimates(l, a);
    if (missed > larger(l->enough, ENOUGH_PROGRESS * l->missed)) l->penalty *= PENALTY_GROWTH;
    l->missed = missed;
}
