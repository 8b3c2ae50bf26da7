// Descent on the controls by their gradient: steepest descent, Adam, or L-BFGS on the free controls, each projected on the boxes;
// other constraints through the augmented Lagrangian. Controls count in units of their box's width (1 where it has none).
// Source: Bertsekas, "Projected Newton methods for optimization problems with simple constraints", 1982; Kingma, Ba, "Adam: a
// method for stochastic optimization", 2015; Nocedal, Wright, "Numerical Optimization", 2006, algorithms 7.4 and 17.4.
#pragma once
#include "rollout.h"

enum { GAUSS_NEWTON, GRADIENT, ADAM, LBFGS };  // single_shooting.py: STEPS

#define HISTORY 20            // pairs that L-BFGS remembers
#define FIRST_MOVE 0.05       // of a box's width: the first trial step of a line search that knows no better
#define MOST_MOVE 0.2         // of a box's width: no step goes further, for what a rollout far away teaches is of another optimum
#define ARMIJO 1e-4
#define ROUNDING 1e-15        // relative change of the objective that a line search takes for none
#define NEAR_BOUND 1e-2       // of a box's width: controls this near to a bound that they press go straight there
#define LBFGS_TRIES 12        // halvings before L-BFGS gives way to the gradient
#define ADAM_MEAN 0.9         // decay of Adam's means of gradient and square, and what keeps its divisor from 0: the paper's
#define ADAM_SQUARE 0.999
#define ADAM_SMALL 1e-8
#define INNER_ITERATIONS 200  // after as many steps the multipliers are updated in any case

typedef struct {
    ControlBox box;
    Augmented augmented;
    double width[CONTROLS];
    double gradient[CONTROLS], direction[CONTROLS];
    double scaled[CONTROLS];  // the gradient in units of the widths
    double last_u[CONTROLS], last_scaled[CONTROLS];  // the step before
    char pressed[CONTROLS];  // on a bound that the gradient presses it against
    char held[CONTROLS];     // the same, or about to be: not in the metric of L-BFGS
    double moved[HISTORY][CONTROLS], turned[HISTORY][CONTROLS];  // s and y of L-BFGS
    int pairs, newest;
    double mean[CONTROLS], square[CONTROLS];  // Adam's moments
    int adam_steps;
    double alpha;  // last step length along the gradient
} Descent;

typedef struct {
    int step, max_iterations, real_time_iteration;
    double tolerance, learning_rate;
} DescentOptions;

// Forget what the steps before taught: for another objective.
static void restart(Descent *d) {
    d->pairs = d->adam_steps = 0;
    memset(d->mean, 0, sizeof d->mean);
    memset(d->square, 0, sizeof d->square);
}

// aᵀb over the controls that are not held.
static double dot_free(const Descent *d, const double *a, const double *b) {
    double sum = 0;
    for (int i = 0; i < CONTROLS; i++) sum += d->held[i] ? 0 : a[i] * b[i];
    return sum;
}

// Where the gradient would take a control to, of the two bounds of its box, in units of its width; as seen from u.
static double to_bound(const Descent *d, const double *u, int i) {
    const double bound = d->scaled[i] > 0 ? d->box.lower[i] : d->box.upper[i];
    return (bound - u[i]) / d->width[i];
}

// Hold the controls that are near a bound which they press: nearer than the whole gradient's projection moves (Bertsekas, eq. 32).
static void hold_near(Descent *d, const double *u) {
    double move = 0;
    for (int i = 0; i < CONTROLS; i++) move = larger(move, smaller(fabs(d->scaled[i]), fabs(to_bound(d, u, i))));
    for (int i = 0; i < CONTROLS; i++)
        d->held[i] = d->pressed[i] || (d->scaled[i] != 0 && fabs(to_bound(d, u, i)) <= smaller(NEAR_BOUND, move));
}

// Objective of the inner problem at the rolled-out point whose gaps the sides hold.
static double objective(Workspace *w, const Descent *d, const Merit *m) {
    return m->cost + augment(&w->qp.sides, &d->augmented, w->g, 0, 0);
}

// Gradient, multipliers and residuals at the iterate.
static void differentiate(Workspace *w, const Inputs *in, Descent *d, Info *info) {
    Sides *a = &w->qp.sides;
    augment(a, &d->augmented, w->g, 0, 1);
    back_propagate(w, in, d->gradient);
    info->stationarity = press_boxes(a, d->gradient, d->pressed);
    info->complementarity = complementarity(a);
    for (int i = 0; i < CONTROLS; i++) d->scaled[i] = d->gradient[i] * d->width[i];
}

// Remember the last step for L-BFGS.
static void remember(Descent *d, const double *u) {
    d->newest = (d->newest + 1) % HISTORY;
    d->pairs = d->pairs < HISTORY ? d->pairs + 1 : HISTORY;
    for (int i = 0; i < CONTROLS; i++) {
        d->moved[d->newest][i] = (u[i] - d->last_u[i]) / d->width[i];
        d->turned[d->newest][i] = d->scaled[i] - d->last_scaled[i];
    }
}

// −H g in units of the widths by the two-loop recursion among the controls that are not held, with the pairs along which the
// objective curves upwards there; −g without any. What is held goes to its bound.
static void lbfgs_direction(Descent *d, const double *u) {
    double weight[HISTORY], product[HISTORY], scale = 0;
    double *q = d->direction;
    hold_near(d, u);
    for (int i = 0; i < CONTROLS; i++) q[i] = -d->scaled[i];
    for (int n = 0; n < d->pairs; n++) {
        const int at = (d->newest - n + HISTORY) % HISTORY;
        const double *s = d->moved[at], *y = d->turned[at];
        const double square = dot_free(d, y, y);
        product[at] = dot_free(d, s, y);
        if (!(product[at] > 1e-10 * sqrt(square * dot_free(d, s, s)))) {
            product[at] = 0;
            continue;
        }
        if (scale == 0) scale = product[at] / square;
        weight[at] = dot_free(d, s, q) / product[at];
        for (int i = 0; i < CONTROLS; i++) q[i] -= weight[at] * y[i];
    }
    for (int i = 0; scale > 0 && i < CONTROLS; i++) q[i] *= scale;
    for (int n = d->pairs - 1; n >= 0; n--) {
        const int at = (d->newest - n + HISTORY) % HISTORY;
        if (product[at] == 0) continue;
        const double change = weight[at] - dot_free(d, d->turned[at], q) / product[at];
        for (int i = 0; i < CONTROLS; i++) q[i] += change * d->moved[at][i];
    }
    for (int i = 0; i < CONTROLS; i++)
        if (d->held[i]) q[i] = d->pressed[i] ? 0 : to_bound(d, u, i);
}

static void adam_direction(Descent *d, double learning_rate) {
    const int t = ++d->adam_steps;
    const double rate = learning_rate / sqrt(t);  // as in the paper's theorem 4.1: without it the iterates never settle
    for (int i = 0; i < CONTROLS; i++) {
        const double g = d->pressed[i] ? 0 : d->scaled[i];
        d->mean[i] = ADAM_MEAN * d->mean[i] + (1 - ADAM_MEAN) * g;
        d->square[i] = ADAM_SQUARE * d->square[i] + (1 - ADAM_SQUARE) * g * g;
        const double mean = d->mean[i] / (1 - pow(ADAM_MEAN, t)), square = d->square[i] / (1 - pow(ADAM_SQUARE, t));
        d->direction[i] = -rate * mean / (sqrt(square) + ADAM_SMALL);
    }
}

// Roll out the point α along the direction, projected on the boxes.
static Merit try_step(Workspace *w, const Inputs *in, const Descent *d, double alpha) {
    for (int k = 0; k < N; k++) {
        for (int j = 0; j < NU; j++) w->trial_u[k][j] = w->u[k][j] + alpha * d->width[k * NU + j] * d->direction[k * NU + j];
        clip(&d->box, k, w->trial_u[k]);
    }
    memcpy(w->trial_x[0], w->x[0], sizeof w->x[0]);
    return roll_out(w, in, w->trial_x, (const double(*)[NU])w->trial_u);
}

// Backtrack along the projected direction until the objective falls (Armijo); 1 when it does not.
static int backtrack(Workspace *w, const Inputs *in, Descent *d, double alpha, int tries, double value, Merit *now) {
    for (; tries > 0; tries--, alpha *= 0.5) {
        const Merit trial = try_step(w, in, d, alpha);
        double slope = 0;
        for (int k = 0; k < N; k++)
            for (int j = 0; j < NU; j++) slope += d->gradient[k * NU + j] * (w->trial_u[k][j] - w->u[k][j]);
        if (!isfinite(trial.cost) || !(slope < 0)) continue;
        if (objective(w, d, &trial) > value + ARMIJO * slope + merit_rounding(w, ROUNDING) * fabs(value)) continue;
        *now = trial;
        if (!d->pairs) d->alpha = alpha;
        return 0;
    }
    return 1;
}

// The longest step along the direction that moves no control by more than that.
static double longest(const Descent *d) {
    double inverse = 0;
    for (int i = 0; i < CONTROLS; i++)
        if (isfinite(d->box.upper[i] - d->box.lower[i])) inverse = larger(inverse, fabs(d->direction[i]) / MOST_MOVE);
    return inverse > 0 ? 1 / inverse : INFINITY;
}

// One step of the chosen kind from the differentiated iterate to `now`. 1 when the objective cannot be lowered any further.
static int descend(Workspace *w, const Inputs *in, const DescentOptions *o, Descent *d, double value, Merit *now) {
    if (o->step == ADAM) {
        adam_direction(d, o->learning_rate);
        *now = try_step(w, in, d, 1);
        return 0;
    }
    if (o->step == LBFGS && d->pairs) {
        lbfgs_direction(d, (const double *)w->u);
        if (!backtrack(w, in, d, smaller(1, longest(d)), LBFGS_TRIES, value, now)) return 0;
    }
    d->pairs = 0;
    for (int i = 0; i < CONTROLS; i++) d->direction[i] = d->pressed[i] ? 0 : -d->scaled[i];
    const double first = FIRST_MOVE / larger(1e-300, max_abs(d->direction, CONTROLS));
    return backtrack(w, in, d, smaller(d->alpha > 0 ? 2 * d->alpha : first, longest(d)), 60, value, now);
}

static int has_augmented(const Sides *a) {
    for (int k = 0; k <= N; k++) {
        const int rows = k < N ? NG : NGT;
        for (int i = 0; i < 2 * rows; i++)
            if (is_augmented(a, k, k * SIDES + i, i % rows)) return 1;
    }
    return 0;
}

// Widths of the boxes, and the augmented Lagrangian: as a real-time iteration has it from before, else with estimates of 0 and a
// penalty as large as the cost says (Birgin, Martínez, 2014, section 12.4).
static void prepare_descent(const Workspace *w, const DescentOptions *o, Descent *d, const Merit *now) {
    const Sides *a = &w->qp.sides;
    for (int i = 0; i < CONTROLS; i++) {
        const double width = d->box.upper[i] - d->box.lower[i];
        d->width[i] = isfinite(width) && width > 0 ? width : 1;
    }
    restart(d);
    if (o->real_time_iteration && d->augmented.penalty > 0) return;
    memset(&d->augmented, 0, sizeof d->augmented);
    double square = 0;
    for (int i = 0; i < ALL_SIDES; i++)
        if (a->active[i] && a->gap[i] < 0) square += a->gap[i] * a->gap[i];
    d->augmented.penalty = 10 * larger(1, fabs(now->cost)) / larger(1, 0.5 * square);
    d->augmented.missed = INFINITY;
    d->augmented.enough = 0.1 * o->tolerance;
}

// Roll the guess's controls out, clipped to their boxes. CONVERGED when they can be descended from, else the status to end with.
static int start_descent(Workspace *w, const Inputs *in, const DescentOptions *o, Descent *d, Merit *now, Info *info) {
    *now = roll_out(w, in, w->x, (const double(*)[NU])w->u);
    report(now, info);
    if (control_box(&w->qp.sides, (const double *)w->u, &d->box)) return INFEASIBLE;
    for (int k = 0; k < N; k++) clip(&d->box, k, w->u[k]);
    *now = roll_out(w, in, w->x, (const double(*)[NU])w->u);
    prepare_descent(w, o, d, now);
    return isfinite(now->cost) ? CONVERGED : DIVERGED;
}

// One step from the iterate to `now`; 1, with the iterate as it was, when the objective cannot be lowered any further.
static int advance(Workspace *w, const Inputs *in, const DescentOptions *o, Descent *d, Merit *now) {
    memcpy(d->last_u, w->u, sizeof w->u);
    memcpy(d->last_scaled, d->scaled, sizeof d->scaled);
    if (descend(w, in, o, d, objective(w, d, now), now)) {
        *now = roll_out(w, in, w->x, (const double(*)[NU])w->u);
        return 1;
    }
    take_trial(w);
    return 0;
}

// Descend from the iterate to a KKT point, at most `max_iterations` steps. A real-time iteration updates its estimates at its end,
// for the next one, and leaves the penalty: over a closed loop it would only ever grow.
static int first_order(Workspace *w, const Inputs *in, const DescentOptions *o, Descent *d, Info *info) {
    Merit now;
    const int begun = start_descent(w, in, o, d, &now, info);
    if (begun != CONVERGED) return begun;
    const int augmented = has_augmented(&w->qp.sides), outer = augmented && !o->real_time_iteration;
    const double largest_penalty = PENALTY_RANGE * d->augmented.penalty;
    double inner = INFINITY;  // stationarity at which the estimates are updated
    int stuck = 0;
    for (int iteration = 0, since = 0;; iteration++, since++) {
        differentiate(w, in, d, info);
        report(&now, info);
        info->iterations = iteration;
        if (is_converged(&w->qp, info, o->tolerance)) return CONVERGED;
        if (iteration >= o->max_iterations || (stuck && !outer)) {
            if (augmented && o->real_time_iteration) next_estimates(&d->augmented, &w->qp.sides);
            return ITERATION_LIMIT;
        }
        if (now_ns() >= in->deadline_ns) return DEADLINE;
        if (since > 0 && o->step == LBFGS) remember(d, (const double *)w->u);
        if (iteration == 0) inner = info->stationarity;
        if (outer && (stuck || since >= INNER_ITERATIONS || info->stationarity <= inner)) {
            update_augmented(&d->augmented, &w->qp.sides);
            restart(d);
            if (d->augmented.penalty > largest_penalty) return now.inequality > o->tolerance ? INFEASIBLE : ITERATION_LIMIT;
            inner = larger(0.5 * o->tolerance * dual_scale(&w->qp), 0.1 * inner);
            stuck = 0, since = -1;
            continue;
        }
        stuck = advance(w, in, o, d, &now);
        if (!isfinite(now.cost)) return DIVERGED;
    }
}
