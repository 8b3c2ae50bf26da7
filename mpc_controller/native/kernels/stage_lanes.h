// The stage functions of LANES points of the horizon in one call: numbers become vectors, one stage a lane (native/lanes.py).
// Beyond the end of the horizon the last stage is computed again.
#pragma once
#include <stddef.h>

#include "riccati.h"

int ocp_path_lanes(const vec **arg, vec **res, long long *iw, vec *w, int mem);
int ocp_path_value_lanes(const vec **arg, vec **res, long long *iw, vec *w, int mem);

typedef struct {
    vec x[NXA], u[NU], next[NXA], p[NP + 1], reference[NR + 1], dt;
    vec defect[LX], transition[NX * LZ], value[1], gradient[LZ], hessian[NZ * LZ], g[NG + 1], general[(NC + 1) * LZ];
    vec work[WORK_SIZE];
    const vec *arg[ARG_SIZE];
    vec *res[RES_SIZE];
} StageLanes;

// The n numbers at `first + lane * stride` of every lane, the stages from k on.
INLINE void lanes_gather(vec *to, int n, const double *first, int k, int stride) {
    for (int lane = 0; lane < LANES; lane++) {
        const double *from = first + (k + lane < N ? k + lane : N - 1) * stride;
        for (int i = 0; i < n; i++) ((double *)(to + i))[lane] = from[i];
    }
}

// The n numbers of every lane that is a stage to `first + stage * stride`; up to the next whole vector where `padded`.
INLINE void lanes_scatter(const vec *from, int n, double *first, int k, int stride, int padded) {
    if (!padded) {
        for (int lane = 0; lane < LANES && k + lane < N; lane++)
            for (int i = 0; i < n; i++) first[(k + lane) * stride + i] = from[i][lane];
        return;
    }
    for (int i = 0; i < n; i += LANES) {
        vec m[LANES];
        for (int c = 0; c < LANES; c++) m[c] = from[i + c];
        transpose_block(m);
        for (int lane = 0; lane < LANES; lane++)
            if (k + lane < N) store(first + (k + lane) * stride + i, m[lane]);
    }
}

// What does not change along the horizon: once before the stages.
static void lanes_begin(StageLanes *a, const double *p) {
    for (int i = 0; i < NP; i++) a->p[i] = splat(p[i]);
}

static void lanes_inputs(StageLanes *a, const double *x, const double *u, const double *reference, const double *grid, int k) {
    lanes_gather(a->x, NXA, x, k, NXA);
    lanes_gather(a->u, NU, u, k, NU);
    lanes_gather(a->next, NXA, x + NXA, k, NXA);
    lanes_gather(a->reference, NR, reference, k, NR);
    lanes_gather(&a->dt, 1, grid, k, 1);
    a->arg[0] = a->x, a->arg[1] = a->u, a->arg[2] = a->next;
    a->arg[3] = a->p, a->arg[4] = a->reference, a->arg[5] = &a->dt;
    a->res[0] = a->defect;
}

#define STAGE_STRIDE ((int)(sizeof(Stage) / sizeof(double)))
#define IN_STAGES(stage, field) ((double *)((char *)(stage) + offsetof(Stage, field)))  // a pointer that may go on to the next stages

// ocp_path for the stages from k on.
static void lanes_path(StageLanes *a, Stage *stage, double *value, double *g, int k) {
    a->res[1] = a->transition, a->res[2] = a->value, a->res[3] = a->gradient;
    a->res[4] = a->hessian, a->res[5] = a->g, a->res[6] = a->general;
    ocp_path_lanes(a->arg, a->res, 0, a->work, 0);
    lanes_scatter(a->defect, LX, IN_STAGES(stage, defect), k, STAGE_STRIDE, 1);
    lanes_scatter(a->transition, NX * LZ, IN_STAGES(stage, transition), k, STAGE_STRIDE, 1);
    lanes_scatter(a->gradient, LZ, IN_STAGES(stage, gradient), k, STAGE_STRIDE, 1);
    lanes_scatter(a->hessian, NZ * LZ, IN_STAGES(stage, hessian), k, STAGE_STRIDE, 1);
    lanes_scatter(a->general, NC * LZ, IN_STAGES(stage, general), k, STAGE_STRIDE, 1);
    lanes_scatter(a->value, 1, value, k, 1, 0);
    lanes_scatter(a->g, NG, g, k, NG, 0);
}

// ocp_path_value for the stages from k on; `defect` has LX numbers a stage.
static void lanes_path_value(StageLanes *a, double *defect, double *value, double *g, int k) {
    a->res[1] = a->value, a->res[2] = a->g;
    ocp_path_value_lanes(a->arg, a->res, 0, a->work, 0);
    lanes_scatter(a->defect, LX, defect, k, LX, 1);
    lanes_scatter(a->value, 1, value, k, 1, 0);
    lanes_scatter(a->g, NG, g, k, NG, 0);
}
