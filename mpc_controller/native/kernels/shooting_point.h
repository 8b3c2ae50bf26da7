// One point (x, u) of the horizon: its cost, what it misses, and its quadratic programme, from the generated stage functions.
#pragma once
#include "quadratic_programme.h"
#if INNER
#include "inner_states.h"
#endif
#if STAGE_LANES
#include "stage_lanes.h"
#endif
#if RESIDUAL
#include "fused_stages.h"
#endif

typedef struct {
    QP qp;
    double x[N + 1][NXA], u[N][NU];              // the iterate
    double trial_x[N + 1][NXA], trial_u[N][NU];
    double g[N * NG + NGT + 1];                  // constraint values at the last evaluated point
    double work[WORK_SIZE];
    const double *arg[ARG_SIZE];
    double *res[RES_SIZE];
#if INNER
    Inner inner;
#endif
#if STAGE_LANES
    StageLanes lanes;
    double values[N], defects[N][LX] ALIGNED;
#endif
#if RESIDUAL
    Fused fused;
#endif
} Workspace;

typedef struct {
    const double *p, *reference, *grid;
    long long deadline_ns;
    const double *x0;
    const double *residual_numbers;  // ResidualData; null without one
    const float *residual_weights;
} Inputs;

// How a solve ended (solution.py: Status), and what else is said of it, in the order of native_program.py.
enum { CONVERGED, ITERATION_LIMIT, DEADLINE, INFEASIBLE, DIVERGED, NUMERICAL_FAILURE };

typedef struct {
    double status, iterations, sweeps, cost, stationarity, dynamics, inequality, complementarity;
    double worst_stage, worst_row, slack;
} Info;

// The part of a merit, and of what is missed, that rounding may change. Networks in single precision make that about 10⁻⁸;
// `alone` is that of the physics.
static double merit_rounding(const Workspace *w, double alone) {
#if RESIDUAL
    if (w->fused.is_heard) return 1e-8;
#endif
    return alone;
}

// What a point costs: objective with the prices of soft rows, and the ℓ1 norm of what hard rows and dynamics miss.
typedef struct {
    double cost, prices, missed, dynamics, inequality, slack;
    int worst_stage, worst_row;
} Merit;

// A row between two bounds is tightened by no more than this part of what lies between them, from either side.
#define MOST_OF_RANGE 0.45

// Bounds, prices and masks of all sides from the parameters, tightened by the margins, and gaps from g.
static void fill_sides(Sides *a, const double *g, const double *p) {
    a->any_soft = ANY_SOFT;
    for (int k = 0; k <= N; k++) {
        const int rows = k < N ? NG : NGT;
        const int *lower = k < N ? LOWER : LOWER_N, *upper = k < N ? UPPER : UPPER_N;
        const int *l1 = k < N ? SOFT_L1 : SOFT_L1_N, *l2 = k < N ? SOFT_L2 : SOFT_L2_N;
        for (int i = 0; i < rows; i++) {
            const int at = k * SIDES + i, soft = l1[i] >= 0;
            double low = p[lower[i]], high = p[upper[i]];
            const int has_low = low > -1e20, has_high = high < 1e20;
#if BACK_OFFS
            const double margin = smaller(a->margin[k * NG + i], has_low && has_high ? MOST_OF_RANGE * (high - low) : INFINITY);
            low += margin, high -= margin;
#endif
            const double middle = 0.5 * (low + high), least = MIN_RANGE * larger(1, fabs(middle));
            if (high - low < least) low = middle - 0.5 * least, high = middle + 0.5 * least;  // an equality: give it an interior
            const double price1 = soft ? p[l1[i]] : 0, price2 = soft ? p[l2[i]] : 0;
            const int holds = (k > 0 || !ON_STATES_ALONE[i]) && !(soft && price1 + price2 <= 0);
            a->gap[at] = g[k * NG + i] - low;
            a->gap[at + rows] = high - g[k * NG + i];
            a->active[at] = holds && has_low;
            a->active[at + rows] = holds && has_high;
            // Narrow rows start with slacks wider than they are: multipliers of μ/s would be huge.
            a->room[at] = a->room[at + rows] = has_low && has_high ? larger(high - low, 1e-2) : 1;
            a->soft[at] = a->soft[at + rows] = soft;
            a->l1[at] = a->l1[at + rows] = price1;
            a->l2[at] = a->l2[at + rows] = price2;
        }
    }
}

// The arguments that every function of path stage k takes.
INLINE void stage_arguments(Workspace *w, const Inputs *in, int k, const double *x, const double *u, const double *next) {
    w->arg[0] = x, w->arg[1] = u, w->arg[2] = next;
    w->arg[3] = in->p, w->arg[4] = in->reference + k * NR, w->arg[5] = in->grid + k;
}

INLINE void terminal_arguments(Workspace *w, const Inputs *in, const double *x) {
    w->arg[0] = x, w->arg[1] = in->p, w->arg[2] = in->reference + N * NR;
}

#if RESIDUAL
INLINE FusedInputs fused_inputs(Workspace *w, const Inputs *in) {
    return (FusedInputs){in->p, in->grid, {in->residual_numbers, in->residual_weights}, w->work, w->arg, w->res};
}

#endif

// The cost of path stage k; `miss` = F(x, u) ⊟ next of the physics alone, and its rows in `g`.
INLINE double physics_value(Workspace *w, const Inputs *in, int k, const double *x, const double *u, const double *next, double *miss,
                          double *g) {
    double value;
    stage_arguments(w, in, k, x, u, next);
    w->res[0] = miss, w->res[1] = &value, w->res[2] = g;
    ocp_path_value(w->arg, w->res, 0, w->work, 0);
    return value;
}

// The same with what a residual adds to `miss`.
INLINE double stage_value(Workspace *w, const Inputs *in, int k, const double *x, const double *u, const double *next, double *miss,
                          double *g) {
    const double value = physics_value(w, in, k, x, u, next, miss, g);
#if RESIDUAL
    const FusedInputs fused = fused_inputs(w, in);
    Fused *f = &w->fused;
    fused_features(f, &fused, k, x, u, 0);
    residual_values(&f->residual, &fused.data, f->z[k], 1, f->r[k], 0);
    fused_push(f, &fused, k, x, u, 0);
    fused_add_push(f, miss);
#endif
    return value;
}

INLINE double terminal_value(Workspace *w, const Inputs *in, const double *x, double *g) {
    double value;
    terminal_arguments(w, in, x);
    w->res[0] = &value, w->res[1] = g;
    ocp_terminal_value(w->arg, w->res, 0, w->work, 0);
    return value;
}

// to = x ⊞ dx
INLINE void retract(Workspace *w, const double *x, const double *dx, double *to) {
    w->arg[0] = x, w->arg[1] = dx, w->res[0] = to;
    ocp_plus(w->arg, w->res, 0, w->work, 0);
}

// Take the trial for the iterate.
static void take_trial(Workspace *w) {
    memcpy(w->x, w->trial_x, sizeof w->x);
    memcpy(w->u, w->trial_u, sizeof w->u);
#if INNER
    memcpy(w->inner.w, w->inner.trial, sizeof w->inner.w);
#endif
}

// Inner states, if any, to what they are (sign 1) from what they are off the chords of the iterate, or back (−1).
static void add_chords(Workspace *w, double sign) {
#if INNER
    for (int k = 0; k < N; k++) inner_add_chord(w->inner.w[k], w->x[k], w->x[k + 1], sign);
#endif
}

// What a residual adds to the path stages of the programme, linearised at the iterate.
static void fuse_stages(Workspace *w, const Inputs *in) {
#if RESIDUAL
    const FusedInputs fused = fused_inputs(w, in);
    fused_horizon(&w->fused, &fused, (const double(*)[NXA])w->x, (const double(*)[NU])w->u, 1);
    for (int k = 0; k < N; k++) fused_stage(&w->fused, &fused, k, w->x[k], w->u[k], &w->qp.stage[k]);
#endif
}

// Fill the path stages of the programme at the iterate; their cost.
#if STAGE_LANES
static double linearize_path(Workspace *w, const Inputs *in) {
    double cost = 0;
    lanes_begin(&w->lanes, in->p);
    for (int k = 0; k < N; k += LANES) {
        lanes_inputs(&w->lanes, (const double *)w->x, (const double *)w->u, in->reference, in->grid, k);
        lanes_path(&w->lanes, w->qp.stage, w->values, w->g, k);
    }
    fuse_stages(w, in);
    for (int k = 0; k < N; k++) {
        riccati_transpose(&w->qp.stage[k]);
        cost += w->values[k];
    }
    return cost;
}
#else
static double linearize_path(Workspace *w, const Inputs *in) {
    QP *q = &w->qp;
    double cost = 0, value;
    for (int k = 0; k < N; k++) {
        Stage *s = &q->stage[k];
        stage_arguments(w, in, k, w->x[k], w->u[k], w->x[k + 1]);
        w->res[0] = s->defect, w->res[1] = s->transition, w->res[2] = &value, w->res[3] = s->gradient;
        w->res[4] = s->hessian, w->res[5] = w->g + k * NG, w->res[6] = s->general;
#if INNER
        w->arg[6] = w->inner.w[k], w->res[1] = w->inner.entries, w->res[7] = w->inner.gap_w;
#endif
        ocp_path(w->arg, w->res, 0, w->work, 0);
#if INNER
        inner_condense(&w->inner, k, s);
#endif
        cost += value;
    }
    fuse_stages(w, in);
    for (int k = 0; k < N; k++) riccati_transpose(&q->stage[k]);
    return cost;
}
#endif

// Fill the programme at the iterate; the cost.
static double linearize(Workspace *w, const Inputs *in) {
    QP *q = &w->qp;
    double value;
    const double cost = linearize_path(w, in);
    terminal_arguments(w, in, w->x[N]);
    w->res[0] = &value, w->res[1] = q->terminal.gradient, w->res[2] = q->terminal.hessian;
    w->res[3] = w->g + N * NG, w->res[4] = q->terminal.general;
    ocp_terminal(w->arg, w->res, 0, w->work, 0);
    fill_sides(&q->sides, w->g, in->p);
    return cost + value;
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

// Add what the dynamics miss to a merit.
static void add_misses(Merit *m, const double *miss, int n) {
    for (int i = 0; i < n; i++) {
        m->missed += fabs(miss[i]);
        m->dynamics = larger(m->dynamics, fabs(miss[i]));
    }
}

// A residual of all stages at the point (x, u), and then what it adds to what each misses.
static void fuse_horizon(Workspace *w, const Inputs *in, const double (*x)[NXA], const double (*u)[NU]) {
#if RESIDUAL
    const FusedInputs fused = fused_inputs(w, in);
    fused_horizon(&w->fused, &fused, x, u, 0);
#endif
}

INLINE void fuse_value(Workspace *w, const Inputs *in, int k, const double *x, const double *u, double *miss) {
#if RESIDUAL
    const FusedInputs fused = fused_inputs(w, in);
    fused_push(&w->fused, &fused, k, x, u, 0);
    fused_add_push(&w->fused, miss);
#endif
}

// What the path stages of the point (x, u), the iterate or the trial, add to its merit; leaves their rows in `g`.
#if STAGE_LANES
static void evaluate_path(Workspace *w, const Inputs *in, const double (*x)[NXA], const double (*u)[NU], Merit *m) {
    fuse_horizon(w, in, x, u);
    lanes_begin(&w->lanes, in->p);
    for (int k = 0; k < N; k += LANES) {
        lanes_inputs(&w->lanes, (const double *)x, (const double *)u, in->reference, in->grid, k);
        lanes_path_value(&w->lanes, (double *)w->defects, w->values, w->g, k);
    }
    for (int k = 0; k < N; k++) {
        m->cost += w->values[k];
        fuse_value(w, in, k, x[k], u[k], w->defects[k]);
        add_misses(m, w->defects[k], NX);
    }
}
#else
static void evaluate_path(Workspace *w, const Inputs *in, const double (*x)[NXA], const double (*u)[NU], Merit *m) {
    double defect[LX];
    fuse_horizon(w, in, x, u);
    for (int k = 0; k < N; k++) {
#if INNER
        double G[INNER];
        w->arg[6] = x == w->x ? w->inner.w[k] : w->inner.trial[k], w->res[3] = G;
#endif
        m->cost += physics_value(w, in, k, x[k], u[k], x[k + 1], defect, w->g + k * NG);
        fuse_value(w, in, k, x[k], u[k], defect);
#if INNER
        // Of one state's equations at the nodes the largest alone: their multipliers sum to Aᵀπ, which the penalty is measured by.
        double worst[NXA] = {0};
        for (int i = 0; i < INNER; i++) worst[INNER_STATE[i]] = larger(worst[INNER_STATE[i]], fabs(G[i]));
        add_misses(m, worst, NXA);
#endif
        add_misses(m, defect, NX);
    }
}
#endif

// The merit of the point (x, u), the iterate or the trial; leaves gaps of the sides at that point in `gap`.
static Merit evaluate(Workspace *w, const Inputs *in, const double (*x)[NXA], const double (*u)[NU]) {
    Merit m = {.worst_stage = -1, .worst_row = -1};
    evaluate_path(w, in, x, u, &m);
    m.cost += terminal_value(w, in, x[N], w->g + N * NG);
    fill_sides(&w->qp.sides, w->g, in->p);
    add_sides(&m, &w->qp.sides, w->qp.sides.gap, 0);
    return m;
}
