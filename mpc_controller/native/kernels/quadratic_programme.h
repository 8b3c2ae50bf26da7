// The programme of one SQP iteration, solved by what suits it.
#pragma once
#include "active_set.h"

// Where μ starts, in units of the largest gradient. Small is soon done, but jams where multipliers become much larger than gradients
// are: after so many iterations it is started again from far.
#define NEAR_MU 1.0
#define NEAR_ITERATIONS 15
#define FAR_MU 1e4

// How often more of the identity is tried where a Hessian is not positive definite (Levenberg-Marquardt), how little of it first, in
// units of the largest entry, and how much more each time: the last is a hundred times that entry.
#define ATTEMPTS 6
#define FIRST_IDENTITY 1e-8
#define MORE_IDENTITY 100

static void add_identity(QP *q) {
    q->regularization = larger(MORE_IDENTITY * q->regularization, FIRST_IDENTITY * larger(1, largest_hessian(q)));
}

// One Riccati factorisation with the sides' weights, and with as much of the identity as it takes. 1 when nothing helps.
static int factor_safely(QP *q) {
    q->regularization = 0;
    for (int attempt = 0; attempt < ATTEMPTS; attempt++) {
        if (!qp_factor(q)) return 0;
        add_identity(q);
    }
    return 1;
}

// Gains K_k, row-major (NU, NX), of the time-varying LQR along the linearised point: its costs without any constraint. The
// factorisation stays in the stages. 1 when nothing makes the Hessians positive definite.
static int free_gains(QP *q, double (*gain)[NU * NX]) {
    memset(q->sides.weight, 0, sizeof q->sides.weight);
    if (factor_safely(q)) return 1;
    for (int k = 0; k < N; k++) riccati_gain(&q->stage[k], gain[k]);
    return 0;
}

// Solve the programme by the interior-point method.
static int qp_solve_inside(QP *q, const QPOptions *options) {
    QPOptions few = *options;
    if (few.max_iterations > NEAR_ITERATIONS) few.max_iterations = NEAR_ITERATIONS;
    const int status = qp_solve(q, &few, NEAR_MU);
    return status == QP_STALLED || status == QP_INFEASIBLE ? qp_solve(q, options, FAR_MU) : status;
}

// Solve the programme: from a solved neighbour's active set if there is one, else or if that fails from scratch; where the Hessian
// is not positive definite, again with more and more of the identity.
static int qp_solve_safely(QP *q, const QPOptions *options) {
    q->regularization = 0;
    int status = q->warm ? qp_solve_active_set(q, options) : QP_STALLED;
    if (status == QP_SOLVED || status == QP_DEADLINE) return status;
    for (int attempt = 0; attempt < ATTEMPTS; attempt++) {
        status = qp_solve_inside(q, options);
        if (status != QP_INDEFINITE) break;
        add_identity(q);
    }
    q->warm = status == QP_SOLVED;
    return status;
}
