// Direct collocation: the inner states w (INNER,) of every interval are iterates of their own (lifted), with the equations
//
//     G(x, w, u) = 0,   w_end ⊟ x⁺ = 0.
//
// One Newton elimination an interval, Δw = −G_w⁻¹ (G + G_z z) with z = (u, δx), leaves the horizon with x⁺ alone: the defect at
// z = 0 and [B A], by the implicit function theorem. Nothing is iterated inside: w moves along with every step of the programme.
// Source: Albersmeyer, Diehl, "The lifted Newton method and its application in optimization", 2010; Quirynen et al.,
// "Lifted collocation integrators for direct optimal control in ACADO Toolkit", 2017.
#pragma once
#include "riccati.h"

#define LM PADDED(INNER + 1)  // a row of the system: G_w, then G; from LM on [G_u G_x]
#define LW (LM + LZ)

typedef struct {
    double w[N][INNER], trial[N][INNER];
    double response[N][INNER * LZ] ALIGNED;  // G_w⁻¹ [G_u G_x], row-major
    double shift[N][INNER];                                       // G_w⁻¹ G
    double system[INNER * LW] ALIGNED;
    double entries[SYSTEM_ENTRIES];                               // those of the system that are not zero, as generated
    double gap_w[NXA * NX];                                       // ∂(w_end ⊟ x⁺)/∂w_end, row-major
} Inner;

// Solve the system for `response` and `shift` by Gaussian elimination. Pivots stay on the diagonal: for a mode of the model with
// eigenvalue λ they are about 1 − dt a_ii λ, away from zero unless it grows tenfold within an interval, and a zero gives no finite
// numbers. The tables list what is not zero, fill-in included: below the diagonal column by column, right of it row by row.
static void inner_solve(double *system, double *response, double *shift) {
    double inverse[INNER];
    for (int k = 0; k < INNER; k++) {
        const double *pivot_row = system + k * LW;
        inverse[k] = 1 / pivot_row[k];
        for (int e = BELOW_START[k]; e < BELOW_START[k + 1]; e++) {
            double *row = system + BELOW[e] * LW;
            const double factor = row[k] * inverse[k];
            for (int v = k / LANES; v < LW / LANES; v++)
                store(row + v * LANES, load(row + v * LANES) - load(pivot_row + v * LANES) * factor);
        }
    }
    for (int k = INNER - 1; k >= 0; k--) {
        const double *row = system + k * LW;
        double known = row[INNER];
        vec sum[LZ / LANES];
        for (int v = 0; v < LZ / LANES; v++) sum[v] = load(row + LM + v * LANES);
        for (int e = RIGHT_START[k]; e < RIGHT_START[k + 1]; e++) {
            const int j = RIGHT[e];
            known -= row[j] * shift[j];
            for (int v = 0; v < LZ / LANES; v++) sum[v] -= load(response + j * LZ + v * LANES) * row[j];
        }
        shift[k] = known * inverse[k];
        for (int v = 0; v < LZ / LANES; v++) store(response + k * LZ + v * LANES, sum[v] * inverse[k]);
    }
}

// From the generated entries of interval k, and the gap w_end ⊟ x⁺ in its defect, to the stage that the programme sees.
static void inner_condense(Inner *a, int k, Stage *s) {
    memset(a->system, 0, sizeof a->system);
    for (int i = 0; i < SYSTEM_ENTRIES; i++) a->system[SYSTEM_PLACE[i]] = a->entries[i];
    inner_solve(a->system, a->response[k], a->shift[k]);
    for (int l = 0; l < NX; l++) {
        vec sum[LZ / LANES] = {{0}};
        for (int i = 0; i < NXA; i++) {
            const double scale = a->gap_w[l * NXA + i];
            if (scale == 0) continue;
            s->defect[l] -= scale * a->shift[k][INNER_END[i]];
            for (int v = 0; v < LZ / LANES; v++) sum[v] -= load(a->response[k] + INNER_END[i] * LZ + v * LANES) * scale;
        }
        for (int v = 0; v < LZ / LANES; v++) store(s->transition + l * LZ + v * LANES, sum[v]);
    }
}

// trial = w + α Δw for the programme's step z of interval k.
static void inner_retract(Inner *a, int k, const double *z, double alpha) {
    for (int i = 0; i < INNER; i++)
        a->trial[k][i] = a->w[k][i] - alpha * (a->shift[k][i] + column_dot(NZ, a->response[k] + i * LZ, z));
}

// w += sign · (the chord from x to x⁺ at the nodes). Between solves w is kept as what it is off the chord, which changes
// little when the guess is the last plan at another time; for a first guess it is zero.
static void inner_add_chord(double *w, const double *x, const double *x_next, double sign) {
    double step[NXA];
    for (int i = 0; i < NXA; i++) step[i] = x_next[i] - x[i];
    for (int i = 0; i < QUATERNIONS; i++) {
        const double *q = x + QUATERNION[i], *q_next = x_next + QUATERNION[i];
        const double cosine = q[0] * q_next[0] + q[1] * q_next[1] + q[2] * q_next[2] + q[3] * q_next[3];
        for (int j = 0; j < 4 && cosine < 0; j++) step[QUATERNION[i] + j] = -q_next[j] - q[j];  // q and −q are the same attitude
    }
    for (int i = 0; i < INNER; i++) w[i] += sign * (x[INNER_STATE[i]] + INNER_NODE[i] * step[INNER_STATE[i]]);
}
