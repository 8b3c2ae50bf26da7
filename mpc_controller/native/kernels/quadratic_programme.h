// The programme of one SQP iteration, solved by what suits it.
#pragma once
#include "active_set.h"

// Where μ starts, in units of the largest gradient. Small is soon done, but jams where multipliers become much larger than gradients
// are: after so many iterations it is started again from far.
#define NEAR_MU 1.0
#define NEAR_ITERATIONS 15
#define FAR_MU 1e4

// Solve the programme by the interior-point method.
static int qp_solve_inside(QP *q, const QPOptions *options) {
    QPOptions few = *options;
    if (few.max_iterations > NEAR_ITERATIONS) few.max_iterations = NEAR_ITERATIONS;
    const int status = qp_solve(q, &few, NEAR_MU);
    return status == QP_STALLED || status == QP_INFEASIBLE ? qp_solve(q, options, FAR_MU) : status;
}

// Solve the programme: from a solved neighbour's active set if there is one, else or if that fails from scratch; where the Hessian
// is not positive definite, again with more and more of the identity (Levenberg-Marquardt).
static int qp_solve_safely(QP *q, const QPOptions *options) {
    q->regularization = 0;
    int status = q->warm ? qp_solve_active_set(q, options) : QP_STALLED;
    if (status == QP_SOLVED || status == QP_DEADLINE) return status;
    double largest = 1;
    for (int k = 0; k < N; k++)
        for (int j = 0; j < NZ; j++) largest = larger(largest, q->stage[k].hessian[j * LZ + j]);
    for (int attempt = 0; attempt < 6; attempt++) {
        status = qp_solve_inside(q, options);
        if (status != QP_INDEFINITE) break;
        q->regularization = larger(100 * q->regularization, 1e-8 * largest);
    }
    q->warm = status == QP_SOLVED;
    return status;
}
