// What the Gauss-Newton expansion of a stage leaves out: second derivatives of the dynamics with multipliers v, of the rows with the
// sides' multipliers, and of residuals. Added to the stages' Hessians, where the stage functions were generated with it.
#pragma once
#include "shooting_point.h"

// A row's multiplier: positive where the upper bound presses.
static inline void row_multipliers(const double *lambda, int rows, double *mu) {
    for (int i = 0; i < rows; i++) mu[i] = lambda[rows + i] - lambda[i];
}

static void add_curvature(Workspace *w, const Inputs *in, int k, const double *v) {
#if CURVATURE
    double C[NZ * LZ], mu[NG + 1];
    row_multipliers(w->qp.sides.lambda + k * SIDES, NG, mu);
    w->arg[0] = w->x[k], w->arg[1] = w->u[k], w->arg[2] = w->x[k + 1];
    w->arg[3] = in->p, w->arg[4] = in->reference + k * NR, w->arg[5] = in->grid + k, w->arg[6] = v, w->arg[7] = mu;
    w->res[0] = C;
    ocp_curvature(w->arg, w->res, 0, w->work, 0);
    for (int j = 0; j < NZ * LZ; j++) w->qp.stage[k].hessian[j] += C[j];
#endif
}

static void add_terminal_curvature(Workspace *w, const Inputs *in) {
#if CURVATURE
    double C[NX * LX], mu[NGT + 1];
    row_multipliers(w->qp.sides.lambda + N * SIDES, NGT, mu);
    w->arg[0] = w->x[N], w->arg[1] = in->p, w->arg[2] = in->reference + N * NR, w->arg[3] = mu, w->res[0] = C;
    ocp_terminal_curvature(w->arg, w->res, 0, w->work, 0);
    for (int j = 0; j < NX * LX; j++) w->qp.terminal.hessian[j] += C[j];
#endif
}
