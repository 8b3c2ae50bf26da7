// Shooting over the controls alone: roll them out forwards, back-propagate the Lagrangian's gradient backwards.
// Source: Bryson, Ho, "Applied Optimal Control", 1975, section 2.2 (the adjoint equations) and 7.3.
#pragma once
#include "augmented_lagrangian.h"
#include "optimality.h"

// A state beyond this is no longer a number that says anything; its squares are still finite.
#define RUNAWAY 1e12

// The box of every control, from the sides' gaps at u. 1 when two bounds leave one empty.
static int control_box(const Sides *a, const double *u, ControlBox *box) {
    const int empty = control_room(a, box);
    for (int j = 0; j < CONTROLS; j++) box->lower[j] += u[j], box->upper[j] += u[j];
    return empty;
}

static void clip(const ControlBox *box, int k, double *u) {
    for (int j = 0; j < NU; j++) u[j] = between(u[j], box->lower[k * NU + j], box->upper[k * NU + j]);
}

// x_{k+1} = origin ⊞ (F(x_k, u_k) ⊟ origin), with the stage's cost and constraint values; the difference goes to `change` (LX).
static double step_from(Workspace *w, const Inputs *in, int k, const double *x, const double *u, const double *origin,
                        double *change, double *next) {
    const double value = stage_value(w, in, k, x, u, origin, change, w->g + k * NG);
    retract(w, origin, change, next);
    return value;
}

// Close a rollout: cost of the end, and what all rows miss. A cost of infinity where states ran away.
static void end_rollout(Workspace *w, const Inputs *in, const double (*x)[NXA], Merit *m) {
    m->cost += terminal_value(w, in, x[N], w->g + N * NG);
    for (int k = 0; k <= N; k++)
        for (int i = 0; i < NXA; i++)
            if (!(fabs(x[k][i]) < RUNAWAY)) m->cost = INFINITY;
    fill_sides(&w->qp.sides, w->g, in->p);
    add_sides(m, &w->qp.sides, w->qp.sides.gap, 0);
    if (!isfinite(m->cost + m->prices + m->missed)) m->cost = INFINITY;
}

// Roll u out from x[0]: fills x, and gives the point's merit, with the sides' gaps left in the workspace.
static Merit roll_out(Workspace *w, const Inputs *in, double (*x)[NXA], const double (*u)[NU]) {
    Merit m = {.worst_stage = -1, .worst_row = -1};
    double change[LX];
    for (int k = 0; k < N; k++) m.cost += step_from(w, in, k, x[k], u[k], x[k], change, x[k + 1]);
    end_rollout(w, in, (const double(*)[NXA])x, &m);
    return m;
}

// The affine law u_k = clip(û_k + K_k (x_k ⊟ x̂_k)) on the model from x_0, about (x̂, û) in trial_x and trial_u, which then hold
// where it leads; gains row-major (NU, NX). x_0 is in x̂_0.
static Merit follow(Workspace *w, const Inputs *in, const ControlBox *box, const double (*gain)[NU * NX]) {
    Merit merit = {.worst_stage = -1, .worst_row = -1};
    double off[LX] = {0};  // x_k ⊟ x̂_k
    for (int k = 0; k < N; k++) {
        double *u = w->trial_u[k], next[NXA];
        for (int j = 0; j < NU; j++)
            for (int i = 0; i < NX; i++) u[j] += gain[k][j * NX + i] * off[i];
        clip(box, k, u);
        merit.cost += step_from(w, in, k, w->trial_x[k], u, w->trial_x[k + 1], off, next);
        memcpy(w->trial_x[k + 1], next, sizeof next);
    }
    end_rollout(w, in, (const double(*)[NXA])w->trial_x, &merit);
    return merit;
}

// The Lagrangian's gradient by the controls at the rolled-out iterate, with the sides' multipliers λ; π by the way:
//     (∇_{u_k}, π_k) = ∇_z [dt l + π_{k+1}ᵀ F + μ_kᵀ g]
static void back_propagate(Workspace *w, const Inputs *in, double *gradient) {
    QP *q = &w->qp;
    double mu[N * NG + NGT + 1], swept[NZ];
    sides_multipliers(&q->sides, mu);
#if RESIDUAL
    const FusedInputs fused = fused_inputs(w, in);
    fused_horizon(&w->fused, &fused, (const double(*)[NXA])w->x, (const double(*)[NU])w->u, 1);
#endif
    terminal_arguments(w, in, w->x[N]);
    w->arg[3] = mu + N * NG, w->res[0] = q->pi[N];
    ocp_terminal_adjoint(w->arg, w->res, 0, w->work, 0);
    for (int k = N - 1; k >= 0; k--) {
        const double *pi = q->pi[k + 1];
#if RESIDUAL
        double seen[NX], fused_gradient[NZ];
        memcpy(seen, pi, sizeof seen);
        fused_adjoint(&w->fused, &fused, k, w->x[k], w->u[k], seen, fused_gradient);
        pi = seen;
#endif
        stage_arguments(w, in, k, w->x[k], w->u[k], w->x[k + 1]);
        w->arg[6] = pi, w->arg[7] = mu + k * NG, w->res[0] = swept;
        ocp_path_adjoint(w->arg, w->res, 0, w->work, 0);
#if RESIDUAL
        for (int i = 0; i < NZ; i++) swept[i] += fused_gradient[i];
#endif
        memcpy(gradient + k * NU, swept, NU * sizeof(double));
        memcpy(q->pi[k], swept + NU, NX * sizeof(double));
    }
}

// Multipliers of the limits at the iterate from the gradient by all controls; see `press_limits`.
static double press_boxes(Sides *a, const double *gradient, char *pressed) {
    double left = 0;
    for (int k = 0; k < N; k++) left = larger(left, press_limits(a, k, gradient + k * NU, pressed + k * NU));
    return left;
}

// `free_gains`, and the programme without its constraints left ready to be solved with their factorisation.
static int regulate(Workspace *w, double (*gain)[NU * NX]) {
    QP *q = &w->qp;
    memset(q->sides.shift, 0, sizeof q->sides.shift);
    qp_start(q);
    return free_gains(q, gain);
}
