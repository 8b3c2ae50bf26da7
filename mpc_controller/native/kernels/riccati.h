// Riccati recursion for the linear-quadratic problem
//
//     min Σ_k ½ zᵀH_k z + h_kᵀz + ½ xᵀH_N x + h_Nᵀx,   x_{k+1} = [B A]_k z_k + b_k,   z = (u, x)
//
// in the form W = H + [B A]ᵀ P [B A], of which a partial Cholesky factorisation of the u block gives the feedback
// in its first NU columns and the cost-to-go P_k as the Schur complement.
// Source: Frison, Jørgensen, "Efficient implementation of the Riccati recursion for linear-quadratic control problems", 2013.
#pragma once
#include "linalg.h"

#define NZ (NU + NX)
#define LZ PADDED(NZ)
#define LX PADDED(NX)

typedef struct {
    double transition[NX * LZ] __attribute__((aligned(64)));  // [B A]ᵀ: column l is row l of [B A]
    double hessian[NZ * LZ] __attribute__((aligned(64)));     // both triangles
    double gradient[LZ] __attribute__((aligned(64)));
    double defect[LX] __attribute__((aligned(64)));
    double general[(NC + 1) * LZ] __attribute__((aligned(64)));  // gradients of the general constraint rows, one a column
    double factor[NU * LZ] __attribute__((aligned(64)));         // first NU columns of the Cholesky factor of W
    double cost_to_go[NX * LX] __attribute__((aligned(64)));     // P_k, both triangles
    double cost_gradient[LX] __attribute__((aligned(64)));       // p_k
    double forward[LZ] __attribute__((aligned(64)));             // L⁻¹ (gradient of u)
} Stage;

typedef struct {
    double hessian[NX * LX] __attribute__((aligned(64)));
    double gradient[LX] __attribute__((aligned(64)));
    double general[(NCT + 1) * LX] __attribute__((aligned(64)));
    double cost_to_go[NX * LX] __attribute__((aligned(64)));
    double cost_gradient[LX] __attribute__((aligned(64)));
} Terminal;

// W (lower) → factor and P of one stage. 0, or 1 when the u block is not positive definite.
static int riccati_factor_stage(Stage *s, const double *next_cost, double *W) {
    double T[NZ * LX] __attribute__((aligned(64)));
    memset(T, 0, sizeof T);
    gemm(NX, NX, NZ, next_cost, LX, s->transition, LZ, 1, T, LX, 0);
    gemm(NZ, NX, NZ, s->transition, LZ, T, 1, LX, W, LZ, 1);
    for (int j = 0; j < NU; j++) {
        double *column = W + j * LZ;
        const double pivot = column[j];
        if (!(pivot > 0)) return 1;
        const double scale = 1 / sqrt(pivot);
        for (int i = 0; i < LZ; i++) column[i] *= scale;
        for (int c = j + 1; c < NZ; c++) {
            const double entry = column[c];
            for (int v = c / LANES; v < LZ / LANES; v++)
                store(W + c * LZ + v * LANES, load(W + c * LZ + v * LANES) - load(column + v * LANES) * entry);
        }
    }
    memcpy(s->factor, W, sizeof s->factor);
    for (int j = 0; j < NX; j++)
        for (int i = j; i < NX; i++) s->cost_to_go[j * LX + i] = s->cost_to_go[i * LX + j] = W[(NU + j) * LZ + NU + i];
    return 0;
}

// Backward sweep of the gradients: given h (in `gradient`, destroyed) and b, the vectors y = L⁻¹ h_u and p_k.
static void riccati_backward_stage(Stage *s, const double *gradient, const double *defect, const double *next_cost,
                                   const double *next_gradient) {
    double v[LX] __attribute__((aligned(64))), h[LZ] __attribute__((aligned(64)));
    memcpy(v, next_gradient, sizeof v);
    gemv(NX, NX, next_cost, LX, defect, v);
    memcpy(h, gradient, sizeof h);
    gemv(NZ, NX, s->transition, LZ, v, h);
    for (int j = 0; j < NU; j++) {
        const double y = h[j] / s->factor[j * LZ + j];
        s->forward[j] = y;
        for (int v8 = 0; v8 < LZ / LANES; v8++)
            store(h + v8 * LANES, load(h + v8 * LANES) - load(s->factor + j * LZ + v8 * LANES) * y);
    }
    for (int i = 0; i < NX; i++) s->cost_gradient[i] = h[NU + i];
}

// Forward sweep: from x_k in z + NU to u_k in z and x_{k+1} in next.
static void riccati_forward_stage(const Stage *s, const double *defect, double *z, double *next) {
    for (int j = NU - 1; j >= 0; j--) {
        const double *column = s->factor + j * LZ;
        double sum = s->forward[j];
        for (int i = j + 1; i < NZ; i++) sum += column[i] * z[i];
        z[j] = -sum / column[j];
    }
    for (int l = 0; l < NX; l++) next[l] = defect[l] + column_dot(NZ, s->transition + l * LZ, z);
}

// Feedback gains K = −L⁻ᵀ L_xᵀ, row-major (NU, NX), of u = u* + K (x ⊟ x*).
static void riccati_gain(const Stage *s, double *K) {
    for (int i = 0; i < NX; i++)
        for (int j = NU - 1; j >= 0; j--) {
            const double *column = s->factor + j * LZ;
            double sum = column[NU + i];
            for (int m = j + 1; m < NU; m++) sum += column[m] * K[m * NX + i];
            K[j * NX + i] = -sum / column[j];
        }
}
