// The one entry of every native solver. A method's header comes before this one and defines
//
//     Options, Memory      its options as doubles, and what it keeps between solves; a Memory starts with a Workspace
//     plan                 solve from the iterate (x, u) of the workspace; gives back the status
//     feedback             gains and multipliers of the last plan
#pragma once
#include "shooting_point.h"
#if BACK_OFFS
#include "back_off.h"
#endif
#include <float.h>

// All that one call takes and gives. x0 (NXA), p (NP), reference (N+1, NR), grid (N); X (N+1, NXA) and U (N, NU) hold the guess
// and then the result: of a deadline the last iterate, of another failure the guess. K (N, NU, NX) and multipliers
// (N NG + NGT, in the kernels' row order) are zero after a failure. margins, in the same order: how far rows were tightened.
typedef struct {
    Memory *memory;
    const double *x0, *p, *reference, *grid;
    double *X, *U, *K, *multipliers;
    const Options *options;
    Info *info;
    long long deadline_ns;
    const double *residual_numbers;  // of a problem with a residual; null otherwise
    const float *residual_weights;
    double *margins;
} Call;

// Quaternions to unit length; 1 when one is too short to mean an attitude.
static int normalize(double *x) {
    for (int i = 0; i < QUATERNIONS; i++) {
        double *q = x + QUATERNION[i];
        const double square = q[0] * q[0] + q[1] * q[1] + q[2] * q[2] + q[3] * q[3];
        if (!(square > 0.25)) return 1;
        for (int j = 0; j < 4; j++) q[j] /= sqrt(square);
    }
    return 0;
}

// Whether a lower bound is above its upper one; names the row and by how much.
static int has_reversed_bounds(const double *p, Info *info) {
    for (int k = 0; k <= N; k += N)
        for (int i = 0; i < (k < N ? NG : NGT); i++) {
            const double excess = k < N ? p[LOWER[i]] - p[UPPER[i]] : p[LOWER_N[i]] - p[UPPER_N[i]];
            if (!(excess > 0)) continue;
            info->worst_stage = k, info->worst_row = i, info->inequality = excess;
            return 1;
        }
    return 0;
}

static int all_finite(const double *a, int n) {
    int finite = 1;
    for (int i = 0; i < n; i++) finite &= fabs(a[i]) <= DBL_MAX;
    return finite;
}

// Whether all parameters are numbers, and all but bounds finite.
static int are_parameters(const double *p) {
    int right = 1;
    for (int i = 0; i < NP; i++) right &= fabs(p[i]) <= (IS_BOUND[i] ? INFINITY : DBL_MAX);
    return right;
}

// Check what was given, and start from the guess: with x₀ for its first state, unless the method goes from the one to the other.
static int begin(const Call *c, double *x0) {
    Workspace *w = &c->memory->workspace;
    memcpy(w->x, c->X, sizeof w->x);
    memcpy(w->u, c->U, sizeof w->u);
#if RESIDUAL
    w->fused.is_heard = 0;
#endif
    memcpy(x0, c->x0, NXA * sizeof *x0);
#ifndef EMBEDS_X0
    memcpy(w->x[0], x0, sizeof w->x[0]);
#endif
    int good = are_parameters(c->p) && all_finite(c->reference, (N + 1) * NR) && all_finite(x0, NXA);
    good = good && all_finite((const double *)w->x, (N + 1) * NXA) && all_finite((const double *)w->u, N * NU) && !normalize(x0);
    for (int k = 0; k <= N && good; k++) good = !normalize(w->x[k]);
    if (!good) return NUMERICAL_FAILURE;
    return has_reversed_bounds(c->p, c->info) ? INFEASIBLE : CONVERGED;
}

#if BACK_OFFS
// Plan with the margins of the plan before, and find those of the next. A plan to convergence is repeated until its own margins are
// those that it was made with.
static int plan_with_margins(const Call *c, const Inputs *in) {
    Workspace *w = &c->memory->workspace;
    double iterations = 0, sweeps = 0;
    for (int repeat = 0;; repeat++) {
        int status = plan(c->memory, in, c->options, c->info);
        c->info->iterations = iterations += c->info->iterations;
        c->info->sweeps = sweeps += c->info->sweeps;
        if (status != CONVERGED && status != ITERATION_LIMIT) return status;
        memcpy(c->margins, w->qp.sides.margin, (N * NG + NGT) * sizeof *c->margins);
        feedback(c->memory, c->K, c->multipliers);
        const double moved = back_off(w, in);
        if (status != CONVERGED || moved <= SETTLED) return status;
        if (repeat == MOST_REPEATS) return ITERATION_LIMIT;
    }
}
#else
#define plan_with_margins(call, in) plan((call)->memory, in, (call)->options, (call)->info)
#endif

// Begin and solve.
static int run(const Call *c) {
    double x0[NXA];
    const Inputs in = {c->p, c->reference, c->grid, c->deadline_ns, x0, c->residual_numbers, c->residual_weights};
    const int status = begin(c, x0);
    return status == CONVERGED ? plan_with_margins(c, &in) : status;
}

#ifdef EMBEDS_X0
// The part of a call that needs no x₀ (the one given is not looked at), and no more than that: `solve` says how it went.
void prepare(const Call *c) {
    Workspace *w = &c->memory->workspace;
    double x0[NXA];
    const Inputs in = {c->p, c->reference, c->grid, c->deadline_ns, w->x[0], c->residual_numbers, c->residual_weights};
    Call guess = *c;
    guess.x0 = c->X;
    if (begin(&guess, x0) == CONVERGED) prepare_phase(c->memory, &in);
}
#endif

long long memory_size(void) { return sizeof(Memory); }

void forget(Memory *m) { memset(m, 0, sizeof *m); }

// Whether what a solve gives can be followed.
static int is_finite_plan(const Call *c) {
    const Workspace *w = &c->memory->workspace;
    return isfinite(c->info->cost) && all_finite((const double *)w->x, (N + 1) * NXA) && all_finite((const double *)w->u, N * NU) &&
           all_finite(c->K, N * NU * NX) && all_finite(c->multipliers, N * NG + NGT);
}

// A failure wipes the memory of earlier solves.
void solve(const Call *c) {
    const Workspace *w = &c->memory->workspace;
    *c->info = (Info){.cost = INFINITY, .stationarity = INFINITY, .dynamics = INFINITY, .inequality = INFINITY,
                      .complementarity = INFINITY, .worst_stage = -1, .worst_row = -1};
    int status = run(c);
    int usable = status == CONVERGED || status == ITERATION_LIMIT;
    if (usable) {
        feedback(c->memory, c->K, c->multipliers);
        usable = is_finite_plan(c);
        if (!usable) status = NUMERICAL_FAILURE;
    }
    c->info->status = status;
    if (usable || status == DEADLINE) {
        memcpy(c->X, w->x, sizeof w->x);
        memcpy(c->U, w->u, sizeof w->u);
    }
    if (usable) return;
    memset(c->K, 0, N * NU * NX * sizeof(double));
    memset(c->multipliers, 0, (N * NG + NGT) * sizeof(double));
    memset(c->margins, 0, (N * NG + NGT) * sizeof(double));
    forget(c->memory);
}
