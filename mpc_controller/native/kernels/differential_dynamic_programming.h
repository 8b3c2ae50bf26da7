// Differential dynamic programming with limits on the controls and general constraints: iLQR (Gauss-Newton) or with all second
// derivatives, rolled out from the start (single shooting) or with gaps in the dynamics that close as steps are taken (FDDP).
// Source: Mayne, 1966 (DDP); Li, Todorov, 2004 (iLQR); Tassa, Erez, Todorov, 2012 (regularisation, line search); Tassa, Mansard,
// Todorov, 2014 (limits); Mastalli et al., "Crocoddyl", 2020, and "A feasibility-driven approach to control-limited DDP", 2022 (gaps).
#pragma once
#include "augmented_lagrangian.h"
#include "control_limited_lq.h"
#include "optimality.h"

typedef struct {
    double max_iterations, real_time_iteration, tolerance, second_order, single_shooting;
} Options;

typedef struct {
    Workspace workspace;
    LimitedLQ lq;
    Augmented augmented;
    double trial_g[N * NG + NGT + 1];
    double gap_price;  // ν of the merit: augmented objective + ν Σ|f̄|
} Memory;

// At most so many sweeps for the problem of one iteration, and what they may leave of the gradient.
#define SWEEPS 10
#define INEXACT 0.1

// The shortest step that is tried along their direction. A real-time iteration tries fewer, so often with more regularisation, and
// keeps the penalty below a value with which one iteration after a new x₀ still makes long steps.
#define SHORTEST_STEP (1.0 / 1024)
#define REAL_TIME_SHORTEST_STEP (1.0 / 8)
#define REAL_TIME_ATTEMPTS 8
#define REAL_TIME_PENALTY 100

// With second derivatives: how often more regularisation is tried before they are left out of this step (in a real-time iteration not
// at all: an arm's closed loop cost 2 to 30 times more where steps became short instead).
#define NEWTON_ATTEMPTS 3

// The first penalty. The estimates of multipliers are renewed when the gradient is below a part of its scale and of what they are off:
// of 0.03 to 1 tried, 0.3 took the fewest iterations on a car that passes an obstacle (17; 48 with a fixed sequence of tolerances).
#define FIRST_PENALTY 10
#define INNER_SCALE 0.1
#define INNER_PART 0.3
#define MOST_UPDATES 200

// A gradient below this part of the tolerance leaves nothing to step along; how often in a row a step may fail before that ends it.
#define PINNED 1e-2
#define MOST_STUCK 3

// Roll the dynamics out from x₀ about the step, u = ū + α δu + K (x ⊟ x̄ − α δx) within the limits, keeping the part 1 − α of every
// gap, into the trial. Gives its cost.
static double forward_pass(Memory *m, const Inputs *in, double alpha) {
    Workspace *w = &m->workspace;
    const LimitedLQ *q = &m->lq;
    double off[LX] ALIGNED = {0}, moved[LX] ALIGNED = {0}, cost = 0;  // x ⊟ x̄ − α δx, x⁺ ⊟ x̄⁺
    memcpy(w->trial_x[0], w->x[0], sizeof w->x[0]);
    for (int k = 0; k < N; k++) {
        const Stage *s = &w->qp.stage[k];
        double *u = w->trial_u[k], feedback[NU];
        for (int j = NU - 1; j >= 0; j--) {
            const double *column = s->factor + j * LZ;
            double sum = dot_states(column, off);
            for (int i = j + 1; i < NU; i++) sum += column[i] * feedback[i];
            feedback[j] = column[j] > 0 ? -sum / column[j] : 0;
            u[j] = w->u[k][j] + between(alpha * q->z[k][j] + feedback[j], q->room.lower[k * NU + j], q->room.upper[k * NU + j]);
        }
        cost += stage_value(w, in, k, w->trial_x[k], u, w->x[k + 1], moved, m->trial_g + k * NG);
        for (int v = 0; v < LX / LANES; v++) {
            const vec kept = load(moved + v * LANES) - load(s->defect + v * LANES) * (1 - alpha);
            const vec planned = k + 1 < N ? states_of(q->z[k + 1], v) : load(q->z_terminal + v * LANES);
            store(moved + v * LANES, kept);
            store(off + v * LANES, kept - planned * alpha);
        }
        retract(w, w->x[k + 1], moved, w->trial_x[k + 1]);
    }
    return cost + terminal_value(w, in, w->trial_x[N], m->trial_g + N * NG);
}

// Derivative of the augmented objective along the step.
static double slope_along(const QP *q, const LimitedLQ *lq) {
    double slope = 0;
    for (int k = 0; k < N; k++)
        for (int j = 0; j < NZ; j++) slope += q->stage[k].gradient[j] * lq->z[k][j];
    for (int i = 0; i < NX; i++) slope += q->terminal.gradient[i] * lq->z_terminal[i];
    for (int k = 0; k <= N; k++)
        for (int i = 0; i < (k < N ? SIDES : SIDES_N); i++) {
            const int at = k * SIDES + i;
            if (is_augmented(&q->sides, k, at, i % (k < N ? NG : NGT)))
                slope -= q->sides.lambda[at] * (lq->side_gap[at] - q->sides.gap[at]);
        }
    return slope;
}

// Σ|f̄|, 0 where rounding is all that is left.
static double open_gaps(const QP *q) {
    double sum = 0;
    for (int k = 0; k < N; k++)
        for (int i = 0; i < NX; i++) sum += fabs(q->stage[k].defect[i]);
    return sum > 1e-12 * N * NX ? sum : 0;
}

// Backtrack until the merit falls (Armijo), with ν large enough that closing the gaps pays (Nocedal, Wright, 2006, eq. 18.36).
// Gives α, 0 where the merit does not fall; `cost` is the trial's.
static double line_search(Memory *m, const Inputs *in, double objective, double shortest, double *cost) {
    Workspace *w = &m->workspace;
    const double slope = slope_along(&w->qp, &m->lq);
    const double gaps = open_gaps(&w->qp);
    for (int k = 1; k <= N; k++) m->gap_price = larger(m->gap_price, max_abs(w->qp.pi[k], NX));
    if (slope > 0.5 * m->gap_price * gaps && gaps > 0) m->gap_price = 2 * slope / gaps;
    const double merit_slope = slope - m->gap_price * gaps;
    const double rounding = merit_rounding(w, 1e-12) * fabs(objective) + 1e-14;
    if (!(merit_slope < rounding)) return 0;
    for (double alpha = 1; alpha >= shortest; alpha *= 0.5) {
        *cost = forward_pass(m, in, alpha);
        const double change = *cost + augment(&w->qp.sides, &m->augmented, m->trial_g, w->g, 0) - objective;
        if (change - alpha * m->gap_price * gaps <= 1e-4 * alpha * smaller(merit_slope, 0) + rounding) return alpha;
    }
    return 0;
}

// Linearise the iterate, with the sides' multipliers and the controls' room there. Gives the augmented objective.
static double expand(Memory *m, const Inputs *in, int second_order, double *cost) {
    Workspace *w = &m->workspace;
    *cost = linearize(w, in);
    const double objective = *cost + augment(&w->qp.sides, &m->augmented, w->g, 0, 1);
    control_room(&w->qp.sides, &m->lq.room);
    m->lq.without_curvature = second_order ? N + 1 : 0;
    return objective;
}

// Linearise the first iterate, after its controls are brought within their limits and, with single shooting, its states to where
// they lead.
static double expand_first(Memory *m, const Inputs *in, const Options *o, double *cost) {
    Workspace *w = &m->workspace;
    LimitedLQ *q = &m->lq;
    const double objective = expand(m, in, o->second_order > 0, cost);
    if (!is_outside(&q->room, (const double *)w->u) && !o->single_shooting) return objective;
    for (int k = 0; k < N; k++)
        for (int j = 0; j < NU; j++) {
            double *lower = &q->room.lower[k * NU + j], *upper = &q->room.upper[k * NU + j];
            w->u[k][j] += between(0, *lower, *upper);
            *lower = *upper = 0;
        }
    if (o->single_shooting) {
        start_at_zero(q, &w->qp, &m->augmented);
        for (int k = 0; k < N; k++) clear(w->qp.stage[k].factor, NU * LZ);
        forward_pass(m, in, 1);
        memcpy(w->x, w->trial_x, sizeof w->x);
    }
    return expand(m, in, o->second_order > 0, cost);
}

// The gradient of a stage with what its augmented sides press.
static void add_augmented(const Stage *s, const double *lambda, double *gradient) {
    double pressing[SIDES + 1];
    for (int i = 0; i < NG; i++) {
        pressing[i] = is_box(i) ? 0 : lambda[i];
        pressing[NG + i] = is_box(i) ? 0 : lambda[NG + i];
    }
    add_stage_sides(s, pressing, gradient);
}

// What the linearised iterate with the sides' multipliers lacks of the optimality conditions, and what is said of it.
static void judge(Workspace *w, double cost, Info *info) {
    QP *q = &w->qp;
    Merit merit = {.cost = cost, .worst_stage = -1, .worst_row = -1};
    add_sides(&merit, &q->sides, q->sides.gap, 0);
    for (int k = 0; k < N; k++) merit.dynamics = larger(merit.dynamics, max_abs(q->stage[k].defect, NX));
    report(&merit, info);
    info->stationarity = 0;
    copy(q->pi[N], q->terminal.gradient, LX);
    add_terminal_sides(&q->terminal, q->sides.lambda + N * SIDES, q->pi[N]);
    for (int k = N - 1; k >= 0; k--) {
        double h[LZ] ALIGNED;
        char pressed[NU];
        copy(h, q->stage[k].gradient, LZ);
        add_augmented(&q->stage[k], q->sides.lambda + k * SIDES, h);
        gemv(NZ, NX, q->stage[k].transition, LZ, q->pi[k + 1], h);
        for (int v = 0; v < LX / LANES; v++) store(q->pi[k] + v * LANES, states_of(h, v));
        info->stationarity = larger(info->stationarity, press_limits(&q->sides, k, h, pressed));
    }
    info->complementarity = complementarity(&q->sides);
}

// A step from the linearised iterate into the trial: more regularisation until the sweeps and the line search succeed (in a real-time
// iteration a few times at most), without second derivatives where they do not help. Gives α, 0 for none.
static double take_step(Memory *m, const Inputs *in, const Options *o, double objective, double gradient, double *cost) {
    const int rti = o->real_time_iteration > 0;
    const double enough = INEXACT * larger(o->tolerance, gradient);
    for (int attempt = 0; !rti || attempt < REAL_TIME_ATTEMPTS; attempt++) {
        if (!solve_limited_lq(&m->lq, &m->workspace, &m->augmented, in, SWEEPS, enough)) {
            if (now_ns() >= in->deadline_ns) return 0;
            const double alpha = line_search(m, in, objective, rti ? REAL_TIME_SHORTEST_STEP : SHORTEST_STEP, cost);
            if (alpha > 0) {
                lower_regularization(&m->lq.regularization, &m->workspace.qp);
                return alpha;
            }
        }
        if (o->second_order && attempt == (rti ? 0 : NEWTON_ATTEMPTS)) {
            double same;
            expand(m, in, 0, &same);
            continue;
        }
        if (raise_regularization(&m->lq.regularization, &m->workspace.qp)) return 0;
    }
    return 0;
}

// Multipliers of the limits that hold a control in the linear-quadratic problem's solution.
static void press_held(Sides *a, const LimitedLQ *q) {
    for (int k = 0; k < N; k++)
        for (int i = 0; i < NB; i++) {
            const int j = BOUND_ENTRY[i];
            if (is_box(i) && q->held[k][j]) a->lambda[k * SIDES + i + (q->reduced[k][j] > 0 ? 0 : NG)] = fabs(q->reduced[k][j]);
        }
}

// One iteration from the guess, and an outer step.
static int real_time_iteration(Memory *m, const Inputs *in, const Options *o, Info *info) {
    Workspace *w = &m->workspace;
    Sides *a = &w->qp.sides;
    double cost;
    if (now_ns() >= in->deadline_ns) return DEADLINE;
    m->augmented.penalty = smaller(m->augmented.penalty, REAL_TIME_PENALTY);
    m->gap_price = 0;
    const double objective = expand_first(m, in, o, &cost);
    judge(w, cost, info);
    if (!isfinite(objective) || !isfinite(info->dynamics)) return NUMERICAL_FAILURE;
    const double alpha = take_step(m, in, o, objective, info->stationarity, &cost);
    info->sweeps = w->qp.sweeps;
    if (alpha == 0) return now_ns() >= in->deadline_ns ? DEADLINE : DIVERGED;
    take_trial(w);
    info->iterations = 1;
    Merit merit = {.cost = cost, .dynamics = (1 - alpha) * info->dynamics, .worst_stage = -1, .worst_row = -1};
    move_gaps(a, m->trial_g, w->g);
    augment(a, &m->augmented, m->trial_g, 0, 1);
    add_sides(&merit, a, a->gap, 0);
    next_estimates(&m->augmented, a);
    press_held(a, &m->lq);
    report(&merit, info);
    return ITERATION_LIMIT;
}

// Whether the augmented objective's gradient is small enough for the next estimates: against how far they will move.
static int is_inner_solved(const QP *q, const Info *info, double off, double tolerance) {
    const double scale = dual_scale(q);
    const double enough = smaller(INNER_SCALE * scale, INNER_PART * off);
    return info->stationarity <= larger(0.5 * tolerance * scale, enough) && info->dynamics <= INNER_SCALE;
}

// Iterations, and outer steps among them.
static int to_convergence(Memory *m, const Inputs *in, const Options *o, Info *info) {
    Workspace *w = &m->workspace;
    Augmented *l = &m->augmented;
    double cost;
    l->penalty = FIRST_PENALTY;
    l->missed = INFINITY;
    l->enough = 0.5 * o->tolerance;
    m->lq.regularization = (Regularization){0};
    m->gap_price = 0;
    if (now_ns() >= in->deadline_ns) return DEADLINE;
    double objective = expand_first(m, in, o, &cost);
    for (int iteration = 0, updates = 0, stuck = 0;;) {
        judge(w, cost, info);
        info->iterations = iteration;
        if (!isfinite(objective) || !isfinite(info->dynamics)) return NUMERICAL_FAILURE;
        if (iteration > 0 && is_converged(&w->qp, info, o->tolerance)) return CONVERGED;
        const double off = estimates_off(l, &w->qp.sides);
        if (off > 0 && (stuck || is_inner_solved(&w->qp, info, off, o->tolerance))) {
            if (l->penalty > PENALTY_RANGE * FIRST_PENALTY) return info->inequality > o->tolerance ? INFEASIBLE : ITERATION_LIMIT;
            if (updates++ == MOST_UPDATES) return ITERATION_LIMIT;
            update_augmented(l, &w->qp.sides);
            objective = cost + augment(&w->qp.sides, l, w->g, 0, 1);
            judge(w, cost, info);
            if (iteration > 0 && info->stationarity <= PINNED * o->tolerance) continue;
        }
        if (iteration >= (int)o->max_iterations) return ITERATION_LIMIT;
        const double alpha = take_step(m, in, o, objective, info->stationarity, &cost);
        info->sweeps = w->qp.sweeps;
        if (now_ns() >= in->deadline_ns) return DEADLINE;
        if (alpha == 0) {
            if (stuck == MOST_STUCK || off == 0) return DIVERGED;
            stuck++, m->lq.regularization = (Regularization){0};
            continue;
        }
        stuck = 0, iteration++;
        take_trial(w);
        objective = expand(m, in, o->second_order > 0, &cost);
    }
}

// The method's part of `solve` (entry.h).
static int plan(Memory *m, const Inputs *in, const Options *o, Info *info) {
    m->workspace.qp.sweeps = 0;
    return o->real_time_iteration ? real_time_iteration(m, in, o, info) : to_convergence(m, in, o, info);
}

// Gains K = −L⁻ᵀL_xᵀ of the free controls, 0 for the clamped ones.
static void feedback(const Memory *m, double *K, double *multipliers) {
    for (int k = 0; k < N; k++)
        for (int j = NU - 1; j >= 0; j--) {
            const double *column = m->workspace.qp.stage[k].factor + j * LZ;
            double *row = K + (k * NU + j) * NX;
            const double scale = column[j] > 0 ? -1 / column[j] : 0;
            for (int i = 0; i < NX; i++) row[i] = column[NU + i];
            for (int c = j + 1; c < NU; c++)
                for (int i = 0; i < NX; i++) row[i] += column[c] * row[(c - j) * NX + i];
            for (int i = 0; i < NX; i++) row[i] *= scale;
        }
    sides_multipliers(&m->workspace.qp.sides, multipliers);
}
