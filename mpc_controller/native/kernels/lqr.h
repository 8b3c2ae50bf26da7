// Time-varying LQR along a guess: one Riccati sweep over the problem linearised there, without its constraints, and the affine law
//
//     u_k = û_k + K_k (x_k ⊟ x̂_k),   x̂ = x̄ ⊞ δx,  û = ū + δu  (the sweep's optimum)
//
// followed on the model itself, clipped to the hard bounds of the controls.
// Source: Anderson, Moore, "Optimal Control: Linear Quadratic Methods", 1990, ch. 2 and 3.
#pragma once
#include "rollout.h"

typedef struct {
    double tolerance;
} Options;

typedef struct {
    Workspace workspace;
    ControlBox box;
    double gain[N][NU * NX];  // K_k, row-major
    double gradient[CONTROLS];
    char pressed[CONTROLS];
} Memory;

// Factor and solve the linearised problem: x̂ in trial_x, û in trial_u, and the gains. 1 when its Hessian has no minimum.
static int sweep(Memory *m) {
    Workspace *w = &m->workspace;
    QP *q = &w->qp;
    if (regulate(w, m->gain)) return 1;
    qp_solve_linear(q);
    for (int k = 0; k <= N; k++) {
        retract(w, w->x[k], q->dx[k], w->trial_x[k]);
        if (k == N) break;
        for (int j = 0; j < NU; j++) w->trial_u[k][j] = w->u[k][j] + q->dz[k][j];
    }
    return 0;
}

// The method's part of `solve` (entry.h).
static int plan(Memory *m, const Inputs *in, const Options *o, Info *info) {
    Workspace *w = &m->workspace;
    Sides *a = &w->qp.sides;
    if (now_ns() >= in->deadline_ns) return DEADLINE;
    if (!isfinite(linearize(w, in))) return NUMERICAL_FAILURE;
    w->qp.sweeps = 0;
    if (control_box(a, (const double *)w->u, &m->box)) {
        const Merit merit = evaluate(w, in, (const double(*)[NXA])w->x, (const double(*)[NU])w->u);
        report(&merit, info);
        return INFEASIBLE;
    }
    if (sweep(m)) return NUMERICAL_FAILURE;
    info->iterations = 1;
    info->sweeps = w->qp.sweeps;
    const Merit merit = follow(w, in, &m->box, m->gain);
    if (!isfinite(merit.cost)) return DIVERGED;
    take_trial(w);
    report(&merit, info);
    memset(a->lambda, 0, sizeof a->lambda);
    back_propagate(w, in, m->gradient);
    info->stationarity = press_boxes(a, m->gradient, m->pressed);
    info->complementarity = complementarity(a);
    return is_converged(&w->qp, info, o->tolerance) ? CONVERGED : ITERATION_LIMIT;
}

static void feedback(const Memory *m, double *K, double *multipliers) {
    memcpy(K, m->gain, sizeof m->gain);
    sides_multipliers(&m->workspace.qp.sides, multipliers);
}
