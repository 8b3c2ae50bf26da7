// Chance constraints: how far the rows of the horizon are tightened against what a learned residual does not know. Its error is one
// of the function, so that it persists along the horizon: output i is off by ε_i σ_i(z_k), ε ~ N(0, 1), and the state by S_k ε,
//
//     S_0 = 0,  S_{k+1} = (A + B K) S_k + Γ diag(σ_k),    margin of a row with the gradients (c_u, c_x):  κ ‖c_x S_k + c_u K S_k‖
//
// so that the linearised row holds with probability Φ(κ). K is the LQR's along the plan, without constraints: what replanning does to
// an error, and unlike the plan's own gains no jump where a row becomes active, with which margins would come and go. Margins stay as
// they are within a solve: they are those of the plan before, or, to convergence, of the plan itself, solved anew until they settle.
// Source: Zanelli, Frey, Messerer, Diehl, "Zero-order robust nonlinear model predictive control with ellipsoidal uncertainty sets", 2021
// (margins outside of the programmes); Hewing, Kabzan, Zeilinger, "Cautious model predictive control using Gaussian process
// regression", 2020 (the propagation).
#pragma once
#include "shooting_point.h"

// Margins have settled when none moves by more than this much of 1 + itself; how often they may move.
#define SETTLED 1e-7
#define MOST_REPEATS 30

typedef struct {
    double spread[N][RR];         // σ
    double off[RR][LX] ALIGNED;   // S, one output a row
    double moved[RR][LZ] ALIGNED; // (K S, S)
} BackOff;

// moved = (K off, off)
static void back_off_feedback(BackOff *b, const double *K) {
    for (int o = 0; o < RR; o++) {
        for (int j = 0; j < NU; j++) {
            b->moved[o][j] = 0;
            for (int i = 0; i < NX; i++) b->moved[o][j] += K[j * NX + i] * b->off[o][i];
        }
        memcpy(b->moved[o] + NU, b->off[o], NX * sizeof(double));
    }
}

// κ ‖c · moved‖ of a row that is `entry` of its vector, or whose gradient is `general`.
static double back_off_margin(const BackOff *b, double factor, int entry, const double *general, int first, int count) {
    double square = 0;
    for (int o = 0; o < RR; o++) {
        const double *moved = b->moved[o] + first;
        double along = general ? 0 : moved[entry];
        for (int i = 0; general && i < count; i++) along += general[i] * moved[i];
        square += along * along;
    }
    return factor * sqrt(square);
}

// Margins of all rows at the plan in the workspace; how far the one moved that moved most. They stay where there is no LQR.
static double back_off(Workspace *w, const Inputs *in) {
    BackOff off = {0}, *b = &off;
    QP *q = &w->qp;
    double gain[N][NU * NX];
    if (free_gains(q, gain)) return 0;
    const FusedInputs fused = fused_inputs(w, in);
    double most = 0;
    for (int k = 0; k < N; k++) fused_features(&w->fused, &fused, k, w->x[k], w->u[k], 0);
    residual_spread(&w->fused.residual, &fused.data, w->fused.z[0], N, w->fused.r[0], b->spread[0]);
    for (int k = 0; k <= N; k++) {
        const int rows = k < N ? NG : NGT, bounds = k < N ? NB : NBT;
        if (k < N) back_off_feedback(b, gain[k]);
        else for (int o = 0; o < RR; o++) memcpy(b->moved[o] + NU, b->off[o], NX * sizeof(double));
        for (int i = 0; i < rows; i++) {
            const int place = k < N ? BACK_OFF[i] : BACK_OFF_N[i];
            const double *general = i < bounds ? 0 : k < N ? q->stage[k].general + (i - bounds) * LZ : q->terminal.general + (i - bounds) * LX;
            const int entry = general ? 0 : k < N ? BOUND_ENTRY[i] : BOUND_ENTRY_N[i];
            double *margin = q->sides.margin + k * NG + i;
            const double now = place < 0 ? 0 : back_off_margin(b, in->p[place], entry, general, k < N ? 0 : NU, k < N ? NZ : NX);
            most = larger(most, fabs(now - *margin) / (1 + now));
            *margin = now;
        }
        if (k == N) break;
        fused_push(&w->fused, &fused, k, w->x[k], w->u[k], 1);
        for (int o = 0; o < RR; o++)
            for (int l = 0; l < NX; l++)
                b->off[o][l] = column_dot(NZ, q->stage[k].transition + l * LZ, b->moved[o]) +
                               w->fused.push_by_r[o * LX + l] * b->spread[k][o];
    }
    return most;
}
