// A learned residual in the stages of the horizon: the end of every step is moved by γ(x, u, p, dt, r), r = r(z(x, u, p); w).
//
//     gap  (F(x, u) ⊞ γ) ⊟ x⁺,    [B A] ← M [B A] + G [γ_z + Γ ∂r/∂z ∂z/∂(u, δx)]        γ_z at fixed r, Γ = ∂γ/∂r
//
// where M and G are 1 but for attitudes. The networks of all stages go through their layers together. Second derivatives of the
// residual are left out of all Hessians. Where r = 0, nothing is touched: plans are those of the physics to the last bit.
#pragma once
#include "residual.h"
#include "riccati.h"
#include "rotations.h"

typedef struct {
    ResidualMemory residual;
    int is_heard;                        // whether r was anything but 0 in this solve
    double z[N][RZ], r[N][RR], J[N][RR * RZ];
    double z_slope[N][RZ * LZ] ALIGNED;  // ∂z/∂(u, δx), one feature a column
    double push[LX] ALIGNED;             // γ of the last point
    double push_by_r[RR * LX] ALIGNED;   // Γ, one output a column
    double push_by_z[NX * LZ] ALIGNED;   // γ_z as Stage.transition
} Fused;

typedef struct {
    const double *p, *grid;
    ResidualData data;
    double *work;
    const double **arg;
    double **res;
} FusedInputs;

// z at N points or one.
static void fused_features(Fused *f, const FusedInputs *in, int k, const double *x, const double *u, int derivatives) {
    in->arg[0] = x, in->arg[1] = u, in->arg[2] = in->p;
    in->res[0] = f->z[k], in->res[1] = f->z_slope[k];
    if (derivatives) ocp_features(in->arg, in->res, 0, in->work, 0);
    else ocp_features_value(in->arg, in->res, 0, in->work, 0);
}

// γ of stage k at its r, left in `push`; with `derivatives` Γ and γ_z, too.
static void fused_push(Fused *f, const FusedInputs *in, int k, const double *x, const double *u, int derivatives) {
    in->arg[0] = x, in->arg[1] = u, in->arg[2] = in->p, in->arg[3] = in->grid + k, in->arg[4] = f->r[k];
    in->res[0] = f->push, in->res[1] = f->push_by_r, in->res[2] = f->push_by_z;
    for (int i = 0; i < RR; i++) f->is_heard |= f->r[k][i] != 0;
    if (derivatives) ocp_push(in->arg, in->res, 0, in->work, 0);
    else ocp_push_value(in->arg, in->res, 0, in->work, 0);
}

// r, and with `derivatives` what `fused_add_slopes` needs, of all stages at a point of the horizon.
static void fused_horizon(Fused *f, const FusedInputs *in, const double (*x)[NXA], const double (*u)[NU], int derivatives) {
    for (int k = 0; k < N; k++) fused_features(f, in, k, x[k], u[k], derivatives);
    if (derivatives) residual_jacobians(&f->residual, &in->data, f->z[0], N, f->r[0], f->J[0], 0);
    else residual_values(&f->residual, &in->data, f->z[0], N, f->r[0], 0);
}

// miss = F ⊟ x⁺ becomes (F ⊞ γ) ⊟ x⁺.
static void fused_add_push(const Fused *f, double *miss) {
    double turned[QUATERNIONS + 1][3];
    for (int i = 0; i < QUATERNIONS; i++) compose_rotations(miss + QUATERNION[i] - i, f->push + QUATERNION[i] - i, turned[i]);
    for (int i = 0; i < NX; i++) miss[i] += f->push[i];
    for (int i = 0; i < QUATERNIONS; i++)
        if (angle_of(f->push + QUATERNION[i] - i) > 0) memcpy(miss + QUATERNION[i] - i, turned[i], sizeof turned[i]);
}

// Rows first..first+2 of a matrix that lies as Stage.transition, times T from the left.
static void turn_rows(double T[3][3], double *matrix, int first) {
    for (int v = 0; v < LZ; v += LANES) {
        vec row[3];
        for (int i = 0; i < 3; i++) row[i] = load(matrix + (first + i) * LZ + v);
        for (int i = 0; i < 3; i++)
            store(matrix + (first + i) * LZ + v, row[0] * T[i][0] + row[1] * T[i][1] + row[2] * T[i][2]);
    }
}

// M and G of an attitude whose `miss` of the physics alone and push γ are given, with d = log(exp(miss) exp(γ)):
//     M = J_r(d)⁻¹ R(γ)ᵀ J_r(miss),    G = J_r(d)⁻¹ J_r(γ)
static void fused_turns(const double *miss, const double *push, double M[3][3], double G[3][3]) {
    double d[3], A[3][3], B[3][3], C[3][3];
    compose_rotations(miss, push, d);
    inverse_right_jacobian(d, A);
    turn_back(push, B);
    multiply_3(A, B, C);
    right_jacobian(miss, B);
    multiply_3(C, B, M);
    right_jacobian(push, B);
    multiply_3(A, B, G);
}

// slopes += γ_z + Γ J ∂z/∂(u, δx) of stage k; γ is left in `push`.
static void fused_slopes(Fused *f, const FusedInputs *in, int k, const double *x, const double *u, double *slopes) {
    double along[RR * LZ] ALIGNED;  // J ∂z/∂(u, δx), one output a column
    fused_push(f, in, k, x, u, 1);
    for (int i = 0; i < RR; i++)
        for (int v = 0; v < LZ; v += LANES) {
            vec sum = splat(0);
            for (int j = 0; j < RZ; j++) sum += load(f->z_slope[k] + j * LZ + v) * f->J[k][i * RZ + j];
            store(along + i * LZ + v, sum);
        }
    for (int l = 0; l < NX; l++)
        for (int v = 0; v < LZ; v += LANES) {
            vec sum = load(f->push_by_z + l * LZ + v);
            for (int i = 0; i < RR; i++)
                if (f->push_by_r[i * LX + l] != 0) sum += load(along + i * LZ + v) * f->push_by_r[i * LX + l];
            store(slopes + l * LZ + v, load(slopes + l * LZ + v) + sum);
        }
}

// What a residual makes of the gap and of [B A] of stage k.
static void fused_stage(Fused *f, const FusedInputs *in, int k, const double *x, const double *u, Stage *s) {
#if QUATERNIONS
    double slopes[NX * LZ] ALIGNED = {0};
    fused_slopes(f, in, k, x, u, slopes);
    for (int i = 0; i < QUATERNIONS; i++) {
        const int first = QUATERNION[i] - i;
        double M[3][3], G[3][3];
        if (!(angle_of(f->push + first) > 0)) continue;
        fused_turns(s->defect + first, f->push + first, M, G);
        turn_rows(M, s->transition, first);
        turn_rows(G, slopes, first);
    }
    for (int i = 0; i < NX * LZ; i += LANES) store(s->transition + i, load(s->transition + i) + load(slopes + i));
#else
    fused_slopes(f, in, k, x, u, s->transition);
#endif
    fused_add_push(f, s->defect);
}

// Of a rolled-out point, whose gap is 0: π becomes the multiplier of the physics' own gap, and what π sees of the residual is
// added to the gradient over z.
static void fused_adjoint(Fused *f, const FusedInputs *in, int k, const double *x, const double *u, double *pi, double *gradient) {
    double slopes[NX * LZ] ALIGNED = {0}, seen[LX];
    memcpy(seen, pi, NX * sizeof *seen);
    fused_slopes(f, in, k, x, u, slopes);
    for (int i = 0; i < QUATERNIONS; i++) {
        const int first = QUATERNION[i] - i;
        const double *push = f->push + first, back[3] = {-push[0], -push[1], -push[2]};
        double M[3][3], G[3][3];
        if (!(angle_of(push) > 0)) continue;
        fused_turns(back, push, M, G);
        turn_rows(G, slopes, first);
        for (int j = 0; j < 3; j++) pi[first + j] = M[0][j] * seen[first] + M[1][j] * seen[first + 1] + M[2][j] * seen[first + 2];
    }
    for (int i = 0; i < NZ; i++) {
        gradient[i] = 0;
        for (int l = 0; l < NX; l++) gradient[i] += slopes[l * LZ + i] * seen[l];
    }
}
