// Direct multiple shooting: Gauss-Newton SQP in the tangent space of the states, to convergence with an ℓ1 merit line search, or
// one full step a call (real-time iteration).
// Source: Bock, Plitt, 1984; Diehl et al., "Real-time optimization and nonlinear model predictive control", 2002;
// Nocedal, Wright, "Numerical Optimization", 2006, ch. 18 (merit function).
#pragma once
#include "shooting_point.h"

enum { CONVERGED, ITERATION_LIMIT, DEADLINE, INFEASIBLE, DIVERGED, NUMERICAL_FAILURE };

typedef struct {
    double max_iterations, real_time_iteration, tolerance, qp_max_iterations, qp_tolerance, qp_complementarity, qp_stationarity, qp_gradient;
} Options;

typedef struct {
    double status, iterations, sweeps, cost, stationarity, dynamics, inequality, complementarity;
    double worst_stage, worst_row, slack;
} Info;

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

// Quaternions to unit length; 1 when one is too short to mean an attitude.
static int normalize(double *x) {
    for (int i = 0; i < QUATERNIONS; i++) {
        double *q = x + QUATERNION[i];
        const double square = q[0] * q[0] + q[1] * q[1] + q[2] * q[2] + q[3] * q[3];
        if (!(square > 0.25)) return 1;
        for (int j = 0; j < 4; j++) q[j] /= sqrt(square);
    }
    return 0;
}

// Whether a lower bound is above its upper one; names the row and by how much.
static int has_reversed_bounds(const double *p, Info *info) {
    for (int k = 0; k <= N; k += N)
        for (int i = 0; i < (k < N ? NG : NGT); i++) {
            const double excess = k < N ? p[LOWER[i]] - p[UPPER[i]] : p[LOWER_N[i]] - p[UPPER_N[i]];
            if (!(excess > 0)) continue;
            info->worst_stage = k, info->worst_row = i, info->inequality = excess;
            return 1;
        }
    return 0;
}

static int any_nan(const double *a, int n) {
    int found = 0;
    for (int i = 0; i < n; i++) found |= a[i] != a[i];
    return found;
}

// Check what was given, start from the guess with x₀ for its first state, and solve.
static int run(Workspace *w, const Inputs *in, const double *x0, const Options *o, long long deadline, Info *info) {
    const QPOptions options = {o->qp_tolerance, o->qp_complementarity, o->qp_stationarity,
                               o->qp_gradient,  (int)o->qp_max_iterations, deadline};
    int bad = any_nan(x0, NXA) || any_nan(in->p, NP) || any_nan(in->reference, (N + 1) * NR);
    memcpy(w->x[0], x0, sizeof w->x[0]);
    bad = bad || any_nan(&w->x[0][0], (N + 1) * NXA) || any_nan(&w->u[0][0], N * NU);
    for (int k = 0; k <= N && !bad; k++) bad = normalize(w->x[k]);
    if (bad) return NUMERICAL_FAILURE;
    if (has_reversed_bounds(in->p, info)) return INFEASIBLE;
    return o->real_time_iteration ? real_time_iteration(w, in, &options, info) : to_convergence(w, in, o, &options, info);
}

long long workspace_size(void) { return sizeof(Workspace); }

void forget(Workspace *w) { memset(w, 0, sizeof *w); }

// x0 (NXA), p (NP), reference (N+1, NR), grid (N); X (N+1, NXA) and U (N, NU) hold the guess and then the result: of a deadline
// the last iterate, of another failure the guess. K (N, NU, NX) and multipliers (N NG + NGT, in the kernels' row order) are zero
// after a failure, and the memory of earlier solves is wiped.
void solve(Workspace *w, const double *x0, const double *p, const double *reference, const double *grid, double *X, double *U,
           double *K, double *multipliers, const Options *options, long long deadline, Info *info) {
    const Inputs in = {p, reference, grid};
    *info = (Info){.cost = INFINITY, .stationarity = INFINITY, .dynamics = INFINITY, .inequality = INFINITY,
                   .complementarity = INFINITY, .worst_stage = -1, .worst_row = -1};
    memset(K, 0, N * NU * NX * sizeof(double));
    memset(multipliers, 0, (N * NG + NGT) * sizeof(double));
    w->qp.sweeps = 0;
    memcpy(w->x, X, sizeof w->x);
    memcpy(w->u, U, sizeof w->u);
    const int status = run(w, &in, x0, options, deadline, info);
    info->status = status;
    if (status == CONVERGED || status == ITERATION_LIMIT || status == DEADLINE) {
        memcpy(X, w->x, sizeof w->x);
        memcpy(U, w->u, sizeof w->u);
    }
    if (status != CONVERGED && status != ITERATION_LIMIT) {
        forget(w);
        return;
    }
    for (int k = 0; k < N; k++) riccati_gain(&w->qp.stage[k], K + k * NU * NX);
    for (int k = 0; k <= N; k++) {
        const int rows = k < N ? NG : NGT;
        const double *lambda = w->qp.sides.lambda + k * SIDES;
        for (int i = 0; i < rows; i++) multipliers[k * NG + i] = lambda[rows + i] - lambda[i];
    }
}
