// Direct multiple shooting: Gauss-Newton SQP in the tangent space of the states, to convergence with an ℓ1 merit line search, or
// one full step a call (real-time iteration).
// Source: Bock, Plitt, 1984; Diehl et al., "Real-time optimization and nonlinear model predictive control", 2002;
// Nocedal, Wright, "Numerical Optimization", 2006, ch. 18 (merit function).
#pragma once
#include "interior_point.h"

enum { CONVERGED, ITERATION_LIMIT, DEADLINE, INFEASIBLE, DIVERGED, NUMERICAL_FAILURE };

typedef struct {
    double max_iterations, real_time_iteration, tolerance, qp_max_iterations, qp_tolerance, qp_complementarity, qp_stationarity;
} Options;

typedef struct {
    double status, iterations, sweeps, cost, stationarity, dynamics, inequality, complementarity;
    double worst_stage, worst_row, slack;
} Info;

typedef struct {
    QP qp;
    double x[N + 1][NXA], u[N][NU];              // the iterate
    double trial_x[N + 1][NXA], trial_u[N][NU];
    double g[N * NG + NGT + 1];                  // constraint values at the last evaluated point
    double work[WORK_SIZE];
    const double *arg[ARG_SIZE];
    double *res[RES_SIZE];
} Workspace;

typedef struct {
    const double *p, *reference, *grid;
} Inputs;

// What a point costs: objective with the prices of soft rows, and the ℓ1 norm of what hard rows and dynamics miss.
typedef struct {
    double cost, prices, missed, dynamics, inequality, slack;
    int worst_stage, worst_row;
} Merit;

// Fill the programme at the iterate; the cost.
static double linearize(Workspace *w, const Inputs *in) {
    QP *q = &w->qp;
    double cost = 0, value;
    for (int k = 0; k < N; k++) {
        Stage *s = &q->stage[k];
        w->arg[0] = w->x[k], w->arg[1] = w->u[k], w->arg[2] = w->x[k + 1];
        w->arg[3] = in->p, w->arg[4] = in->reference + k * NR, w->arg[5] = in->grid + k;
        w->res[0] = s->defect, w->res[1] = s->transition, w->res[2] = &value, w->res[3] = s->gradient;
        w->res[4] = s->hessian, w->res[5] = w->g + k * NG, w->res[6] = s->general;
        ocp_path(w->arg, w->res, 0, w->work, 0);
        cost += value;
    }
    w->arg[0] = w->x[N], w->arg[1] = in->p, w->arg[2] = in->reference + N * NR;
    w->res[0] = &value, w->res[1] = q->terminal.gradient, w->res[2] = q->terminal.hessian;
    w->res[3] = w->g + N * NG, w->res[4] = q->terminal.general;
    ocp_terminal(w->arg, w->res, 0, w->work, 0);
    return cost + value;
}

// Bounds, prices and masks of all sides from the parameters, and gaps from g.
static void fill_sides(Sides *a, const double *g, const double *p) {
    for (int k = 0; k <= N; k++) {
        const int rows = k < N ? NG : NGT;
        const int *lower = k < N ? LOWER : LOWER_N, *upper = k < N ? UPPER : UPPER_N;
        const int *l1 = k < N ? SOFT_L1 : SOFT_L1_N, *l2 = k < N ? SOFT_L2 : SOFT_L2_N;
        for (int i = 0; i < rows; i++) {
            const int at = k * SIDES + i;
            double low = p[lower[i]], high = p[upper[i]];
            if (high - low < MIN_RANGE) {  // an equality: the interior needs some room
                const double middle = 0.5 * (low + high);
                low = middle - 0.5 * MIN_RANGE, high = middle + 0.5 * MIN_RANGE;
            }
            const int holds = k > 0 || !ON_STATES_ALONE[i];
            a->gap[at] = g[k * NG + i] - low;
            a->gap[at + rows] = high - g[k * NG + i];
            a->active[at] = holds && low > -1e20;
            a->active[at + rows] = holds && high < 1e20;
            a->room[at] = a->room[at + rows] = low > -1e20 && high < 1e20 ? high - low : 1;
            a->soft[at] = a->soft[at + rows] = l1[i] >= 0;
            a->l1[at] = a->l1[at + rows] = l1[i] >= 0 ? p[l1[i]] : 0;
            a->l2[at] = a->l2[at + rows] = l1[i] >= 0 ? p[l2[i]] : 0;
        }
    }
}

// Add what the sides miss to a merit that holds the cost.
static void add_sides(Merit *m, const Sides *a, const double *gap, const double *moved) {
    for (int k = 0; k <= N; k++) {
        const int rows = k < N ? NG : NGT;
        for (int i = 0; i < 2 * rows; i++) {
            const int at = k * SIDES + i;
            if (!a->active[at]) continue;
            const double miss = larger(0, -(gap[at] + (moved ? moved[at] : 0)));
            if (a->soft[at]) {
                m->prices += a->l1[at] * miss + 0.5 * a->l2[at] * miss * miss;
                m->slack = larger(m->slack, miss);
                continue;
            }
            m->missed += miss;
            if (miss > m->inequality) {
                m->inequality = miss;
                m->worst_stage = k, m->worst_row = i % rows;
            }
        }
    }
}

// The merit of the point (x, u); leaves gaps of the sides at that point in `gap`.
static Merit evaluate(Workspace *w, const Inputs *in, const double (*x)[NXA], const double (*u)[NU]) {
    Merit m = {.worst_stage = -1, .worst_row = -1};
    double value, defect[LX];
    for (int k = 0; k < N; k++) {
        w->arg[0] = x[k], w->arg[1] = u[k], w->arg[2] = x[k + 1];
        w->arg[3] = in->p, w->arg[4] = in->reference + k * NR, w->arg[5] = in->grid + k;
        w->res[0] = defect, w->res[1] = &value, w->res[2] = w->g + k * NG;
        ocp_path_value(w->arg, w->res, 0, w->work, 0);
        m.cost += value;
        for (int i = 0; i < NX; i++) {
            m.missed += fabs(defect[i]);
            m.dynamics = larger(m.dynamics, fabs(defect[i]));
        }
    }
    w->arg[0] = x[N], w->arg[1] = in->p, w->arg[2] = in->reference + N * NR;
    w->res[0] = &value, w->res[1] = w->g + N * NG;
    ocp_terminal_value(w->arg, w->res, 0, w->work, 0);
    m.cost += value;
    fill_sides(&w->qp.sides, w->g, in->p);
    add_sides(&m, &w->qp.sides, w->qp.sides.gap, 0);
    return m;
}

// Max-norms of the KKT conditions at the linearised point, with the multipliers that the last programme left.
static void kkt(const Workspace *w, Info *info) {
    const QP *q = &w->qp;
    const Sides *a = &q->sides;
    info->stationarity = info->complementarity = 0;
    for (int k = 0; k < N; k++) {
        double h[LZ] __attribute__((aligned(64)));
        memcpy(h, q->stage[k].gradient, sizeof h);
        add_stage_sides(&q->stage[k], a->lambda + k * SIDES, h);
        gemv(NZ, NX, q->stage[k].transition, LZ, q->pi[k + 1], h);
        if (k > 0)
            for (int i = 0; i < NX; i++) h[NU + i] -= q->pi[k][i];
        info->stationarity = larger(info->stationarity, max_abs(h, k > 0 ? NZ : NU));
    }
    double h[LX];
    memcpy(h, q->terminal.gradient, sizeof h);
    add_terminal_sides(&q->terminal, a->lambda + N * SIDES, h);
    for (int i = 0; i < NX; i++) h[i] -= q->pi[N][i];
    info->stationarity = larger(info->stationarity, max_abs(h, NX));
    for (int i = 0; i < ALL_SIDES; i++) {
        if (!a->active[i]) continue;
        const double violation = larger(0, -a->gap[i]);
        const double product = a->soft[i] ? a->lambda[i] * (a->gap[i] + violation) : a->lambda[i] * larger(a->gap[i], 0);
        info->complementarity = larger(info->complementarity, fabs(product));
    }
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

// The programme of this iterate; when its Hessian is not positive definite, again with more and more of the identity.
static int solve_programme(Workspace *w, const double *dx0, const QPOptions *options) {
    QP *q = &w->qp;
    q->regularization = 0;
    double scale = 1;
    for (int k = 0; k < N; k++)
        for (int j = 0; j < NZ; j++) scale = larger(scale, q->stage[k].hessian[j * LZ + j]);
    for (int attempt = 0;; attempt++) {
        const int status = qp_solve(q, dx0, options);
        if (status != QP_NUMERICAL || attempt == 5) return status;
        q->warm = 0;
        q->regularization = larger(100 * q->regularization, 1e-8 * scale);
    }
}

static void report(const Merit *m, Info *info) {
    info->cost = m->cost + m->prices;
    info->dynamics = m->dynamics;
    info->inequality = m->inequality;
    info->worst_stage = m->worst_stage, info->worst_row = m->worst_row;
    info->slack = m->slack;
}

// The hard row that the programme's last point violates most: what makes it infeasible.
static void report_infeasible(const QP *q, Info *info) {
    Merit m = {.worst_stage = -1, .worst_row = -1};
    add_sides(&m, &q->sides, q->sides.gap, q->sides.moved);
    info->inequality = m.inequality;
    info->worst_stage = m.worst_stage, info->worst_row = m.worst_row;
}

// SQP from the iterate in w. The status is in info.
static void iterate(Workspace *w, const Inputs *in, const double *x0, const Options *o, long long deadline, Info *info) {
    QP *q = &w->qp;
    const QPOptions qp_options = {o->qp_tolerance, o->qp_complementarity, o->qp_stationarity, (int)o->qp_max_iterations, deadline};
    double penalty = 0, dx0[LX] __attribute__((aligned(64))) = {0};
    Merit now = {.cost = INFINITY, .worst_stage = -1, .worst_row = -1};
    if (!o->real_time_iteration) now = evaluate(w, in, (const double(*)[NXA])w->x, (const double(*)[NU])w->u);
    report(&now, info);
    for (int iteration = 0;; iteration++) {
        info->iterations = iteration;
        if (now_ns() >= deadline) {
            info->status = DEADLINE;
            return;
        }
        const double cost = linearize(w, in);
        if (!isfinite(cost + now.prices + now.missed)) {
            info->status = NUMERICAL_FAILURE;
            return;
        }
        fill_sides(&q->sides, w->g, in->p);
        w->arg[0] = x0, w->arg[1] = w->x[0], w->res[0] = dx0;
        ocp_minus(w->arg, w->res, 0, w->work, 0);
        const double start_gap = max_abs(dx0, NX);
        if (iteration > 0) {
            kkt(w, info);
            const double scale = 1 + largest_multiplier(q);
            if (info->stationarity <= o->tolerance * scale && info->complementarity <= o->tolerance * scale &&
                larger(larger(now.dynamics, now.inequality), start_gap) <= o->tolerance) {
                info->status = CONVERGED;
                return;
            }
        }
        if (iteration >= (int)o->max_iterations) {
            info->status = ITERATION_LIMIT;
            return;
        }
        const int qp_status = solve_programme(w, dx0, &qp_options);
        info->sweeps = q->sweeps;
        q->warm = qp_status == QP_SOLVED;
        if (qp_status != QP_SOLVED && qp_status != QP_ITERATIONS) {
            info->status = qp_status == QP_DEADLINE ? DEADLINE : qp_status == QP_INFEASIBLE ? INFEASIBLE : NUMERICAL_FAILURE;
            if (qp_status == QP_INFEASIBLE) report_infeasible(q, info);
            return;
        }
        if (o->real_time_iteration) {
            kkt(w, info);
            retract(w, 1);
            now = evaluate(w, in, (const double(*)[NXA])w->trial_x, (const double(*)[NU])w->trial_u);
            report(&now, info);
            info->iterations = 1;
            info->status = !isfinite(now.cost + now.missed) ? NUMERICAL_FAILURE : now.missed > 1e8 ? DIVERGED : ITERATION_LIMIT;
            if (info->status == ITERATION_LIMIT) accept(w);
            return;
        }
        penalty = larger(penalty, 1.5 * largest_multiplier(q));
        double start_missed = 0;
        for (int i = 0; i < NX; i++) start_missed += fabs(dx0[i]);
        const double missed = now.missed + start_missed;
        const double merit = now.cost + now.prices + penalty * missed;
        const double slope = predicted_change(q, &now) - penalty * missed;
        double alpha = 1;
        Merit trial;
        for (;; alpha *= 0.5) {
            retract(w, alpha);
            trial = evaluate(w, in, (const double(*)[NXA])w->trial_x, (const double(*)[NU])w->trial_u);
            const double value = trial.cost + trial.prices + penalty * (trial.missed + (1 - alpha) * start_missed);
            if (value <= merit + 1e-4 * alpha * smaller(slope, 0) + 1e-12 * fabs(merit)) break;
            if (alpha < 1e-6) {
                info->status = DIVERGED;
                return;
            }
        }
        accept(w);
        now = trial;
        report(&now, info);
    }
}

static int any_nan(const double *a, int n) {
    int found = 0;
    for (int i = 0; i < n; i++) found |= a[i] != a[i];
    return found;
}

long long workspace_size(void) { return sizeof(Workspace); }

void forget(Workspace *w) { memset(w, 0, sizeof *w); }

// x0 (NXA), p (NP), reference (N+1, NR), grid (N); X (N+1, NXA) and U (N, NU) hold the guess and then the result; K (N, NU, NX);
// multipliers (N NG + NGT) in the kernels' row order. On failure the memory of earlier solves is wiped.
void solve(Workspace *w, const double *x0, const double *p, const double *reference, const double *grid, double *X, double *U,
           double *K, double *multipliers, const Options *options, long long deadline, Info *info) {
    const Inputs in = {p, reference, grid};
    memset(info, 0, sizeof *info);
    info->worst_stage = info->worst_row = -1;
    w->qp.sweeps = 0;
    memcpy(w->x, X, sizeof w->x);
    memcpy(w->u, U, sizeof w->u);
    if (any_nan(x0, NXA) || any_nan(p, NP) || any_nan(reference, (N + 1) * NR) || any_nan(X, (N + 1) * NXA) || any_nan(U, N * NU))
        info->status = NUMERICAL_FAILURE;
    else
        iterate(w, &in, x0, options, deadline, info);
    const int usable = info->status == CONVERGED || info->status == ITERATION_LIMIT;
    if (usable) {
        memcpy(X, w->x, sizeof w->x);
        memcpy(U, w->u, sizeof w->u);
        for (int k = 0; k < N; k++) riccati_gain(&w->qp.stage[k], K + k * NU * NX);
        for (int k = 0; k <= N; k++) {
            const int rows = k < N ? NG : NGT;
            const double *lambda = w->qp.sides.lambda + k * SIDES;
            for (int i = 0; i < rows; i++) multipliers[k * NG + i] = lambda[rows + i] - lambda[i];
        }
    } else {
        forget(w);
    }
}
