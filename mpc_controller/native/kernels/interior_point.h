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
    double z[N][LZ] __attribute__((aligned(64)));      // (δu_k, δx_k)
    double z_terminal[LX] __attribute__((aligned(64)));
    double dz[N][LZ] __attribute__((aligned(64)));
    double dz_terminal[LX] __attribute__((aligned(64)));
    double modified[N][LZ] __attribute__((aligned(64)));  // gradients with the sides eliminated
    double modified_terminal[LX] __attribute__((aligned(64)));
    double gap_dynamics[N][LX] __attribute__((aligned(64)));  // defects at z
    double hz[N][LZ] __attribute__((aligned(64)));        // H z
    double hz_terminal[LX] __attribute__((aligned(64)));
    double pi[N + 1][LX] __attribute__((aligned(64)));    // multipliers of the dynamics
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
} QPOptions;

// QP_STALLED: no further progress, or too many iterations. QP_INDEFINITE: a Hessian is not positive definite where it must be.
enum { QP_SOLVED, QP_STALLED, QP_DEADLINE, QP_INFEASIBLE, QP_INDEFINITE, QP_NOT_FINITE };

static long long now_ns(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return t.tv_sec * 1000000000LL + t.tv_nsec;
}

static void all_rows(const QP *q, const double (*z)[LZ], const double *z_terminal, double *out) {
    for (int k = 0; k < N; k++) stage_rows(&q->stage[k], z[k], out + k * SIDES);
    terminal_rows(&q->terminal, z_terminal, out + N * SIDES);
}

// One factorisation of the horizon with the sides' weights in the Hessians.
static int qp_factor(QP *q) {
    Terminal *t = &q->terminal;
    const double *w = q->sides.weight + N * SIDES;
    double P[NX * LX] __attribute__((aligned(64)));
    memcpy(P, t->hessian, sizeof P);
    for (int j = 0; j < NX; j++) P[j * LX + j] += q->regularization;
    for (int i = 0; i < NBT; i++) P[BOUND_ENTRY_N[i] * LX + BOUND_ENTRY_N[i]] += w[i] + w[NGT + i];
    for (int i = 0; i < NCT; i++) {
        const double *c = t->general + i * LX;
        for (int j = 0; j < NX; j++)
            for (int m = 0; m < NX; m++) P[j * LX + m] += (w[NBT + i] + w[NGT + NBT + i]) * c[j] * c[m];
    }
    memcpy(t->cost_to_go, P, sizeof P);
    const double *next = t->cost_to_go;
    for (int k = N - 1; k >= 0; k--) {
        Stage *s = &q->stage[k];
        double W[NZ * LZ] __attribute__((aligned(64)));
        w = q->sides.weight + k * SIDES;
        memcpy(W, s->hessian, sizeof W);
        if (q->regularization > 0)
            for (int j = 0; j < NZ; j++) W[j * LZ + j] += q->regularization;
        for (int i = 0; i < NB; i++) W[BOUND_ENTRY[i] * LZ + BOUND_ENTRY[i]] += w[i] + w[NG + i];
        for (int i = 0; i < NC; i++) {
            const double *c = s->general + i * LZ;
            const double weight = w[NB + i] + w[NG + NB + i];
            if (weight > 0)
                for (int j = 0; j < NZ; j++)
                    for (int v = j / LANES; v < LZ / LANES; v++)
                        store(W + j * LZ + v * LANES,
                              load(W + j * LZ + v * LANES) + load(c + v * LANES) * (weight * c[j]));
        }
        if (riccati_factor_stage(s, next, W)) return 1;
        next = s->cost_to_go;
    }
    q->sweeps++;
    return 0;
}

// Δz for the current residuals and the sides' shifts.
static void qp_solve_linear(QP *q) {
    Terminal *t = &q->terminal;
    memcpy(q->modified_terminal, t->gradient, sizeof q->modified_terminal);
    for (int j = 0; j < LX; j++) q->modified_terminal[j] += q->hz_terminal[j];
    add_terminal_sides(t, q->sides.shift + N * SIDES, q->modified_terminal);
    memcpy(t->cost_gradient, q->modified_terminal, sizeof t->cost_gradient);
    const double *next_cost = t->cost_to_go, *next_gradient = t->cost_gradient;
    for (int k = N - 1; k >= 0; k--) {
        Stage *s = &q->stage[k];
        double *h = q->modified[k];
        for (int j = 0; j < LZ; j++) h[j] = s->gradient[j] + q->hz[k][j];
        add_stage_sides(s, q->sides.shift + k * SIDES, h);
        riccati_backward_stage(s, h, q->gap_dynamics[k], next_cost, next_gradient);
        next_cost = s->cost_to_go, next_gradient = s->cost_gradient;
    }
    for (int i = 0; i < NX; i++) q->dz[0][NU + i] = 0;
    for (int k = 0; k < N; k++) {
        double *next = k + 1 < N ? q->dz[k + 1] + NU : q->dz_terminal;
        riccati_forward_stage(&q->stage[k], q->gap_dynamics[k], q->dz[k], next);
    }
    all_rows(q, (const double(*)[LZ])q->dz, q->dz_terminal, q->sides.step);
}

// out += α (H + ρI) z
static void qp_hessian_times(const QP *q, const double (*z)[LZ], const double *z_terminal, double alpha, double (*out)[LZ],
                             double *out_terminal) {
    for (int k = 0; k < N; k++) {
        double y[LZ] __attribute__((aligned(64))) = {0};
        gemv(NZ, NZ, q->stage[k].hessian, LZ, z[k], y);
        for (int j = 0; j < NZ; j++) out[k][j] += alpha * (y[j] + q->regularization * z[k][j]);
    }
    double y[LX] __attribute__((aligned(64))) = {0};
    gemv(NX, NX, q->terminal.hessian, LX, z_terminal, y);
    for (int j = 0; j < NX; j++) out_terminal[j] += alpha * (y[j] + q->regularization * z_terminal[j]);
}

// Move z and the sides by α along the last steps.
static void qp_move(QP *q, double alpha) {
    Sides *a = &q->sides;
    qp_hessian_times(q, (const double(*)[LZ])q->dz, q->dz_terminal, alpha, q->hz, q->hz_terminal);
    for (int k = 0; k < N; k++) {
        for (int j = 0; j < NZ; j++) q->z[k][j] += alpha * q->dz[k][j];
        for (int j = 0; j < NX; j++) q->gap_dynamics[k][j] *= 1 - alpha;
    }
    for (int j = 0; j < NX; j++) q->z_terminal[j] += alpha * q->dz_terminal[j];
    for (int i = 0; i < ALL_SIDES; i++) {
        a->moved[i] += alpha * a->step[i];
        a->s[i] += alpha * a->ds[i];
        a->lambda[i] += alpha * a->dlambda[i];
        a->e[i] += alpha * a->de[i];
        a->nu[i] += alpha * a->dnu[i];
    }
}

// Multipliers π of the dynamics by the adjoint recursion, which makes the Lagrangian stationary in every x: at z (H z in hz) or, without
// hz, at z = 0. Returns the max-norm of what is left, the gradients by u.
static double qp_adjoint(QP *q, int at_solution) {
    double left = 0;
    Terminal *t = &q->terminal;
    memcpy(q->pi[N], t->gradient, sizeof q->pi[N]);
    for (int j = 0; j < NX; j++) q->pi[N][j] += at_solution ? q->hz_terminal[j] : 0;
    add_terminal_sides(t, q->sides.lambda + N * SIDES, q->pi[N]);
    for (int k = N - 1; k >= 0; k--) {
        double h[LZ] __attribute__((aligned(64)));
        for (int j = 0; j < LZ; j++) h[j] = q->stage[k].gradient[j] + (at_solution ? q->hz[k][j] : 0);
        add_stage_sides(&q->stage[k], q->sides.lambda + k * SIDES, h);
        gemv(NZ, NX, q->stage[k].transition, LZ, q->pi[k + 1], h);
        left = larger(left, max_abs(h, NU));
        for (int i = 0; i < NX; i++) q->pi[k][i] = h[NU + i];
    }
    return left;
}

#define REFINEMENTS 3

// How far the primal residuals may be above the tolerance for a stalled programme to count as feasible after all.
#define FEASIBLE 1e3

// Solve the programme in q from z = 0, with H + ρI for its Hessian. The stages, gaps, prices and masks are filled in.
static int qp_solve(QP *q, const QPOptions *options) {
    Sides *a = &q->sides;
    double scale = 1e-8, gap = 0, stationarity = 1;
    memset(q->z, 0, sizeof q->z);
    memset(q->z_terminal, 0, sizeof q->z_terminal);
    memset(q->hz, 0, sizeof q->hz);
    memset(q->hz_terminal, 0, sizeof q->hz_terminal);
    memset(a->moved, 0, sizeof a->moved);
    for (int k = 0; k < N; k++) {
        memcpy(q->gap_dynamics[k], q->stage[k].defect, sizeof q->gap_dynamics[k]);
        scale = larger(scale, max_abs(q->stage[k].gradient, NZ));
        gap = larger(gap, max_abs(q->stage[k].defect, NX));
    }
    scale = larger(scale, max_abs(q->terminal.gradient, NX));
    sides_initialize(a, (q->warm ? WARM_MU : COLD_MU) * scale, q->warm);

    double last_mu = INFINITY;
    int refinements = 0;
    for (int iteration = 0;; iteration++) {
        const double primal = side_residuals(a);
        const double mu = sides_mu(a, 0);
        if (!(mu < 1e30) || !(primal < 1e30)) return QP_NOT_FINITE;
        const int complementary = sides_complementary(a, options->complementarity);
        if (larger(primal, gap) <= options->tolerance && stationarity <= options->stationarity && complementary &&
            (refinements++ == REFINEMENTS || options->gradient == INFINITY || qp_adjoint(q, 1) <= options->gradient))
            return QP_SOLVED;
        const int stalled = primal > FEASIBLE * options->tolerance ? QP_INFEASIBLE : QP_STALLED;
        if (iteration == options->max_iterations) return stalled;
        if (now_ns() >= options->deadline_ns) return QP_DEADLINE;

        for (int i = 0; i < ALL_SIDES; i++) a->target_s[i] = a->target_e[i] = complementary ? mu : 0;
        sides_eliminate(a);
        if (qp_factor(q)) return complementary && stalled == QP_STALLED ? QP_SOLVED : QP_INDEFINITE;
        qp_solve_linear(q);
        double alpha = sides_step(a, complementary ? 0.995 : 1);
        if (mu > 0 && !complementary) {
            const double ratio = sides_mu(a, alpha) / mu;
            // Mehrotra's corrector can go round in circles; where μ did not fall, centre instead.
            const int circling = mu > 0.9 * last_mu;
            const double target = (circling ? 0.5 : ratio * ratio * ratio) * mu;
            for (int i = 0; i < ALL_SIDES; i++) {
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
        gap *= 1 - alpha;
    }
}

// A warm start that does not lead there within this many iterations is given up; the closed loops above need 16 at most.
#define WARM_ITERATIONS 20

// Solve the programme: from a solved neighbour's multipliers if there is one, else or if that jams from scratch; where the Hessian
// is not positive definite, again with more and more of the identity (Levenberg-Marquardt).
static int qp_solve_safely(QP *q, const QPOptions *options) {
    int status = QP_STALLED;
    q->regularization = 0;
    if (q->warm) {
        QPOptions few = *options;
        if (few.max_iterations > WARM_ITERATIONS) few.max_iterations = WARM_ITERATIONS;
        status = qp_solve(q, &few);
        if (status == QP_SOLVED || status == QP_DEADLINE) return status;
        q->warm = 0;
    }
    double largest = 1;
    for (int k = 0; k < N; k++)
        for (int j = 0; j < NZ; j++) largest = larger(largest, q->stage[k].hessian[j * LZ + j]);
    for (int attempt = 0; attempt < 6; attempt++) {
        status = qp_solve(q, options);
        if (status != QP_INDEFINITE) break;
        q->regularization = larger(100 * q->regularization, 1e-8 * largest);
    }
    q->warm = status == QP_SOLVED;
    return status;
}
