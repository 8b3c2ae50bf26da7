// Shooting over the controls alone: roll them out forwards, back-propagate the Lagrangian's gradient backwards.
// Source: Bryson, Ho, "Applied Optimal Control", 1975, section 2.2 (the adjoint equations) and 7.3.
#pragma once
#include "augmented_lagrangian.h"
#include "optimality.h"

// A state beyond this is no longer a number that says anything; its squares are still finite.
#define RUNAWAY 1e12

// How near its bound a control is on it, in units of the side's room: a bound is kept to the rounding of u − (u − bound).
#define ON_BOUND 1e-10

#define CONTROLS (N * NU)  // flat arrays over the horizon's controls

typedef struct {
    double lower[CONTROLS], upper[CONTROLS];
} ControlBox;

// The box of every control, from the sides' gaps at u. 1 when two bounds leave one empty.
static int control_box(const Sides *a, const double *u, ControlBox *box) {
    int empty = 0;
    for (int i = 0; i < CONTROLS; i++) box->lower[i] = -INFINITY, box->upper[i] = INFINITY;
    for (int k = 0; k < N; k++)
        for (int i = 0; i < NB; i++) {
            if (!is_box(i)) continue;
            const int at = k * SIDES + i, j = k * NU + BOUND_ENTRY[i];
            if (a->active[at]) box->lower[j] = larger(box->lower[j], u[j] - a->gap[at]);
            if (a->active[at + NG]) box->upper[j] = smaller(box->upper[j], u[j] + a->gap[at + NG]);
            empty |= box->lower[j] > box->upper[j];
        }
    return empty;
}

static void clip(const ControlBox *box, int k, double *u) {
    for (int j = 0; j < NU; j++) u[j] = smaller(larger(u[j], box->lower[k * NU + j]), box->upper[k * NU + j]);
}

// x_{k+1} = origin ⊞ (F(x_k, u_k) ⊟ origin), with the stage's cost and constraint values; the difference goes to `change` (LX).
static double step_from(Workspace *w, const Inputs *in, int k, const double *x, const double *u, const double *origin,
                        double *change, double *next) {
    double value;
    w->arg[0] = x, w->arg[1] = u, w->arg[2] = origin;
    w->arg[3] = in->p, w->arg[4] = in->reference + k * NR, w->arg[5] = in->grid + k;
    w->res[0] = change, w->res[1] = &value, w->res[2] = w->g + k * NG;
    ocp_path_value(w->arg, w->res, 0, w->work, 0);
    w->arg[0] = origin, w->arg[1] = change, w->res[0] = next;
    ocp_plus(w->arg, w->res, 0, w->work, 0);
    return value;
}

// Close a rollout: cost of the end, and what all rows miss. A cost of infinity where states ran away.
static void end_rollout(Workspace *w, const Inputs *in, const double (*x)[NXA], Merit *m) {
    double value;
    w->arg[0] = x[N], w->arg[1] = in->p, w->arg[2] = in->reference + N * NR;
    w->res[0] = &value, w->res[1] = w->g + N * NG;
    ocp_terminal_value(w->arg, w->res, 0, w->work, 0);
    m->cost += value;
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

// Take the trial for the iterate.
static void take_trial(Workspace *w) {
    memcpy(w->x, w->trial_x, sizeof w->x);
    memcpy(w->u, w->trial_u, sizeof w->u);
}

// The Lagrangian's gradient by the controls at the rolled-out iterate, with the sides' multipliers λ; π by the way:
//     (∇_{u_k}, π_k) = ∇_z [dt l + π_{k+1}ᵀ F + μ_kᵀ g]
static void back_propagate(Workspace *w, const Inputs *in, double *gradient) {
    QP *q = &w->qp;
    double mu[N * NG + NGT + 1], swept[NZ];
    sides_multipliers(&q->sides, mu);
    w->arg[0] = w->x[N], w->arg[1] = in->p, w->arg[2] = in->reference + N * NR, w->arg[3] = mu + N * NG;
    w->res[0] = q->pi[N];
    ocp_terminal_adjoint(w->arg, w->res, 0, w->work, 0);
    for (int k = N - 1; k >= 0; k--) {
        w->arg[0] = w->x[k], w->arg[1] = w->u[k], w->arg[2] = w->x[k + 1];
        w->arg[3] = in->p, w->arg[4] = in->reference + k * NR, w->arg[5] = in->grid + k;
        w->arg[6] = q->pi[k + 1], w->arg[7] = mu + k * NG, w->res[0] = swept;
        ocp_path_adjoint(w->arg, w->res, 0, w->work, 0);
        memcpy(gradient + k * NU, swept, NU * sizeof(double));
        memcpy(q->pi[k], swept + NU, NX * sizeof(double));
    }
}

// Give the control boxes the multipliers that balance the gradient, where a control is on a bound that it presses; the controls
// that do so in `pressed`. Returns the largest component of the gradient that is left.
static double press_boxes(Sides *a, const double *gradient, char *pressed) {
    double left = 0;
    memset(pressed, 0, CONTROLS);
    for (int k = 0; k < N; k++)
        for (int i = 0; i < NB; i++) {
            if (!is_box(i)) continue;
            const int at = k * SIDES + i, j = k * NU + BOUND_ENTRY[i];
            const int low = a->active[at] && a->gap[at] <= ON_BOUND * a->room[at] && gradient[j] > 0 && !pressed[j];
            const int high = a->active[at + NG] && a->gap[at + NG] <= ON_BOUND * a->room[at + NG] && gradient[j] < 0 && !pressed[j];
            a->lambda[at] = low ? gradient[j] : 0;
            a->lambda[at + NG] = high ? -gradient[j] : 0;
            pressed[j] |= low || high;
        }
    for (int i = 0; i < CONTROLS; i++)
        if (!pressed[i]) left = larger(left, fabs(gradient[i]));
    return left;
}

// One Riccati factorisation of the linearised point with the sides' weights; with more and more of the identity where a Hessian is
// not positive definite (Levenberg-Marquardt). 1 when nothing helps.
static int factor_safely(QP *q) {
    double largest = 1;
    for (int k = 0; k < N; k++)
        for (int j = 0; j < NZ; j++) largest = larger(largest, q->stage[k].hessian[j * LZ + j]);
    q->regularization = 0;
    for (int attempt = 0; attempt < 6; attempt++) {
        if (!qp_factor(q)) return 0;
        q->regularization = larger(100 * q->regularization, 1e-8 * largest);
    }
    return 1;
}

// Gains K_k, row-major (NU, NX), of the time-varying LQR along the linearised point: its costs without any constraint. The
// factorisation stays in the stages. 1 when nothing makes the Hessians positive definite.
static int regulate(Workspace *w, double (*gain)[NU * NX]) {
    QP *q = &w->qp;
    memset(q->sides.weight, 0, sizeof q->sides.weight);
    memset(q->sides.shift, 0, sizeof q->sides.shift);
    qp_start(q);
    if (factor_safely(q)) return 1;
    for (int k = 0; k < N; k++) riccati_gain(&q->stage[k], gain[k]);
    return 0;
}
