// A learned residual in the stages of the horizon: the end of every step is moved by γ(x, u, p, dt, r), r = r(z(x, u, p); w).
//
//     gap  F(x, u) ⊟ x⁺ + γ,    [B A] ← [B A] + γ_z + Γ ∂r/∂z ∂z/∂(u, δx)        γ_z at fixed r, Γ = ∂γ/∂r
//
// A gap of 0 means x⁺ = F ⊞ γ, as x₁ ⊟ x₀ = −(x₀ ⊟ x₁). The networks of all stages go through their layers together. Second
// derivatives of the residual are left out of all Hessians.
#pragma once
#include "residual.h"
#include "riccati.h"

typedef struct {
    ResidualMemory residual;
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
    if (derivatives) ocp_push(in->arg, in->res, 0, in->work, 0);
    else ocp_push_value(in->arg, in->res, 0, in->work, 0);
}

// r, and with `derivatives` what `fused_add_slopes` needs, of all stages at a point of the horizon.
static void fused_horizon(Fused *f, const FusedInputs *in, const double (*x)[NXA], const double (*u)[NU], int derivatives) {
    for (int k = 0; k < N; k++) fused_features(f, in, k, x[k], u[k], derivatives);
    if (derivatives) residual_jacobians(&f->residual, &in->data, f->z[0], N, f->r[0], f->J[0], 0);
    else residual_values(&f->residual, &in->data, f->z[0], N, f->r[0], 0);
}

// transition += γ_z + Γ J ∂z/∂(u, δx) of stage k; γ is left in `push`.
static void fused_add_slopes(Fused *f, const FusedInputs *in, int k, const double *x, const double *u, double *transition) {
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
            for (int i = 0; i < RR; i++) sum += load(along + i * LZ + v) * f->push_by_r[i * LX + l];
            store(transition + l * LZ + v, load(transition + l * LZ + v) + sum);
        }
}
