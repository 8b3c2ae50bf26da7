// The step of one SQP iteration: from the programme with the Gauss-Newton Hessian or, where that converges slowly and it can be
// factorised, with the exact one of the Lagrangian; and from an elastic programme where the linearised rows contradict each other.
// The exact Hessian is taken as it is: near a solution that fulfils the second-order sufficient conditions convergence is quadratic.
#pragma once
#include "curvature.h"
#include "optimality.h"

// What the sides keep of a solved programme, for the next one to start from.
typedef struct {
    double s[SIDE_LANES], lambda[SIDE_LANES], e[SIDE_LANES], nu[SIDE_LANES];
    int warm;
} Duals;

static void save_duals(const QP *q, Duals *d) {
    const Sides *a = &q->sides;
    memcpy(d->s, a->s, sizeof d->s), memcpy(d->lambda, a->lambda, sizeof d->lambda);
    memcpy(d->e, a->e, sizeof d->e), memcpy(d->nu, a->nu, sizeof d->nu);
    d->warm = q->warm;
}

static void restore_duals(QP *q, const Duals *d) {
    Sides *a = &q->sides;
    memcpy(a->s, d->s, sizeof d->s), memcpy(a->lambda, d->lambda, sizeof d->lambda);
    memcpy(a->e, d->e, sizeof d->e), memcpy(a->nu, d->nu, sizeof d->nu);
    q->warm = d->warm;
}

// The programme as it was before the exact Hessian came into it, and how convergence goes with it.
typedef struct {
    Duals duals;
    double hessian[N][NZ * LZ] ALIGNED;
    double terminal[NX * LX] ALIGNED;
    double last;   // KKT error of the last point
    int slow;      // points in a row at which it had fallen slowly
    int is_exact;  // the last step was exact
    double below;  // the error below which the exact Hessian is tried
} GaussNewton;

static void save_hessians(const QP *q, GaussNewton *g) {
    for (int k = 0; k < N; k++) memcpy(g->hessian[k], q->stage[k].hessian, sizeof g->hessian[k]);
    memcpy(g->terminal, q->terminal.hessian, sizeof g->terminal);
}

static void restore_hessians(QP *q, const GaussNewton *g) {
    for (int k = 0; k < N; k++) memcpy(q->stage[k].hessian, g->hessian[k], sizeof g->hessian[k]);
    memcpy(q->terminal.hessian, g->terminal, sizeof g->terminal);
}

// Exact Hessians are wanted after this many steps in a row that each left more than this part of the KKT error: 8, 7, 9 and 14 iterations
// on the reference problems, in less time than with Gauss-Newton alone (8, 72, 14, 26) or exact ones throughout (11, 9, 11, 13).
#define SLOW_STEPS 2
#define SLOW 0.3

static void newton_begin(GaussNewton *g) {
    g->last = g->below = INFINITY;
    g->slow = g->is_exact = 0;
}

static int wants_exact(GaussNewton *g, double error) {
    g->slow = error > SLOW * g->last ? g->slow + 1 : 0;
    g->last = error;
    return CURVATURE && (g->is_exact || g->slow >= SLOW_STEPS) && error < g->below;
}

// An exact programme that needs more interior-point iterations than this is most often not convex, and does not end well.
#define EXACT_ITERATIONS 20
// Where it was not convex, the error must fall to this part before the exact Hessian is worth its derivatives again.
#define TRY_AGAIN 0.5

// The programme with the exact Hessian at the multipliers π of the point and λ of the last programme. QP_SOLVED or QP_DEADLINE;
// otherwise the Gauss-Newton programme is there again. Instead of giving up where the Hessian is not convex, its blocks were projected
// on their positive part, or half of the curvature taken: on the reference problems both needed more iterations than Gauss-Newton.
static int solve_exact(Workspace *w, const Inputs *in, GaussNewton *g, const QPOptions *options) {
    QP *q = &w->qp;
    save_duals(q, &g->duals);
    save_hessians(q, g);
    for (int k = 0; k < N; k++) add_curvature(w, in, k, q->pi[k + 1]);
    add_terminal_curvature(w, in);
    q->regularization = 0;
    int status = q->warm ? qp_solve_active_set(q, options) : QP_STALLED;
    if (status == QP_SOLVED || status == QP_DEADLINE) return status;
    QPOptions few = *options;
    if (few.max_iterations > EXACT_ITERATIONS) few.max_iterations = EXACT_ITERATIONS;
    status = qp_solve(q, &few, NEAR_MU);
    q->warm = status == QP_SOLVED;
    if (status == QP_SOLVED || status == QP_DEADLINE) return status;
    restore_hessians(q, g);
    restore_duals(q, &g->duals);
    return status;
}

// Solve the programme of the linearised point, whose KKT error with the multipliers of the last one is `error`. CONVERGED when that
// went well, else the status to end with.
static int newton_step(Workspace *w, const Inputs *in, GaussNewton *g, double error, const QPOptions *options, Info *info) {
    if (wants_exact(g, error)) {
        const int status = solve_exact(w, in, g, options);
        info->sweeps = w->qp.sweeps;
        g->is_exact = status == QP_SOLVED;
        if (status == QP_SOLVED) return CONVERGED;
        if (status == QP_DEADLINE) return DEADLINE;
        g->below = TRY_AGAIN * error;
    }
    return find_step(w, options, info);
}

// The step from the programme with every hard row but bounds on controls soft, at the price l1 of a violation: it has a solution where
// the linearised rows contradict each other. Source: Fletcher, "Practical Methods of Optimization", 1987, ch. 12.3 (Sl1QP).
static int elastic_step(Workspace *w, double l1, const QPOptions *options, Info *info) {
    QP *q = &w->qp;
    Sides *a = &q->sides;
    for (int k = 0; k <= N; k++) {
        const int rows = k < N ? NG : NGT;
        for (int i = 0; i < 2 * rows; i++) {
            const int at = k * SIDES + i, row = i % rows;
            const int on_control = k < N && row < NB && BOUND_ENTRY[row] < NU;
            if (a->soft[at] > 0 || on_control) continue;
            a->soft[at] = 1, a->l1[at] = l1, a->l2[at] = 0;
        }
    }
    a->any_soft = 1;
    q->warm = 0;
    const int status = find_step(w, options, info);
    q->warm = 0;  // its violated sides mean nothing to the next programme
    return status;
}
