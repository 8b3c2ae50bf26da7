// Direct single shooting: the controls are the only variables, the states are what the model makes of them. Gauss-Newton steps
// from the linear-quadratic programme along the rollout, with an ℓ1 merit line search over rollouts, or first-order steps
// (first_order.h).
// Source: Hicks, Ray, "Approximation methods for optimal control synthesis", 1971; Nocedal, Wright, "Numerical Optimization", 2006,
// ch. 18 (merit function).
#pragma once
#include "first_order.h"

typedef struct {
    double step, max_iterations, real_time_iteration, tolerance, learning_rate;
    double qp_max_iterations, qp_tolerance, qp_complementarity, qp_stationarity, qp_gradient;
} Options;

typedef struct {
    Workspace workspace;
    Descent descent;
    double gain[N][NU * NX];  // of the LQR about the guess, row-major
} Memory;

// A real-time step is refused when it leaves a hard row unmet by more than this much of 1 + the largest state.
#define WILD 0.5

// Weight on a control that is on its bound, in units of the largest Hessian entry: its feedback is as good as 0.
#define HELD_WEIGHT 1e8

// Roll out the controls moved by the programme's step until the ℓ1 merit falls (Armijo); 1, with the point as it was, when it
// does not.
static int line_search(Workspace *w, const Inputs *in, double *penalty, Merit *now) {
    QP *q = &w->qp;
    qp_adjoint(q, 1);
    *penalty = larger(*penalty, 1.5 * largest_multiplier(q));
    const double merit = now->cost + now->prices + *penalty * now->missed;
    const double slope = predicted_change(q, now) - *penalty * now->missed;
    memcpy(w->trial_x[0], w->x[0], sizeof w->x[0]);
    for (double alpha = 1; alpha > 1e-6; alpha *= 0.5) {
        for (int k = 0; k < N; k++)
            for (int j = 0; j < NU; j++) w->trial_u[k][j] = w->u[k][j] + alpha * q->z[k][j];
        const Merit trial = roll_out(w, in, w->trial_x, (const double(*)[NU])w->trial_u);
        const double value = trial.cost + trial.prices + *penalty * trial.missed;
        if (value <= merit + ARMIJO * alpha * smaller(slope, 0) + merit_rounding(w, 1e-12) * fabs(merit)) {
            take_trial(w);
            *now = trial;
            return 0;
        }
    }
    return 1;
}

// A real-time iteration ends with the point that it reached, were it the one that it started from.
static int end_real_time(const Workspace *w, const Merit *now, int iterations, Info *info) {
    report(now, info);
    info->iterations = iterations;
    return now->inequality > WILD * (1 + max_abs((const double *)w->x, (N + 1) * NXA)) ? DIVERGED : ITERATION_LIMIT;
}

// Gauss-Newton steps from the controls of the iterate.
static int gauss_newton(Workspace *w, const Inputs *in, const Options *o, const QPOptions *options, Info *info) {
    double penalty = 0;
    Merit now = roll_out(w, in, w->x, (const double(*)[NU])w->u);
    for (int iteration = 0;; iteration++) {
        info->iterations = iteration;
        if (!isfinite(now.cost)) return DIVERGED;
        report(&now, info);
        if (now_ns() >= in->deadline_ns) return DEADLINE;
        linearize(w, in);
        if (iteration > 0) {
            kkt(w, info);
            if (is_converged(&w->qp, info, o->tolerance)) return CONVERGED;
            if (iteration >= (int)o->max_iterations) return ITERATION_LIMIT;
        }
        const int status = find_step(w, options, info);
        if (status != CONVERGED) return status;
        if (o->real_time_iteration) kkt(w, info);
        const int stuck = line_search(w, in, &penalty, &now);
        if (o->real_time_iteration && (stuck || iteration + 1 >= (int)o->max_iterations))
            return end_real_time(w, &now, iteration + 1, info);
        if (stuck) return DIVERGED;
    }
}

// Gains of a point that first-order steps reached: one Riccati sweep with the pressed controls held and the weights of the
// augmented Lagrangian.
static int complete(Memory *m, const Inputs *in) {
    Workspace *w = &m->workspace;
    Sides *a = &w->qp.sides;
    if (!isfinite(linearize(w, in))) return 1;
    double lambda[ALL_SIDES + 1];
    memcpy(lambda, a->lambda, sizeof lambda);
    augment(a, &m->descent.augmented, w->g, 0, 1);
    memcpy(a->lambda, lambda, sizeof lambda);
    const double held = HELD_WEIGHT * larger(1, largest_hessian(&w->qp));
    for (int k = 0; k < N; k++)
        for (int i = 0; i < NB; i++)
            if (is_box(i) && m->descent.pressed[k * NU + BOUND_ENTRY[i]]) a->weight[k * SIDES + i] = held;
    return factor_safely(&w->qp);
}

static int by_gradient(Memory *m, const Inputs *in, const Options *o, Info *info) {
    const DescentOptions options = {(int)o->step, (int)o->max_iterations, o->real_time_iteration, o->tolerance, o->learning_rate};
    const int status = first_order(&m->workspace, in, &options, &m->descent, info);
    if (status != CONVERGED && status != ITERATION_LIMIT) return status;
    return complete(m, in) ? NUMERICAL_FAILURE : status;
}

// trial = iterate ⊞ z
static void try_programme(Workspace *w) {
    const QP *q = &w->qp;
    for (int k = 0; k <= N; k++) {
        retract(w, w->x[k], k < N ? q->z[k] + NU : q->z_terminal, w->trial_x[k]);
        for (int j = 0; k < N && j < NU; j++) w->trial_u[k][j] = w->u[k][j] + q->z[k][j];
    }
}

// Where a real-time iteration starts: the guess, for Gauss-Newton the solution of the programme along it, as a robot follows it under
// an LQR. Rolled out as they are, the guess's controls lead an unstable robot far away from the plan that they were.
static void follow_guess(Memory *m, const Inputs *in, const QPOptions *options, int gauss_newton, Info *info) {
    Workspace *w = &m->workspace;
    ControlBox *box = &m->descent.box;
    if (!isfinite(linearize(w, in)) || control_box(&w->qp.sides, (const double *)w->u, box)) return;
    memcpy(w->trial_x, w->x, sizeof w->x);
    memcpy(w->trial_u, w->u, sizeof w->u);
    if (gauss_newton && find_step(w, options, info) == CONVERGED) try_programme(w);
    if (regulate(w, m->gain)) return;
    const Merit merit = follow(w, in, box, (const double(*)[NU * NX])m->gain);
    if (isfinite(merit.cost)) take_trial(w);
}

// The method's part of `solve` (entry.h).
static int plan(Memory *m, const Inputs *in, const Options *o, Info *info) {
    const QPOptions options = {o->qp_tolerance, o->qp_complementarity, o->qp_stationarity, o->qp_gradient,
                               (int)o->qp_max_iterations, in->deadline_ns, 0, 0};
    const int by_programmes = o->step == GAUSS_NEWTON;
    if (now_ns() >= in->deadline_ns) return DEADLINE;
    m->workspace.qp.sweeps = 0;
    if (o->real_time_iteration) follow_guess(m, in, &options, by_programmes, info);
    return by_programmes ? gauss_newton(&m->workspace, in, o, &options, info) : by_gradient(m, in, o, info);
}

static void feedback(const Memory *m, double *K, double *multipliers) {
    const QP *q = &m->workspace.qp;
    for (int k = 0; k < N; k++) riccati_gain(&q->stage[k], K + k * NU * NX);
    sides_multipliers(&q->sides, multipliers);
}
