// What the Gauss-Newton expansion of a stage leaves out: second derivatives of the dynamics with multipliers v, of the rows with the
// sides' multipliers, and of residuals. Added to the stages' Hessians, where the stage functions were generated with it.
#pragma once
#include "shooting_point.h"

// Not there without CURVATURE, and then not called.
int ocp_curvature(const double **arg, double **res, long long *iw, double *w, int mem);
int ocp_terminal_curvature(const double **arg, double **res, long long *iw, double *w, int mem);

// A row's multiplier: positive where the upper bound presses.
static inline void row_multipliers(const double *lambda, int rows, double *mu) {
    for (int i = 0; i < rows; i++) mu[i] = lambda[rows + i] - lambda[i];
}

static void add_curvature(Workspace *w, const Inputs *in, int k, const double *v) {
    if (!CURVATURE) return;
    double C[NZ * LZ] ALIGNED, mu[NG + 1], *hessian = w->qp.stage[k].hessian;
    row_multipliers(w->qp.sides.lambda + k * SIDES, NG, mu);
    stage_arguments(w, in, k, w->x[k], w->u[k], w->x[k + 1]);
    w->arg[6] = v, w->arg[7] = mu, w->res[0] = C;
    ocp_curvature(w->arg, w->res, 0, w->work, 0);
    for (int j = 0; j < NZ * LZ; j += LANES) store(hessian + j, load(hessian + j) + load(C + j));
}

static void add_terminal_curvature(Workspace *w, const Inputs *in) {
    if (!CURVATURE) return;
    double C[NX * LX] ALIGNED, mu[NGT + 1], *hessian = w->qp.terminal.hessian;
    row_multipliers(w->qp.sides.lambda + N * SIDES, NGT, mu);
    terminal_arguments(w, in, w->x[N]);
    w->arg[3] = mu, w->res[0] = C;
    ocp_terminal_curvature(w->arg, w->res, 0, w->work, 0);
    for (int j = 0; j < NX * LX; j += LANES) store(hessian + j, load(hessian + j) + load(C + j));
}
