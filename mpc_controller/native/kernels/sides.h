// Sides: every finite bound of a row is one side, σ (g + C z − bound) + e = s ≥ 0, with σ = +1 (lower) or −1 (upper), multiplier λ ≥ 0,
// and for soft rows a violation e ≥ 0 with multiplier ν and the price l1 e + ½ l2 e². Slacks and multipliers are eliminated side by
// side; all of this works on flat arrays over the horizon.
#pragma once
#include "riccati.h"

#define SIDES (2 * NG)                    // sides of a path stage: NG lower, then NG upper
#define SIDES_N (2 * NGT)                 // sides of the terminal stage
#define ALL_SIDES (N * SIDES + SIDES_N)   // flat arrays over the horizon

// Where the interior-point iteration starts: slacks in units of the side's room. Of 0.1 and 1, over closed loops of a cart-pole, a
// quadrotor and a car, this gave the fewer sweeps with the μ of quadratic_programme.h.
#define FIRST_SLACK 1.0

#define SIDE_LANES PADDED(ALL_SIDES + 1)

// Inactive sides, and the padding, keep s = e = 1 and λ = ν = 0 all along, so that sums and maxima need not leave them out.
typedef struct {
    double gap[SIDE_LANES] ALIGNED;     // σ (g − bound) at z = 0
    double room[SIDE_LANES] ALIGNED;    // the unit in which the side's slack counts: upper − lower, see fill_sides
    double l1[SIDE_LANES] ALIGNED, l2[SIDE_LANES] ALIGNED;
    double active[SIDE_LANES] ALIGNED;  // 1 where the bound is finite and the row holds at this stage, else 0
    double soft[SIDE_LANES] ALIGNED;    // 1 or 0
    double s[SIDE_LANES] ALIGNED, lambda[SIDE_LANES] ALIGNED;  // slack and multiplier
    double e[SIDE_LANES] ALIGNED, nu[SIDE_LANES] ALIGNED;      // violation of a soft side and its multiplier
    double moved[SIDE_LANES] ALIGNED;   // σ C z
    double step[SIDE_LANES] ALIGNED;    // σ C Δz
    double residual[SIDE_LANES] ALIGNED;  // of the side's equation
    double weight[SIDE_LANES] ALIGNED, shift[SIDE_LANES] ALIGNED;
    double e_shift[SIDE_LANES] ALIGNED, e_scale[SIDE_LANES] ALIGNED;
    double ds[SIDE_LANES] ALIGNED, dlambda[SIDE_LANES] ALIGNED, de[SIDE_LANES] ALIGNED, dnu[SIDE_LANES] ALIGNED;
    double target_s[SIDE_LANES] ALIGNED, target_e[SIDE_LANES] ALIGNED;
    double inverse_s[SIDE_LANES] ALIGNED, inverse_lambda[SIDE_LANES] ALIGNED;  // 1/s, 1/λ
#if BACK_OFFS
    double margin[N * NG + NGT + 1];  // how far each row is tightened on both sides (back_off.h)
#endif
    int any_soft;     // whether any side is soft
    double products;  // how many complementary pairs there are
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
    for (int i = 0; i < NB; i++) add_at(gradient, BOUND_ENTRY[i], v[NG + i] - v[i]);
    for (int i = 0; i < NC; i++) {
        const double scale = v[NB + i] - v[NG + NB + i];
        for (int j = 0; j < LZ; j += LANES) store(gradient + j, load(gradient + j) - load(s->general + i * LZ + j) * scale);
    }
}

// W += Σ w c cᵀ over the sides of a stage, in the vectors that touch the lower triangle.
static void add_stage_weights(const Stage *s, const double *w, double *W) {
    for (int i = 0; i < NB; i++) add_at(W + BOUND_ENTRY[i] * LZ, BOUND_ENTRY[i], w[i] + w[NG + i]);
    for (int i = 0; i < NC; i++) {
        const double *c = s->general + i * LZ;
        const double weight = w[NB + i] + w[NG + NB + i];
        if (weight > 0)
            for (int j = 0; j < NZ; j++)
                for (int v = j / LANES * LANES; v < LZ; v += LANES)
                    store(W + j * LZ + v, load(W + j * LZ + v) + load(c + v) * (weight * c[j]));
    }
}

// The same over x for the terminal stage, in both triangles.
static void add_terminal_weights(const Terminal *s, const double *w, double *P) {
    for (int i = 0; i < NBT; i++) add_at(P + BOUND_ENTRY_N[i] * LX, BOUND_ENTRY_N[i], w[i] + w[NGT + i]);
    for (int i = 0; i < NCT; i++) {
        const double *c = s->general + i * LX;
        const double weight = w[NBT + i] + w[NGT + NBT + i];
        for (int j = 0; j < NX; j++)
            for (int v = 0; v < LX; v += LANES)
                store(P + j * LX + v, load(P + j * LX + v) + load(c + v) * (weight * c[j]));
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
    for (int i = 0; i < SIDE_LANES; i += LANES) {
        const vec lambda = load(a->lambda + i);
        const vec inverse = load(a->inverse_s + i), w = lambda * inverse;
        const vec base = load(a->target_s + i) * inverse - lambda - w * load(a->residual + i);
        vec weight = w, shift = base;
        if (a->any_soft) {
            const vec e = load(a->e + i), nu = load(a->nu + i), l2 = load(a->l2 + i), inverse_e = 1 / e;
            const mask soft = load(a->soft + i) > 0;
            const vec H = l2 + nu * inverse_e;
            const vec t = load(a->target_e + i) * inverse_e - load(a->l1 + i) - l2 * e + lambda;
            const vec scale = choose(soft, 1 / (H + w), splat(0));
            store(a->e_shift + i, (base + t) * scale);
            store(a->e_scale + i, w * scale);
            weight = choose(soft, w * H * scale, w);
            shift = base - w * (base + t) * scale;
        }
        const mask on = load(a->active + i) > 0;
        store(a->weight + i, choose(on, weight, splat(0)));
        store(a->shift + i, choose(on, lambda + shift, splat(0)));
    }
}

// Steps of the sides for σCΔz in `step`, and the longest step α ≤ 1 that keeps all positive with the given fraction.
static double sides_step(Sides *a, double fraction) {
    vec most = splat(0);  // 1/α
    for (int i = 0; i < SIDE_LANES; i += LANES) {
        const mask on = load(a->active + i) > 0;
        const vec step = load(a->step + i), lambda = load(a->lambda + i);
        vec ds = step + load(a->residual + i);
        if (a->any_soft) {
            const mask soft = (load(a->soft + i) > 0) & on;
            const vec e = load(a->e + i), nu = load(a->nu + i);
            const vec de = choose(soft, load(a->e_shift + i) - load(a->e_scale + i) * step, splat(0));
            const vec dnu = choose(soft, (load(a->target_e + i) - nu * de) / e - nu, splat(0));
            store(a->de + i, de);
            store(a->dnu + i, dnu);
            ds += de;
            most = larger_vec(choose(soft, larger_vec(-de / e, -dnu / nu), splat(0)), most);
        }
        ds = choose(on, ds, splat(0));
        const vec dlambda = choose(on, load(a->shift + i) - lambda - load(a->weight + i) * step, splat(0));
        store(a->ds + i, ds);
        store(a->dlambda + i, dlambda);
        most = larger_vec(choose(on, larger_vec(-ds * load(a->inverse_s + i), -dlambda * load(a->inverse_lambda + i)), splat(0)), most);
    }
    return 1 / larger(1, largest_of(most) / fraction);
}

static double sides_mu(const Sides *a, double alpha) {
    vec sum = {0};
    for (int i = 0; i < SIDE_LANES; i += LANES) {
        sum += (load(a->s + i) + load(a->ds + i) * alpha) * (load(a->lambda + i) + load(a->dlambda + i) * alpha);
        if (a->any_soft) sum += (load(a->e + i) + load(a->de + i) * alpha) * (load(a->nu + i) + load(a->dnu + i) * alpha);
    }
    return a->products > 0 ? sum_of(sum) / a->products : 0;
}

// Whether the product sλ of every side is below limit·(1 + λ), and likewise eν: small where λ is small, a small s where λ is large.
static int sides_complementary(const Sides *a, double limit) {
    mask all = ~(mask){0};
    for (int i = 0; i < SIDE_LANES; i += LANES) {
        const vec lambda = load(a->lambda + i), nu = load(a->nu + i);
        all &= load(a->s + i) * lambda <= (lambda + 1) * limit;
        if (a->any_soft) all &= load(a->e + i) * nu <= (nu + 1) * limit;
    }
    for (int i = 0; i < LANES; i++)
        if (!all[i]) return 0;
    return 1;
}

// No step in slacks and multipliers.
static void sides_stay(Sides *a) {
    clear(a->ds, SIDE_LANES), clear(a->dlambda, SIDE_LANES);
    clear(a->de, SIDE_LANES), clear(a->dnu, SIDE_LANES);
}

// A point strictly inside: slacks from the gaps, multipliers from μ.
static void sides_initialize(Sides *a, double mu) {
    a->products = 0;
    sides_stay(a);
    for (int i = 0; i < SIDE_LANES; i++) {
        const double smallest = FIRST_SLACK * a->room[i];
        const double gap = a->gap[i] + a->moved[i];
        a->s[i] = a->e[i] = 1, a->lambda[i] = a->nu[i] = 0;
        if (i >= ALL_SIDES || !(a->active[i] > 0)) continue;
        a->products++;
        a->s[i] = larger(gap, smallest);
        a->lambda[i] = mu / a->s[i];
        if (!(a->soft[i] > 0)) continue;
        // l1 + l2 e = λ + ν with e ν ≈ μ: a side that holds pays with ν, one that is violated with λ.
        a->products++;
        a->e[i] = larger(-gap, 0) + mu / (a->l1[i] + sqrt(a->l2[i] * mu) + 1e-9 * mu);
        const double price = a->l1[i] + a->l2[i] * a->e[i];
        a->nu[i] = larger(price - a->lambda[i], smaller(mu / a->e[i], 0.9 * price));
        a->lambda[i] = larger(price - a->nu[i], 1e-3 * price);
        a->s[i] = larger(gap, mu / a->lambda[i]);
    }
}

// What the sides' equations miss at z, and the inverses of this iteration.
static double side_residuals(Sides *a) {
    vec worst = {0};
    for (int i = 0; i < SIDE_LANES; i += LANES) {
        vec r = load(a->gap + i) + load(a->moved + i) - load(a->s + i);
        if (a->any_soft) r += choose(load(a->soft + i) > 0, load(a->e + i), splat(0));
        r = choose(load(a->active + i) > 0, r, splat(0));
        store(a->residual + i, r);
        store(a->inverse_s + i, 1 / load(a->s + i));
        store(a->inverse_lambda + i, 1 / load(a->lambda + i));
        worst = larger_vec(larger_vec(r, -r), worst);
    }
    return largest_of(worst);
}

// Multipliers of the rows, in the kernels' order of rows: positive where the upper bound presses, negative where the lower one does.
static void sides_multipliers(const Sides *a, double *multipliers) {
    for (int k = 0; k <= N; k++) {
        const int rows = k < N ? NG : NGT;
        const double *lambda = a->lambda + k * SIDES;
        for (int i = 0; i < rows; i++) multipliers[k * NG + i] = lambda[rows + i] - lambda[i];
    }
}
