// Steps from any start: whole ones on trial (watchdog), and where they do not pay within a few iterations, back to the point before
// them and along its step until an ℓ1 merit function falls. Whole steps pass by minima in which a monotone search ends, and need no
// second-order correction where a curved row lifts the merit (Maratos effect).
// Source: Chamberlain, Powell, Lemaréchal, Pedersen, "The watchdog technique for forcing convergence in algorithms for constrained
// optimization", 1982; Nocedal, Wright, "Numerical Optimization", 2006, ch. 15.4 and 18.3.
#pragma once
#include "newton_step.h"

// Whole steps that may pass without the merit falling below that of the point before them. With none, cold starts of the reference
// problems took 38 (to a worse minimum), 8, 16 and 37 iterations (cart-pole, quadrotor, arm, car); with 3, 8 or 16 they take 8, 7, 9, 14.
#define PATIENCE 8

// The point to go back to, and what tells whether steps from there paid.
typedef struct {
    double x[N + 1][NXA], u[N][NU];
#if INNER
    double inner[N][INNER];
#endif
    Duals duals;
    Merit merit;
    double slope;  // of cost and prices along the step from there
} Anchor;

typedef struct {
    Anchor anchor;
    double penalty;  // of what hard rows and dynamics miss
    int on_trial;    // whole steps since the anchor
    int patience;    // how many of them there may be
    int careful;     // the next step must pay
} Search;

static void search_begin(Search *s) {
    s->penalty = 0;
    s->on_trial = s->careful = 0;
    s->patience = PATIENCE;
}

static double merit_of(const Merit *m, double penalty) { return m->cost + m->prices + penalty * m->missed; }

// trial = iterate ⊞ α z, and its merit.
static Merit try_step(Workspace *w, const Inputs *in, double alpha) {
    const QP *q = &w->qp;
    for (int k = 0; k <= N; k++) {
        const double *dx = k < N ? q->z[k] + NU : q->z_terminal;
        double scaled[NX];
        for (int i = 0; i < NX; i++) scaled[i] = alpha * dx[i];
        retract(w, w->x[k], scaled, w->trial_x[k]);
        for (int j = 0; k < N && j < NU; j++) w->trial_u[k][j] = w->u[k][j] + alpha * q->z[k][j];
#if INNER
        if (k < N) inner_retract(&w->inner, k, q->z[k], alpha);
#endif
    }
    return evaluate(w, in, (const double(*)[NXA])w->trial_x, (const double(*)[NU])w->trial_u);
}

static void drop_anchor(Search *s, const Workspace *w, const Merit *now) {
    Anchor *a = &s->anchor;
    memcpy(a->x, w->x, sizeof a->x);
    memcpy(a->u, w->u, sizeof a->u);
#if INNER
    memcpy(a->inner, w->inner.w, sizeof a->inner);
#endif
    save_duals(&w->qp, &a->duals);
    a->merit = *now;
    a->slope = predicted_change(&w->qp, now);
}

// Back to the anchor, for a step from there that pays, and with half the patience from then on; its merit.
static Merit go_back(Search *s, Workspace *w) {
    const Anchor *a = &s->anchor;
    memcpy(w->x, a->x, sizeof a->x);
    memcpy(w->u, a->u, sizeof a->u);
#if INNER
    memcpy(w->inner.w, a->inner, sizeof a->inner);
#endif
    restore_duals(&w->qp, &a->duals);
    s->on_trial = 0;
    s->careful = 1;
    s->patience /= 2;
    return a->merit;
}

// Whether a point after a step of length α from the anchor lowers the merit enough (Armijo).
static int pays(const Search *s, const Workspace *w, const Merit *trial, double alpha) {
    const Merit *start = &s->anchor.merit;
    const double before = merit_of(start, s->penalty), slope = s->anchor.slope - s->penalty * start->missed;
    const double rounding = merit_rounding(w, 1e-12) * (fabs(before) + s->penalty);
    return merit_of(trial, s->penalty) <= before + 1e-4 * alpha * smaller(slope, 0) + rounding;
}

// Move along the step of the programme: all of it where that pays or is on trial, else back to the anchor or, from the anchor, as far
// as it pays. 1 when no step pays.
static int move(Search *s, Workspace *w, const Inputs *in, Merit *now) {
    qp_adjoint(&w->qp, 1);
    s->penalty = larger(s->penalty, 1.5 * largest_multiplier(&w->qp));
    if (s->on_trial == 0) drop_anchor(s, w, now);
    for (double alpha = 1; alpha > 1e-6; alpha *= 0.5) {
        const Merit trial = try_step(w, in, alpha);
        const int is_finite = isfinite(merit_of(&trial, 1)), has_paid = is_finite && pays(s, w, &trial, alpha);
        if (has_paid || (is_finite && !s->careful && s->on_trial < s->patience)) {
            take_trial(w);
            s->on_trial = has_paid ? 0 : s->on_trial + 1;
            s->careful = 0;
            *now = trial;
            return 0;
        }
        if (s->on_trial > 0) {
            *now = go_back(s, w);
            return 0;
        }
    }
    return 1;
}
