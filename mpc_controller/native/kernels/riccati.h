// Riccati recursion for the linear-quadratic problem
//
//     min Σ_k ½ zᵀH_k z + h_kᵀz + ½ xᵀH_N x + h_Nᵀx,   x_{k+1} = [B A]_k z_k + b_k,   z = (u, x)
//
// in the form W = H + [B A]ᵀ P [B A], of which a partial factorisation LDLᵀ of the u block gives the feedback K = −L_u⁻ᵀL_xᵀ
// and the cost-to-go P_k as the Schur complement. The sweeps of a right-hand side pass through the closed loop A + BK alone, one
// product a stage; all else is done for every stage at once, before or after.
// Source: Frison, Jørgensen, "Efficient implementation of the Riccati recursion for linear-quadratic control problems", 2013.
#pragma once
#include "linalg.h"

#define NZ (NU + NX)
#define LZ PADDED(NZ)
#define LX PADDED(NX)

typedef struct {
    double transition[NX * LZ] ALIGNED;     // [B A]ᵀ: column l is row l of [B A]
    double hessian[NZ * LZ] ALIGNED;        // both triangles
    double gradient[LZ] ALIGNED;
    double defect[LX] ALIGNED;              // b
    double general[(NC + 1) * LZ] ALIGNED;  // gradients of the general constraint rows, one a column
    double forward_map[NZ * LX] ALIGNED;    // [B A], column by column
    double factor[NU * LZ] ALIGNED;         // first NU columns of LD
    double lower[NU * NU];                  // u block of L, row by row
    double inverse_pivot[NU];               // 1 / D_j
    double gain[NU * LX] ALIGNED;           // K, row by row
    double closed_loop[NX * LX] ALIGNED;    // A + BK, column by column
    double closed_loop_t[NX * LX] ALIGNED;  // (A + BK)ᵀ, column by column
    double cost_to_go[NX * LX] ALIGNED;     // P_k, both triangles
    double cost_defect[LX] ALIGNED;         // P_{k+1} b
    double cost_gradient[LX] ALIGNED;       // p_k
    double seen[LX] ALIGNED;                // p_{k+1} + P_{k+1} b
    double drift[LX] ALIGNED;               // b + B u_feedforward
    double feedforward[NU];
} Stage;

typedef struct {
    double hessian[NX * LX] ALIGNED;
    double gradient[LX] ALIGNED;
    double general[(NCT + 1) * LX] ALIGNED;
    double cost_to_go[NX * LX] ALIGNED;
    double cost_gradient[LX] ALIGNED;
} Terminal;

// [B A] from its transpose: once after `transition` was filled.
static void riccati_transpose(Stage *s) { transpose(NZ, NX, s->transition, LZ, s->forward_map, LX); }

// Vector v of a column over x, from a column over z = (u, x).
INLINE vec states_of(const double *over_z, int v) {
    const int first = NU / LANES + v;
    const vec low = first < LZ / LANES ? load(over_z + first * LANES) : splat(0);
    const vec high = first + 1 < LZ / LANES ? load(over_z + (first + 1) * LANES) : splat(0);
#define FROM_STATES(i) NU % LANES + i
    return SHUFFLE(low, high, COUNTED(FROM_STATES));
}

// K = −L_u⁻ᵀ L_xᵀ, A + BK and its transpose.
static void riccati_close_loop(Stage *s) {
    for (int v = 0; v < LX / LANES; v++)
        for (int j = NU - 1; j >= 0; j--) {
            vec row = states_of(s->factor + j * LZ, v) * -s->inverse_pivot[j];
            for (int m = j + 1; m < NU; m++) row -= load(s->gain + m * LX + v * LANES) * s->lower[m * NU + j];
            store(s->gain + j * LX + v * LANES, row);
        }
    copy(s->closed_loop, s->forward_map + NU * LX, NX * LX);
    gemm(NX, NU, NX, s->forward_map, LX, s->gain, LX, 1, s->closed_loop, LX, 0);
    for (int l = 0; l < NX; l++)
        for (int v = 0; v < LX / LANES; v++)
            store(s->closed_loop_t + l * LX + v * LANES, states_of(s->transition + l * LZ, v));
    gemm(NX, NU, NX, s->gain, LX, s->transition, 1, LZ, s->closed_loop_t, LX, 0);
}

// P from the lower triangle of the x block of W.
INLINE void riccati_cost_to_go(const double *W, double *P) {
    for (int j = 0; j < LX / LANES; j++)
        for (int i = j; i < LX / LANES; i++) {
            vec below[LANES], above[LANES];
            for (int c = 0; c < LANES; c++)
                above[c] = below[c] = j * LANES + c < NX ? states_of(W + (NU + j * LANES + c) * LZ, i) : splat(0);
            transpose_block(above);
            for (int c = 0; c < LANES; c++) {
                if (i == j) below[c] = choose(positions() >= splat(c), below[c], above[c]);
                if (j * LANES + c < NX) store(P + (j * LANES + c) * LX + i * LANES, below[c]);
                if (i > j && i * LANES + c < NX) store(P + (i * LANES + c) * LX + j * LANES, above[c]);
            }
        }
}

// The x columns of W: += [B A]ᵀ T − L D Lᵀ, in the vectors that touch the lower triangle.
INLINE void gemm_lower(const double *transition, const double *T, const double *minus, double *W) {
    for (int j = NU; j < NZ; j += BLOCK) {
        const int columns = NZ - j < BLOCK ? NZ - j : BLOCK;
        if (columns == BLOCK) {
            gemm_block(LZ / LANES, j / LANES, NX, BLOCK, transition, LZ, T + j * LX, 1, LX, W + j * LZ, LZ);
            gemm_block(LZ / LANES, j / LANES, NU, BLOCK, W, LZ, minus + j, LZ, 1, W + j * LZ, LZ);
        } else {
            gemm_block(LZ / LANES, j / LANES, NX, NX % BLOCK, transition, LZ, T + j * LX, 1, LX, W + j * LZ, LZ);
            gemm_block(LZ / LANES, j / LANES, NU, NX % BLOCK, W, LZ, minus + j, LZ, 1, W + j * LZ, LZ);
        }
    }
}

// T = P_{k+1} [B A] (NX, NZ), and the u columns of W (lower, H of the stage on entry).
INLINE void riccati_control_columns(const Stage *s, const double *next_cost, double *T, double *W) {
    clear(T, NZ * LX);
    gemm(NX, NX, NZ, next_cost, LX, s->transition, LZ, 1, T, LX, 0);
    gemm(NZ, NX, NU, s->transition, LZ, T, 1, LX, W, LZ, 1);
}

// The rest of W → factor and P of one stage. The controls in `clamped`, if given, do not move: their columns of the factor are zero.
// 0, or 1 when the u block of the others is not positive definite.
INLINE int riccati_eliminate(Stage *s, const char *clamped, const double *T, double *W) {
    double minus[NU * LZ] ALIGNED;
    for (int j = 0; j < NU; j++) {
        if (clamped && clamped[j]) {
            clear(W + j * LZ, LZ);
            clear(minus + j * LZ, LZ);
            continue;
        }
        const double pivot = W[j * LZ + j];
        if (!(pivot > 0)) return 1;
        const double inverse = s->inverse_pivot[j] = 1 / pivot;
        for (int c = j + 1; c < NU; c++) {
            const double ratio = s->lower[c * NU + j] = W[j * LZ + c] * inverse;
            for (int v = 0; v < LZ; v += LANES) store(W + c * LZ + v, load(W + c * LZ + v) - load(W + j * LZ + v) * ratio);
        }
        for (int v = 0; v < LZ; v += LANES) store(minus + j * LZ + v, load(W + j * LZ + v) * -inverse);
    }
    gemm_lower(s->transition, T, minus, W);
    copy(s->factor, W, NU * LZ);
    riccati_cost_to_go(W, s->cost_to_go);
    return 0;
}

// W (lower, H of the stage on entry) → factor, feedback and P of one stage, and P_{k+1} b. 0, or 1 when the u block is not
// positive definite.
static int riccati_factor_stage(Stage *s, const double *next_cost, double *W) {
    double T[NZ * LX] ALIGNED;
    riccati_control_columns(s, next_cost, T, W);
    if (riccati_eliminate(s, 0, T, W)) return 1;
    clear(s->cost_defect, LX);
    gemv(NX, NX, next_cost, LX, s->defect, s->cost_defect);
    riccati_close_loop(s);
    return 0;
}

// Backward sweep of the gradients h (N of LZ), of which h_N is in cost_gradient of the terminal stage: p_k, and the feedforward of
// u = feedforward + K x. `open` is how much of the defects b there is.
static void riccati_backward(Stage *stage, const Terminal *terminal, const double (*gradient)[LZ], double open) {
    for (int k = 0; k < N; k++) {
        Stage *s = &stage[k];
        for (int v = 0; v < LX / LANES; v++) store(s->cost_gradient + v * LANES, states_of(gradient[k], v));
        gemv(NX, NU, s->gain, LX, gradient[k], s->cost_gradient);
    }
    const double *next = terminal->cost_gradient;
    for (int k = N - 1; k >= 0; k--) {
        Stage *s = &stage[k];
        for (int v = 0; v < LX; v += LANES) store(s->seen + v, load(next + v) + load(s->cost_defect + v) * open);
        gemv(NX, NX, s->closed_loop_t, LX, s->seen, s->cost_gradient);
        next = s->cost_gradient;
    }
    for (int k = 0; k < N; k++) {
        Stage *s = &stage[k];
        double y[NU];
        for (int j = 0; j < NU; j++) y[j] = gradient[k][j] + column_dot(NX, s->forward_map + j * LX, s->seen);
        for (int j = 0; j < NU; j++)
            for (int i = 0; i < j; i++) y[j] -= s->lower[j * NU + i] * y[i];
        for (int j = NU - 1; j >= 0; j--) {
            y[j] *= s->inverse_pivot[j];
            for (int i = j + 1; i < NU; i++) y[j] -= s->lower[i * NU + j] * y[i];
        }
        for (int j = 0; j < NU; j++) s->feedforward[j] = -y[j];
        for (int v = 0; v < LX; v += LANES) store(s->drift + v, load(s->defect + v) * open);
        gemv(NX, NU, s->forward_map, LX, s->feedforward, s->drift);
    }
}

// Forward sweep from x_0 in x[0]: x (N+1 of LX), and z_k = (u_k, x_k).
static void riccati_forward(const Stage *stage, double (*x)[LX], double (*z)[LZ]) {
    for (int k = 0; k < N; k++) {
        copy(x[k + 1], stage[k].drift, LX);
        gemv(NX, NX, stage[k].closed_loop, LX, x[k], x[k + 1]);
    }
    for (int k = 0; k < N; k++) {
        for (int j = 0; j < NU; j++) z[k][j] = stage[k].feedforward[j] + column_dot(NX, stage[k].gain + j * LX, x[k]);
        memcpy(z[k] + NU, x[k], NX * sizeof(double));
    }
}

// Feedback gains K, row-major (NU, NX), of u = u* + K (x ⊟ x*).
static void riccati_gain(const Stage *s, double *K) {
    for (int j = 0; j < NU; j++) memcpy(K + j * NX, s->gain + j * LX, NX * sizeof(double));
}
