// How much of the identity a step's model gets (Levenberg-Marquardt): nothing where steps succeed, quickly more where they do not.
// Source: Tassa, Erez, Todorov, "Synthesis and stabilization of complex behaviors through online trajectory optimization", 2012.
#pragma once
#include "interior_point.h"

typedef struct {
    double value;   // ρ of ½ρ‖z‖²
    double growth;  // by what it changed last
} Regularization;

// Its least step of growth and its range, in units of the largest diagonal entry of the stages' Hessians.
#define REGULARIZATION_GROWTH 2
#define LEAST_REGULARIZATION 1e-9
#define MOST_REGULARIZATION 1e6

static double regularization_unit(const QP *q) { return larger(1e-8, largest_hessian(q)); }

// 1 when it is as large as makes sense.
static int raise_regularization(Regularization *r, const QP *q) {
    const double unit = regularization_unit(q);
    r->growth = larger(REGULARIZATION_GROWTH, r->growth * REGULARIZATION_GROWTH);
    r->value = larger(LEAST_REGULARIZATION * unit, r->value * r->growth);
    return r->value > MOST_REGULARIZATION * unit;
}

static void lower_regularization(Regularization *r, const QP *q) {
    r->growth = smaller(1.0 / REGULARIZATION_GROWTH, r->growth / REGULARIZATION_GROWTH);
    r->value *= r->growth;
    if (r->value < LEAST_REGULARIZATION * regularization_unit(q)) r->value = 0;
}
