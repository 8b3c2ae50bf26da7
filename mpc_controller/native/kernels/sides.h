// Sides: every finite bound of a row is one side, σ (g + C z − bound) + e = s ≥ 0, with σ = +1 (lower) or −1 (upper), multiplier λ ≥ 0,
// and for soft rows a violation e ≥ 0 with multiplier ν and the price l1 e + ½ l2 e². Slacks and multipliers are eliminated side by
// side; all of this works on flat arrays over the horizon.
#pragma once
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
    double room[ALL_SIDES + 1];     // the unit in which the side's slack counts: upper − lower, see fill_sides
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

// Whether the product sλ of every side is below limit·(1 + λ), and likewise eν: small where λ is small, a small s where λ is large.
static int sides_complementary(const Sides *a, double limit) {
    int all = 1;
    for (int i = 0; i < ALL_SIDES; i++) {
        all &= a->s[i] * a->lambda[i] <= limit * (1 + a->lambda[i]);
        if (ANY_SOFT && a->soft[i]) all &= a->e[i] * a->nu[i] <= limit * (1 + a->nu[i]);
    }
    return all;
}

// A point strictly inside: slacks from the gaps, multipliers from μ, or from a solved neighbour where that is warm.
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

// Multipliers of the rows, in the kernels' order of rows: positive where the upper bound presses, negative where the lower one does.
static void sides_multipliers(const Sides *a, double *multipliers) {
    for (int k = 0; k <= N; k++) {
        const int rows = k < N ? NG : NGT;
        const double *lambda = a->lambda + k * SIDES;
        for (int i = 0; i < rows; i++) multipliers[k * NG + i] = lambda[rows + i] - lambda[i];
    }
}
