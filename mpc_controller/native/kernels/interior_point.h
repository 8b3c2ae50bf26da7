// Primal-dual interior-point method (Mehrotra predictor-corrector) for the quadratic programme of one SQP iteration,
//
//     min ½ zᵀHz + hᵀz + Σ (l1 e + ½ l2 e²)   s.t. dynamics,  σ (g + C z − bound) + e = s ≥ 0,  e ≥ 0,
//
// where every finite bound is a `side` with σ = +1 (lower) or −1 (upper); hard sides have e = 0. The slacks and multipliers are
// eliminated side by side, which leaves a linear-quadratic problem with Hessian H + CᵀwC for the Riccati recursion.
// Source: Mehrotra, "On the implementation of a primal-dual interior point method", 1992; Frison, Diehl, "HPIPM", 2020.
#pragma once
#include <time.h>

#include "riccati.h"

#define SIDES (2 * NG)                    // sides of a path stage: NG lower, then NG upper
#define SIDES_N (2 * NGT)                 // sides of the terminal stage
#define ALL_SIDES (N * SIDES + SIDES_N)   // flat arrays over the horizon

// Where the iteration starts: slacks in units of the side's room, μ in units of the largest gradient. The warm values gave the
// fewest sweeps (3.5 to 6.5 a step) over closed loops of a cart-pole, a quadrotor, a car and an arm, of 1e-4..3e-2 tried.
#define COLD_SLACK 1e-1
#define WARM_SLACK 1e-2
#define COLD_MU 1e-1
#define WARM_MU 1e-3

typedef struct {
    double gap[ALL_SIDES + 1];      // σ (g − bound) at z = 0
    double room[ALL_SIDES + 1];     // upper − lower where both are finite, else 1: the unit in which the side's slack counts
    double l1[ALL_SIDES + 1], l2[ALL_SIDES + 1];
    char active[ALL_SIDES + 1];     // the bound is finite and the row holds at this stage
    char soft[ALL_SIDES + 1];
    double s[ALL_SIDES + 1], lambda[ALL_SIDES + 1];  // slack and multiplier
    double e[ALL_SIDES + 1], nu[ALL_SIDES + 1];      // violation of a soft side and its multiplier
    double moved[ALL_SIDES + 1];    // σ C z
    double step[ALL_SIDES + 1];     // σ C Δz
    double residual[ALL_SIDES + 1]; // of the side's equation
    double weight[ALL_SIDES + 1], shift[ALL_SIDES + 1];
    double e_shift[ALL_SIDES + 1], e_scale[ALL_SIDES + 1];
    double ds[ALL_SIDES + 1], dlambda[ALL_SIDES + 1], de[ALL_SIDES + 1], dnu[ALL_SIDES + 1];
    double target_s[ALL_SIDES + 1], target_e[ALL_SIDES + 1];
} Sides;

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
    double complementarity; // largest sλ at which the iteration stops, relative to the largest multiplier
    double stationarity;    // remaining part of the Lagrangian's gradient at which it stops
    int max_iterations;
    long long deadline_ns;
} QPOptions;

enum { QP_SOLVED, QP_ITERATIONS, QP_DEADLINE, QP_INFEASIBLE, QP_NUMERICAL };

static long long now_ns(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return t.tv_sec * 1000000000LL + t.tv_nsec;
}

// Value of σ C z for every side of a path stage, z = (u, x).
static void stage_rows(const Stage *s, const double *z, double *out) {
    for (int i = 0; i < NB; i++) out[i] = z[BOUND_ENTRY[i]];
    for (int i = 0; i < NC; i++) out[NB + i] = column_dot(NZ, s->general + i * LZ, z);
    for (int i = 0; i < NG; i++) out[NG + i] = -out[i];
}

static void terminal_rows(const Terminal *s, const double *x, double *out) {
    for (int i = 0; i < NBT; i++) out[i] = x[BOUND_ENTRY_N[i]];
    for (int i = 0; i < NCT; i++) out[NBT + i] = column_dot(NX, s->general + i * LX, x);
    for (int i = 0; i < NGT; i++) out[NGT + i] = -out[i];
}

static void all_rows(const QP *q, const double (*z)[LZ], const double *z_terminal, double *out) {
    for (int k = 0; k < N; k++) stage_rows(&q->stage[k], z[k], out + k * SIDES);
    terminal_rows(&q->terminal, z_terminal, out + N * SIDES);
}

// gradient −= Cᵀ (σ v) for the side values v of a stage.
static void add_stage_sides(const Stage *s, const double *v, double *gradient) {
    for (int i = 0; i < NB; i++) gradient[BOUND_ENTRY[i]] -= v[i] - v[NG + i];
    for (int i = 0; i < NC; i++) {
        const double scale = v[NB + i] - v[NG + NB + i];
        for (int j = 0; j < NZ; j++) gradient[j] -= scale * s->general[i * LZ + j];
    }
}

static void add_terminal_sides(const Terminal *s, const double *v, double *gradient) {
    for (int i = 0; i < NBT; i++) gradient[BOUND_ENTRY_N[i]] -= v[i] - v[NGT + i];
    for (int i = 0; i < NCT; i++) {
        const double scale = v[NBT + i] - v[NGT + NBT + i];
        for (int j = 0; j < NX; j++) gradient[j] -= scale * s->general[i * LX + j];
    }
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

// Eliminate slacks and multipliers for the complementarity targets: sλ + sΔλ + λΔs = target_s, likewise for (e, ν).
// Δλ = shift' − weight·σCΔz, Δe = e_shift − e_scale·σCΔz; `shift` holds λ + shift', which is what the gradient needs.
static void sides_eliminate(Sides *a) {
    for (int i = 0; i < ALL_SIDES; i++) {
        const double w = a->lambda[i] / a->s[i];
        const double base = (a->target_s[i] - a->s[i] * a->lambda[i]) / a->s[i] - w * a->residual[i];
        double weight = w, shift = base, e_shift = 0, e_scale = 0;
        if (ANY_SOFT && a->soft[i]) {
            const double H = a->l2[i] + a->nu[i] / a->e[i];
            const double t = (a->target_e[i] - a->e[i] * a->nu[i]) / a->e[i] -
                             (a->l1[i] + a->l2[i] * a->e[i] - a->lambda[i] - a->nu[i]);
            e_shift = (base + t) / (H + w);
            e_scale = w / (H + w);
            weight = w * H / (H + w);
            shift = base - w * e_shift;
        }
        a->weight[i] = a->active[i] ? weight : 0;
        a->shift[i] = a->active[i] ? a->lambda[i] + shift : 0;
        a->e_shift[i] = e_shift;
        a->e_scale[i] = e_scale;
    }
}

// Steps of the sides for σCΔz in `step`, and the longest step α ≤ 1 that keeps all positive with the given fraction.
static double sides_step(Sides *a, double fraction) {
    double inverse = 1;  // 1/α
    for (int i = 0; i < ALL_SIDES; i++) {
        double de = 0, dnu = 0;
        if (ANY_SOFT && a->soft[i]) {
            de = a->e_shift[i] - a->e_scale[i] * a->step[i];
            dnu = (a->target_e[i] - a->e[i] * a->nu[i] - a->nu[i] * de) / a->e[i];
        }
        const double dlambda = a->shift[i] - a->lambda[i] - a->weight[i] * a->step[i];
        const double ds = a->step[i] + de + a->residual[i];
        const int on = a->active[i];
        a->dlambda[i] = on ? dlambda : 0;
        a->ds[i] = on ? ds : 0;
        a->de[i] = on ? de : 0;
        a->dnu[i] = on ? dnu : 0;
        double most = larger(-a->ds[i] / a->s[i], on ? -dlambda / a->lambda[i] : 0);
        if (ANY_SOFT && a->soft[i] && on) most = larger(most, larger(-de / a->e[i], -dnu / a->nu[i]));
        inverse = most > fraction * inverse ? most / fraction : inverse;
    }
    return 1 / inverse;
}

static double sides_mu(const Sides *a, double alpha) {
    double sum = 0;
    int count = 0;
    for (int i = 0; i < ALL_SIDES; i++) {
        if (!a->active[i]) continue;
        sum += (a->s[i] + alpha * a->ds[i]) * (a->lambda[i] + alpha * a->dlambda[i]);
        count++;
        if (ANY_SOFT && a->soft[i]) {
            sum += (a->e[i] + alpha * a->de[i]) * (a->nu[i] + alpha * a->dnu[i]);
            count++;
        }
    }
    return count ? sum / count : 0;
}

// Whether every product sλ and eν is below `limit`, relative to 1 + the largest multiplier.
static int sides_complementary(const Sides *a, double limit) {
    double worst = 0, largest = 1;
    for (int i = 0; i < ALL_SIDES; i++) {
        if (!a->active[i]) continue;
        worst = larger(worst, a->s[i] * a->lambda[i]);
        largest = larger(largest, a->lambda[i]);
        if (ANY_SOFT && a->soft[i]) worst = larger(worst, a->e[i] * a->nu[i]);
    }
    return worst <= limit * (1 + largest);
}

// A point strictly inside, with every product near μ: slacks from the gaps, multipliers from μ or from a solved neighbour.
static void sides_initialize(Sides *a, double mu, int warm) {
    for (int i = 0; i < ALL_SIDES; i++) {
        const double smallest = (warm ? WARM_SLACK : COLD_SLACK) * a->room[i];
        const double gap = a->gap[i] + a->moved[i];
        a->ds[i] = a->dlambda[i] = a->de[i] = a->dnu[i] = 0;
        if (!a->active[i]) {
            a->s[i] = a->e[i] = 1, a->lambda[i] = a->nu[i] = 0;
            continue;
        }
        const double neighbour = warm ? a->lambda[i] : 0;
        a->s[i] = larger(gap, smallest);
        a->lambda[i] = larger(neighbour, mu / a->s[i]);
        a->e[i] = a->nu[i] = 0;
        if (a->soft[i]) {
            // l1 + l2 e = λ + ν with e ν ≈ μ: a side that holds pays with ν, one that is violated with λ.
            a->e[i] = larger(-gap, 0) + mu / (a->l1[i] + sqrt(a->l2[i] * mu) + 1e-9 * mu);
            const double price = a->l1[i] + a->l2[i] * a->e[i];
            a->nu[i] = larger(price - a->lambda[i], smaller(mu / a->e[i], 0.9 * price));
            a->lambda[i] = larger(price - a->nu[i], 1e-3 * price);
            a->s[i] = larger(gap, mu / a->lambda[i]);
        }
    }
}

static void qp_defects(QP *q) {
    for (int k = 0; k < N; k++) {
        const Stage *s = &q->stage[k];
        const double *next = k + 1 < N ? q->z[k + 1] + NU : q->z_terminal;
        for (int l = 0; l < NX; l++)
            q->gap_dynamics[k][l] = s->defect[l] + column_dot(NZ, s->transition + l * LZ, q->z[k]) - next[l];
    }
}

static void qp_hessian_times(const QP *q, const double (*z)[LZ], const double *z_terminal, double alpha, double (*out)[LZ],
                             double *out_terminal) {
    for (int k = 0; k < N; k++) {
        double y[LZ] __attribute__((aligned(64))) = {0};
        gemv(NZ, NZ, q->stage[k].hessian, LZ, z[k], y);
        for (int j = 0; j < LZ; j++) out[k][j] += alpha * y[j];
    }
    double y[LX] __attribute__((aligned(64))) = {0};
    gemv(NX, NX, q->terminal.hessian, LX, z_terminal, y);
    for (int j = 0; j < LX; j++) out_terminal[j] += alpha * y[j];
}

static double side_residuals(Sides *a) {
    double worst = 0;
    for (int i = 0; i < ALL_SIDES; i++) {
        const double e = ANY_SOFT && a->soft[i] ? a->e[i] : 0;
        const double r = a->active[i] ? a->gap[i] + a->moved[i] + e - a->s[i] : 0;
        a->residual[i] = r;
        worst = larger(worst, fabs(r));
    }
    return worst;
}

// pi ← (1 − α) pi + α (P x + p)
static void multiplier_step(const double *P, const double *x, const double *p, double alpha, double *pi) {
    double y[LX] __attribute__((aligned(64)));
    memcpy(y, p, sizeof y);
    gemv(NX, NX, P, LX, x, y);
    for (int j = 0; j < NX; j++) pi[j] += alpha * (y[j] - pi[j]);
}

// Move z, the sides and the multipliers of the dynamics by α along the last steps.
static void qp_move(QP *q, double alpha) {
    Sides *a = &q->sides;
    qp_hessian_times(q, (const double(*)[LZ])q->dz, q->dz_terminal, alpha, q->hz, q->hz_terminal);
    for (int k = 0; k < N; k++) {
        for (int j = 0; j < NZ; j++) q->z[k][j] += alpha * q->dz[k][j];
        for (int j = 0; j < NX; j++) q->gap_dynamics[k][j] *= 1 - alpha;
        const Stage *s = &q->stage[k];
        multiplier_step(s->cost_to_go, q->dz[k] + NU, s->cost_gradient, alpha, q->pi[k]);
    }
    for (int j = 0; j < NX; j++) q->z_terminal[j] += alpha * q->dz_terminal[j];
    multiplier_step(q->terminal.cost_to_go, q->dz_terminal, q->terminal.cost_gradient, alpha, q->pi[N]);
    for (int i = 0; i < ALL_SIDES; i++) {
        a->moved[i] += alpha * a->step[i];
        a->s[i] += alpha * a->ds[i];
        a->lambda[i] += alpha * a->dlambda[i];
        a->e[i] += alpha * a->de[i];
        a->nu[i] += alpha * a->dnu[i];
    }
}

// Solve the programme in q from z = (0, dx0 at the start). The stages, gaps, prices and masks are filled in.
static int qp_solve(QP *q, const double *dx0, const QPOptions *options) {
    Sides *a = &q->sides;
    memset(q->z, 0, sizeof q->z);
    memset(q->z_terminal, 0, sizeof q->z_terminal);
    memset(q->hz, 0, sizeof q->hz);
    memset(q->hz_terminal, 0, sizeof q->hz_terminal);
    memcpy(q->z[0] + NU, dx0, NX * sizeof(double));
    qp_hessian_times(q, (const double(*)[LZ])q->z, q->z_terminal, 1, q->hz, q->hz_terminal);
    qp_defects(q);
    all_rows(q, (const double(*)[LZ])q->z, q->z_terminal, a->moved);

    double scale = 1e-8;
    for (int k = 0; k < N; k++) scale = larger(scale, max_abs(q->stage[k].gradient, NZ));
    scale = larger(scale, max_abs(q->terminal.gradient, NX));
    sides_initialize(a, (q->warm ? WARM_MU : COLD_MU) * scale, q->warm);
    double stationarity = 1, gap = 0;
    for (int k = 0; k < N; k++) gap = larger(gap, max_abs(q->gap_dynamics[k], NX));

    for (int iteration = 0; iteration <= options->max_iterations; iteration++) {
        const double primal = side_residuals(a);
        const double mu = sides_mu(a, 0);
        if (!(mu < 1e30) || !(primal < 1e30)) return QP_NUMERICAL;
        if (larger(primal, gap) <= options->tolerance && stationarity <= options->stationarity &&
            sides_complementary(a, options->complementarity))
            return QP_SOLVED;
        if (iteration == options->max_iterations) return primal > 1e3 * options->tolerance ? QP_INFEASIBLE : QP_ITERATIONS;
        if (now_ns() >= options->deadline_ns) return QP_DEADLINE;

        for (int i = 0; i < ALL_SIDES; i++) a->target_s[i] = a->target_e[i] = 0;
        sides_eliminate(a);
        if (qp_factor(q)) return QP_NUMERICAL;
        qp_solve_linear(q);
        double alpha = sides_step(a, 1);
        if (mu > 0) {
            const double ratio = sides_mu(a, alpha) / mu;
            const double target = ratio * ratio * ratio * mu;
            for (int i = 0; i < ALL_SIDES; i++) {
                a->target_s[i] = target - a->ds[i] * a->dlambda[i];
                a->target_e[i] = target - a->de[i] * a->dnu[i];
            }
            sides_eliminate(a);
            qp_solve_linear(q);
            alpha = sides_step(a, 0.995);
        }
        if (!(alpha > 1e-9)) return primal > 1e3 * options->tolerance ? QP_INFEASIBLE : QP_NUMERICAL;
        qp_move(q, alpha);
        stationarity *= 1 - alpha;
        gap *= 1 - alpha;
    }
    return QP_ITERATIONS;
}
