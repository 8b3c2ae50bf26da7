// Primal-dual interior-point method (Mehrotra predictor-corrector) for the quadratic programme of one SQP iteration,
//
//     min ½ zᵀHz + hᵀz + Σ (l1 e + ½ l2 e²)   s.t. dynamics,  σ (g + C z − bound) + e = s ≥ 0,  e ≥ 0,
//
// where every finite bound is a `side` with σ = +1 (lower) or −1 (upper); hard sides have e = 0. The slacks and multipliers are
// eliminated side by side, which leaves a linear-quadratic problem with Hessian H + CᵀwC for the Riccati recursion.
// Source: Mehrotra, "On the implementation of a primal-dual interior point method", 1992; Frison, Diehl, "HPIPM", 2020.
#pragma once
#include <time.h>

#include "sides.h"

typedef struct {
    Stage stage[N];
    Terminal terminal;
    Sides sides;
    double initial[LX] ALIGNED;          // δx_0 of the solution
    double z[N][LZ] ALIGNED;             // (δu_k, δx_k)
    double z_terminal[LX] ALIGNED;
    double dz[N][LZ] ALIGNED;            // the step, and its states once more
    double dx[N + 1][LX] ALIGNED;
    double slope[N][LZ] ALIGNED;         // h + H z
    double slope_terminal[LX] ALIGNED;
    double modified[N][LZ] ALIGNED;      // the same with the sides eliminated
    double pi[N + 1][LX] ALIGNED;        // multipliers of the dynamics
    double open;                         // what is left at z of the defects and of δx_0, relative to z = 0
    double regularization;
    int warm;  // the sides' multipliers are those of a solved neighbour
    int sweeps;
} QP;

typedef struct {
    double tolerance;       // of primal residuals
    double complementarity; // sλ of every side at which the iteration stops, relative to 1 + λ
    double stationarity;    // remaining part of the first Lagrangian's gradient at which it stops,
    double gradient;        // and the gradient's size, as far as a few more iterations with the same μ can lower it
    int max_iterations;
    long long deadline_ns;
    double relative_gap;    // > 0: stop already where the duality gap is this much of what the step gains
    double relative_primal; // and what is left of the primal residuals and of the gradient is below this
} QPOptions;

// QP_STALLED: no further progress, or too many iterations. QP_INDEFINITE: a Hessian is not positive definite where it must be.
enum { QP_SOLVED, QP_STALLED, QP_DEADLINE, QP_INFEASIBLE, QP_INDEFINITE, QP_NOT_FINITE };

static long long now_ns(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return t.tv_sec * 1000000000LL + t.tv_nsec;
}

// The largest entry on the diagonals of the stages' Hessians.
static double largest_hessian(const QP *q) {
    double largest = 0;
    for (int k = 0; k < N; k++)
        for (int j = 0; j < NZ; j++) largest = larger(largest, q->stage[k].hessian[j * LZ + j]);
    return largest;
}

static void all_rows(const QP *q, const double (*z)[LZ], const double *z_terminal, double *out) {
    for (int k = 0; k < N; k++) stage_rows(&q->stage[k], z[k], out + k * SIDES);
    terminal_rows(&q->terminal, z_terminal, out + N * SIDES);
}

// One factorisation of the horizon with the sides' weights in the Hessians.
static int qp_factor(QP *q) {
    Terminal *t = &q->terminal;
    copy(t->cost_to_go, t->hessian, NX * LX);
    for (int j = 0; j < NX; j++) add_at(t->cost_to_go + j * LX, j, q->regularization);
    add_terminal_weights(t, q->sides.weight + N * SIDES, t->cost_to_go);
    const double *next = t->cost_to_go;
    for (int k = N - 1; k >= 0; k--) {
        Stage *s = &q->stage[k];
        double W[NZ * LZ] ALIGNED;
        copy(W, s->hessian, NZ * LZ);
        if (q->regularization > 0)
            for (int j = 0; j < NZ; j++) add_at(W + j * LZ, j, q->regularization);
        add_stage_weights(s, q->sides.weight + k * SIDES, W);
        if (riccati_factor_stage(s, next, W)) return 1;
        next = s->cost_to_go;
    }
    q->sweeps++;
    return 0;
}

// Δz for the current residuals and the sides' shifts.
static void qp_solve_linear(QP *q) {
    Terminal *t = &q->terminal;
    copy(t->cost_gradient, q->slope_terminal, LX);
    add_terminal_sides(t, q->sides.shift + N * SIDES, t->cost_gradient);
    copy((double *)q->modified, (const double *)q->slope, N * LZ);
    for (int k = 0; k < N; k++) add_stage_sides(&q->stage[k], q->sides.shift + k * SIDES, q->modified[k]);
    riccati_backward(q->stage, t, (const double(*)[LZ])q->modified, q->open);
    for (int v = 0; v < LX; v += LANES) store(q->dx[0] + v, load(q->initial + v) * q->open);
    riccati_forward(q->stage, q->dx, q->dz);
    all_rows(q, (const double(*)[LZ])q->dz, q->dx[N], q->sides.step);
}

// Move z and the sides by α along the last steps.
static void qp_move(QP *q, double alpha) {
    Sides *a = &q->sides;
    for (int k = 0; k < N; k++) {
        double step[LZ] ALIGNED;
        for (int v = 0; v < LZ; v += LANES) {
            const vec scaled = load(q->dz[k] + v) * alpha;
            store(step + v, scaled);
            store(q->z[k] + v, load(q->z[k] + v) + scaled);
            if (q->regularization > 0) store(q->slope[k] + v, load(q->slope[k] + v) + scaled * q->regularization);
        }
        gemv(NZ, NZ, q->stage[k].hessian, LZ, step, q->slope[k]);
    }
    double step[LX] ALIGNED;
    for (int v = 0; v < LX; v += LANES) {
        const vec scaled = load(q->dx[N] + v) * alpha;
        store(step + v, scaled);
        store(q->z_terminal + v, load(q->z_terminal + v) + scaled);
        store(q->slope_terminal + v, load(q->slope_terminal + v) + scaled * q->regularization);
    }
    gemv(NX, NX, q->terminal.hessian, LX, step, q->slope_terminal);
    q->open *= 1 - alpha;
    for (int i = 0; i < SIDE_LANES; i += LANES) {
        store(a->moved + i, load(a->moved + i) + load(a->step + i) * alpha);
        store(a->s + i, load(a->s + i) + load(a->ds + i) * alpha);
        store(a->lambda + i, load(a->lambda + i) + load(a->dlambda + i) * alpha);
        if (!a->any_soft) continue;
        store(a->e + i, load(a->e + i) + load(a->de + i) * alpha);
        store(a->nu + i, load(a->nu + i) + load(a->dnu + i) * alpha);
    }
}

// Multipliers π of the dynamics by the adjoint recursion, which makes the Lagrangian stationary in every x: at z or, if not
// `at_solution`, at z = 0. Returns the max-norm of what is left, the gradients by u.
static double qp_adjoint(QP *q, int at_solution) {
    double left = 0;
    const Terminal *t = &q->terminal;
    copy(q->pi[N], at_solution ? q->slope_terminal : t->gradient, LX);
    add_terminal_sides(t, q->sides.lambda + N * SIDES, q->pi[N]);
    for (int k = N - 1; k >= 0; k--) {
        double h[LZ] ALIGNED;
        copy(h, at_solution ? q->slope[k] : q->stage[k].gradient, LZ);
        add_stage_sides(&q->stage[k], q->sides.lambda + k * SIDES, h);
        gemv(NZ, NX, q->stage[k].transition, LZ, q->pi[k + 1], h);
        left = larger(left, max_abs(h, NU));
        for (int v = 0; v < LX / LANES; v++) store(q->pi[k] + v * LANES, states_of(h, v));
    }
    return left;
}

// At most so many iterations with the same μ, which lower the Lagrangian's gradient.
#define REFINEMENTS 3

// How far the primal residuals may be above the tolerance for a stalled programme to count as feasible after all.
#define FEASIBLE 1e3

// z = 0.
static void qp_start(QP *q) {
    memset(q->z, 0, sizeof q->z);
    memset(q->z_terminal, 0, sizeof q->z_terminal);
    memset(q->sides.moved, 0, sizeof q->sides.moved);
    for (int k = 0; k < N; k++) copy(q->slope[k], q->stage[k].gradient, LZ);
    copy(q->slope_terminal, q->terminal.gradient, LX);
    q->open = 1;
}

// A roll-out that carries the defects further than this is left: on unstable dynamics z = 0 is the better start.
#define FAR 1e3

// From z = 0 to where the states follow the linearised dynamics with the controls as they are; `gap` is the largest defect. With
// stiff prices the iteration may jam where the dynamics do not hold: from z = 0, 4 of 600 random soft programmes did, from here none.
static void qp_roll_out(QP *q, double gap) {
    Sides *a = &q->sides;
    double largest = 0;
    copy(q->dx[0], q->initial, LX);
    for (int k = 0; k < N; k++) {
        copy(q->dx[k + 1], q->stage[k].defect, LX);
        gemv(NX, NX, q->stage[k].forward_map + NU * LX, LX, q->dx[k], q->dx[k + 1]);
        largest = larger(largest, max_abs(q->dx[k + 1], NX));
    }
    if (!(largest <= FAR * gap)) return;
    memset(q->dz, 0, sizeof q->dz);
    for (int k = 0; k < N; k++) memcpy(q->dz[k] + NU, q->dx[k], NX * sizeof(double));
    all_rows(q, (const double(*)[LZ])q->dz, q->dx[N], a->step);
    sides_stay(a);
    qp_move(q, 1);
}

// hᵀz + ½ zᵀHz
static double qp_change(const QP *q) {
    vec sum = {0};
    for (int k = 0; k < N; k++)
        for (int v = 0; v < LZ; v += LANES) sum += (load(q->slope[k] + v) + load(q->stage[k].gradient + v)) * load(q->z[k] + v);
    for (int v = 0; v < LX; v += LANES)
        sum += (load(q->slope_terminal + v) + load(q->terminal.gradient + v)) * load(q->z_terminal + v);
    return 0.5 * sum_of(sum);
}

// Solve the programme in q, with H + ρI for its Hessian and μ starting at `first_mu` in units of the largest gradient.
// The stages, gaps, prices and masks are filled in.
static int qp_solve(QP *q, const QPOptions *options, double first_mu) {
    Sides *a = &q->sides;
    double scale = 1e-8, gap = max_abs(q->initial, NX), stationarity = 1;
    qp_start(q);
    for (int k = 0; k < N; k++) {
        scale = larger(scale, max_abs(q->stage[k].gradient, NZ));
        gap = larger(gap, max_abs(q->stage[k].defect, NX));
    }
    scale = larger(scale, max_abs(q->terminal.gradient, NX));
    qp_roll_out(q, gap);
    sides_initialize(a, first_mu * scale);

    double last_mu = INFINITY;
    int refinements = 0;
    for (int iteration = 0;; iteration++) {
        const double primal = side_residuals(a);
        const double mu = sides_mu(a, 0);
        if (!(mu < 1e30) || !(primal < 1e30)) return QP_NOT_FINITE;
        const int complementary = sides_complementary(a, options->complementarity);
        if (larger(primal, q->open * gap) <= options->tolerance && stationarity <= options->stationarity && complementary &&
            (refinements++ == REFINEMENTS || options->gradient == INFINITY || qp_adjoint(q, 1) <= options->gradient))
            return QP_SOLVED;
        if (larger(stationarity, larger(primal, q->open * gap)) <= options->relative_primal &&
            mu * a->products <= options->relative_gap * fabs(qp_change(q)))
            return QP_SOLVED;
        const int stalled = primal > FEASIBLE * options->tolerance ? QP_INFEASIBLE : QP_STALLED;
        if (iteration == options->max_iterations) return stalled;
        if (now_ns() >= options->deadline_ns) return QP_DEADLINE;

        for (int i = 0; i < SIDE_LANES; i++) a->target_s[i] = a->target_e[i] = complementary ? mu : 0;
        sides_eliminate(a);
        if (qp_factor(q)) return complementary && stalled == QP_STALLED ? QP_SOLVED : QP_INDEFINITE;
        qp_solve_linear(q);
        double alpha = sides_step(a, complementary ? 0.995 : 1);
        if (mu > 0 && !complementary) {
            const double ratio = sides_mu(a, alpha) / mu;
            // Mehrotra's corrector can go round in circles; where μ did not fall, centre instead.
            const int circling = mu > 0.9 * last_mu;
            const double target = (circling ? 0.5 : ratio * ratio * ratio) * mu;
            for (int i = 0; i < SIDE_LANES; i++) {
                a->target_s[i] = target - (circling ? 0 : a->ds[i] * a->dlambda[i]);
                a->target_e[i] = target - (circling ? 0 : a->de[i] * a->dnu[i]);
            }
            sides_eliminate(a);
            qp_solve_linear(q);
            alpha = sides_step(a, 0.995);
        }
        last_mu = mu;
        if (!(alpha > 1e-9)) return stalled;
        qp_move(q, alpha);
        stationarity *= 1 - alpha;
    }
}
