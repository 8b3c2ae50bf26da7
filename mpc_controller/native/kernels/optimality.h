// What a point with multipliers still lacks of the optimality conditions (KKT), and what is said of it.
#pragma once
#include "shooting_point.h"

// Largest complementarity of a side with its multiplier, relative to 1 + λ.
static double complementarity(const Sides *a) {
    double worst = 0;
    for (int i = 0; i < ALL_SIDES; i++) {
        if (!a->active[i]) continue;
        const double inside = larger(a->gap[i], 0), outside = larger(-a->gap[i], 0);
        double product = a->lambda[i] * inside;
        if (a->soft[i]) product = larger(product, fabs(a->l1[i] + a->l2[i] * outside - a->lambda[i]) * outside);
        worst = larger(worst, product / (1 + a->lambda[i]));
    }
    return worst;
}

// What stationarity is compared with: 1, or more where multipliers are large on average (IPOPT's s_d: Wächter, Biegler, 2006, eq. 6).
static double dual_scale(const QP *q) {
    double sum = 0;
    int count = N * NX;
    for (int k = 1; k <= N; k++)
        for (int j = 0; j < NX; j++) sum += fabs(q->pi[k][j]);
    for (int i = 0; i < ALL_SIDES; i++)
        if (q->sides.active[i]) sum += q->sides.lambda[i], count++;
    return larger(100, sum / count) / 100;
}

static void report(const Merit *m, Info *info) {
    info->cost = m->cost + m->prices;
    info->dynamics = m->dynamics;
    info->inequality = m->inequality;
    info->worst_stage = m->worst_stage, info->worst_row = m->worst_row;
    info->slack = m->slack;
}

// Whether what `info` says of the linearised point makes it a KKT point to the tolerance.
static int is_converged(const QP *q, const Info *info, double tolerance) {
    return info->stationarity <= tolerance * dual_scale(q) && info->complementarity <= tolerance &&
           larger(info->dynamics, info->inequality) <= tolerance;
}

// Max-norms of the KKT conditions at the linearised point, with the sides' multipliers that the last programme left.
static void kkt(Workspace *w, Info *info) {
    info->stationarity = qp_adjoint(&w->qp, 0);
    info->complementarity = complementarity(&w->qp.sides);
}

static double largest_multiplier(const QP *q) {
    double largest = 0;
    for (int k = 1; k <= N; k++) largest = larger(largest, max_abs(q->pi[k], NX));
    for (int i = 0; i < ALL_SIDES; i++)
        if (q->sides.active[i] && !q->sides.soft[i]) largest = larger(largest, q->sides.lambda[i]);
    return largest;
}

// Directional derivative of the cost and prices along the programme's step.
static double predicted_change(const QP *q, const Merit *now) {
    double change = 0;
    for (int k = 0; k < N; k++)
        for (int j = 0; j < NZ; j++) change += q->stage[k].gradient[j] * q->z[k][j];
    for (int j = 0; j < NX; j++) change += q->terminal.gradient[j] * q->z_terminal[j];
    Merit next = {0};
    add_sides(&next, &q->sides, q->sides.gap, q->sides.moved);
    return change + next.prices - now->prices;
}

// The hard row that makes the programme infeasible: of those that its last point violates, the one with the largest multiplier.
static void report_infeasible(const QP *q, Info *info) {
    const Sides *a = &q->sides;
    double largest = 0;
    for (int k = 0; k <= N; k++) {
        const int rows = k < N ? NG : NGT;
        for (int i = 0; i < 2 * rows; i++) {
            const int at = k * SIDES + i;
            const double violation = -(a->gap[at] + a->moved[at]);
            if (!a->active[at] || a->soft[at] || violation <= 1e-9 || a->lambda[at] <= largest) continue;
            largest = a->lambda[at];
            info->inequality = violation;
            info->worst_stage = k, info->worst_row = i % rows;
        }
    }
}

// Solve the programme of the linearised point. CONVERGED when that went well, else the status to end with.
static int find_step(Workspace *w, const QPOptions *options, Info *info) {
    QP *q = &w->qp;
    const int status = qp_solve_safely(q, options);
    info->sweeps = q->sweeps;
    if (status == QP_INFEASIBLE) report_infeasible(q, info);
    return status == QP_SOLVED       ? CONVERGED
           : status == QP_DEADLINE   ? DEADLINE
           : status == QP_INFEASIBLE ? INFEASIBLE
                                     : NUMERICAL_FAILURE;
}
