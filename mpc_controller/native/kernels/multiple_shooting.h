// Direct multiple shooting: Gauss-Newton SQP in the tangent space of the states, to convergence with an ℓ1 merit line search, or
// one full step a call (real-time iteration).
// Source: Bock, Plitt, 1984; Diehl et al., "Real-time optimization and nonlinear model predictive control", 2002;
// Nocedal, Wright, "Numerical Optimization", 2006, ch. 18 (merit function).
#pragma once
#include "shooting_point.h"

typedef struct {
    double max_iterations, real_time_iteration, tolerance, qp_max_iterations, qp_tolerance, qp_complementarity, qp_stationarity, qp_gradient;
} Options;

typedef struct {
    Workspace workspace;
} Memory;

// A full step of the real-time iteration is refused when it leaves the dynamics or a hard row unmet by more than this much of
// 1 + the largest state.
#define WILD 0.5

// Max-norms of the KKT conditions at the linearised point, with the sides' multipliers that the last programme left. A side's
// complementarity is relative to 1 + λ.
static void kkt(Workspace *w, Info *info) {
    const Sides *a = &w->qp.sides;
    info->stationarity = qp_adjoint(&w->qp, 0);
    info->complementarity = 0;
    for (int i = 0; i < ALL_SIDES; i++) {
        if (!a->active[i]) continue;
        const double inside = larger(a->gap[i], 0), outside = larger(-a->gap[i], 0);
        double product = a->lambda[i] * inside;
        if (a->soft[i]) product = larger(product, fabs(a->l1[i] + a->l2[i] * outside - a->lambda[i]) * outside);
        info->complementarity = larger(info->complementarity, product / (1 + a->lambda[i]));
    }
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

// trial = iterate ⊞ α z
static void retract(Workspace *w, double alpha) {
    const QP *q = &w->qp;
    for (int k = 0; k <= N; k++) {
        const double *dx = k < N ? q->z[k] + NU : q->z_terminal;
        double scaled[NX];
        for (int i = 0; i < NX; i++) scaled[i] = alpha * dx[i];
        w->arg[0] = w->x[k], w->arg[1] = scaled, w->res[0] = w->trial_x[k];
        ocp_plus(w->arg, w->res, 0, w->work, 0);
        for (int j = 0; k < N && j < NU; j++) w->trial_u[k][j] = w->u[k][j] + alpha * q->z[k][j];
    }
}

static void accept(Workspace *w) {
    memcpy(w->x, w->trial_x, sizeof w->x);
    memcpy(w->u, w->trial_u, sizeof w->u);
}

static void report(const Merit *m, Info *info) {
    info->cost = m->cost + m->prices;
    info->dynamics = m->dynamics;
    info->inequality = m->inequality;
    info->worst_stage = m->worst_stage, info->worst_row = m->worst_row;
    info->slack = m->slack;
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

// One full step from the iterate.
static int real_time_iteration(Workspace *w, const Inputs *in, const QPOptions *options, Info *info) {
    if (now_ns() >= options->deadline_ns) return DEADLINE;
    if (!isfinite(linearize(w, in))) return NUMERICAL_FAILURE;
    const int status = find_step(w, options, info);
    if (status != CONVERGED) return status;
    kkt(w, info);
    retract(w, 1);
    const Merit m = evaluate(w, in, (const double(*)[NXA])w->trial_x, (const double(*)[NU])w->trial_u);
    report(&m, info);
    info->iterations = 1;
    if (!isfinite(m.cost + m.prices + m.missed)) return NUMERICAL_FAILURE;
    if (larger(m.dynamics, m.inequality) > WILD * (1 + max_abs(&w->trial_x[0][0], (N + 1) * NXA))) return DIVERGED;
    accept(w);
    return ITERATION_LIMIT;
}

// Backtrack along the programme's step until the ℓ1 merit falls (Armijo); 1 when it does not.
static int line_search(Workspace *w, const Inputs *in, double *penalty, Merit *now) {
    QP *q = &w->qp;
    qp_adjoint(q, 1);
    *penalty = larger(*penalty, 1.5 * largest_multiplier(q));
    const double merit = now->cost + now->prices + *penalty * now->missed;
    const double slope = predicted_change(q, now) - *penalty * now->missed;
    for (double alpha = 1; alpha > 1e-6; alpha *= 0.5) {
        retract(w, alpha);
        const Merit trial = evaluate(w, in, (const double(*)[NXA])w->trial_x, (const double(*)[NU])w->trial_u);
        const double value = trial.cost + trial.prices + *penalty * trial.missed;
        if (value <= merit + 1e-4 * alpha * smaller(slope, 0) + 1e-12 * fabs(merit)) {
            accept(w);
            *now = trial;
            return 0;
        }
    }
    return 1;
}

// Whether the linearised point is a KKT point to the tolerance.
static int is_converged(const Workspace *w, const Merit *now, double tolerance, const Info *info) {
    return info->stationarity <= tolerance * dual_scale(&w->qp) && info->complementarity <= tolerance &&
           larger(now->dynamics, now->inequality) <= tolerance;
}

// SQP from the iterate.
static int to_convergence(Workspace *w, const Inputs *in, const Options *o, const QPOptions *options, Info *info) {
    double penalty = 0;
    Merit now = evaluate(w, in, (const double(*)[NXA])w->x, (const double(*)[NU])w->u);
    for (int iteration = 0;; iteration++) {
        info->iterations = iteration;
        report(&now, info);
        if (!isfinite(now.cost + now.prices + now.missed)) return NUMERICAL_FAILURE;
        if (now_ns() >= options->deadline_ns) return DEADLINE;
        linearize(w, in);
        if (iteration > 0) {
            kkt(w, info);
            if (is_converged(w, &now, o->tolerance, info)) return CONVERGED;
            if (iteration >= (int)o->max_iterations) return ITERATION_LIMIT;
        }
        const int status = find_step(w, options, info);
        if (status != CONVERGED) return status;
        if (line_search(w, in, &penalty, &now)) return DIVERGED;
    }
}

// The method's part of `solve` (entry.h).
static int plan(Memory *m, const Inputs *in, const Options *o, Info *info) {
    const QPOptions options = {o->qp_tolerance, o->qp_complementarity, o->qp_stationarity,
                               o->qp_gradient,  (int)o->qp_max_iterations, in->deadline_ns};
    m->workspace.qp.sweeps = 0;
    return o->real_time_iteration ? real_time_iteration(&m->workspace, in, &options, info)
                                  : to_convergence(&m->workspace, in, o, &options, info);
}

static void feedback(const Memory *m, double *K, double *multipliers) {
    const QP *q = &m->workspace.qp;
    for (int k = 0; k < N; k++) riccati_gain(&q->stage[k], K + k * NU * NX);
    sides_multipliers(&q->sides, multipliers);
}
