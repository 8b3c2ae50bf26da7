// Direct multiple shooting: SQP in the tangent space of the states with Gauss-Newton or exact Hessians, to convergence, or one whole
// step a call (real-time iteration), of which all but the programme's solution can be done before x₀ is known.
// Source: Bock, Plitt, 1984; Diehl et al., "Real-time optimization and nonlinear model predictive control", 2002.
#pragma once
#include "globalization.h"

#define EMBEDS_X0 1

enum { TO_CONVERGENCE, BOTH_PHASES, FEEDBACK_PHASE };

typedef struct {
    double max_iterations, phase, tolerance, qp_max_iterations, qp_tolerance, qp_complementarity, qp_stationarity, qp_gradient;
} Options;

typedef struct {
    Workspace workspace;
    GaussNewton gauss_newton;
    Search search;
    int is_prepared;  // the programme is that of the guess
} Memory;

// A step of the real-time iteration is halved, and in the end refused, where it leaves the dynamics or a hard row unmet by more than
// this much of 1 + the largest state.
#define WILD 0.1
#define SHORTEST_STEP (1.0 / 16)

// What a programme leaves of what its step gains: the duality gap at which it is solved. Of 0, 1e-3 and 1e-2, the second needed a
// quarter less sweeps to convergence than the first, with as many iterations.
#define RELATIVE_GAP 1e-3
#define RELATIVE_GAP_OF_ONE_STEP 1e-2

// Contradicting rows that as many elastic steps have not brought nearer to each other, each by a tenth, are infeasible.
#define STRIKES 2
// The price of violations in an elastic programme, relative to the largest entry of a gradient; ten times more after a strike.
#define ELASTIC_PRICE 10

// The programme at the guess: all of a real-time iteration that needs no x₀.
static void prepare_phase(Memory *m, const Inputs *in) {
    Workspace *w = &m->workspace;
    add_chords(w, 1);
    linearize(w, in);
    if (CURVATURE) qp_adjoint(&w->qp, 0);
    add_chords(w, -1);
    m->is_prepared = 1;
}

static int is_wild(const Workspace *w, const Merit *trial) {
    return !(larger(trial->dynamics, trial->inequality) <= WILD * (1 + max_abs((const double *)w->trial_x, (N + 1) * NXA)));
}

// One step from the guess, whole unless that is wild: its programme with δx₀ = x₀ ⊟ x̄₀.
static int real_time_iteration(Memory *m, const Inputs *in, const QPOptions *options, Info *info) {
    Workspace *w = &m->workspace;
    w->arg[0] = in->x0, w->arg[1] = w->x[0], w->res[0] = w->qp.initial;
    ocp_minus(w->arg, w->res, 0, w->work, 0);
    newton_begin(&m->gauss_newton);
    m->gauss_newton.is_exact = 1;
    const int status = newton_step(w, in, &m->gauss_newton, 0, options, info);
    if (status != CONVERGED) return status;
    kkt(w, info);
    Merit trial = try_step(w, in, 1);
    for (double alpha = 0.5; is_wild(w, &trial) && alpha >= SHORTEST_STEP; alpha /= 2) trial = try_step(w, in, alpha);
    report(&trial, info);
    info->iterations = 1;
    if (!isfinite(merit_of(&trial, 1))) return NUMERICAL_FAILURE;
    if (is_wild(w, &trial)) return DIVERGED;
    take_trial(w);
    return ITERATION_LIMIT;
}

static double elastic_price(const QP *q, double penalty, int strikes) {
    double gradient = max_abs(q->terminal.gradient, NX);
    for (int k = 0; k < N; k++) gradient = larger(gradient, max_abs(q->stage[k].gradient, NZ));
    return larger(penalty, ELASTIC_PRICE * larger(1, gradient)) * (strikes > 0 ? 10 : 1);
}

// What the sides leave of the cost: Σ λ·gap where a side holds, of soft ones Σ |l1 + l2 e − λ| e where not, each as far as it is
// more than a programme is solved to.
static double duality_gap(const Sides *a, const Options *o) {
    double sum = 0;
    for (int i = 0; i < ALL_SIDES; i++) {
        if (!(a->active[i] > 0)) continue;
        const double inside = larger(a->gap[i] - o->qp_tolerance, 0), outside = larger(-a->gap[i], 0);
        const double least = o->qp_complementarity * (1 + a->lambda[i]);
        sum += larger(a->lambda[i] * inside - least, 0);
        if (a->soft[i] > 0) sum += larger(fabs(a->l1[i] + a->l2[i] * outside - a->lambda[i]) * outside - least, 0);
    }
    return sum;
}

// SQP from the iterate.
static int to_convergence(Memory *m, const Inputs *in, const Options *o, const QPOptions *options, Info *info) {
    Workspace *w = &m->workspace;
    double error = INFINITY, contradiction = INFINITY;
    int strikes = 0;
    memset(w->qp.initial, 0, sizeof w->qp.initial);
    newton_begin(&m->gauss_newton);
    search_begin(&m->search);
    Merit now = evaluate(w, in, (const double(*)[NXA])w->x, (const double(*)[NU])w->u);
    for (int iteration = 0;; iteration++) {
        info->iterations = iteration;
        report(&now, info);
        if (!isfinite(merit_of(&now, 1))) return NUMERICAL_FAILURE;
        if (now_ns() >= options->deadline_ns) return DEADLINE;
        linearize(w, in);
        if (iteration > 0) {
            kkt(w, info);
            // Side by side small products may still add up: the cost is to be right to a tenth of the tolerance.
            const double left = duality_gap(&w->qp.sides, o);
            const int is_tight = left <= 0.1 * o->tolerance * (1 + fabs(info->cost));
            if (is_tight && is_converged(&w->qp, info, o->tolerance)) return CONVERGED;
            if (iteration >= (int)o->max_iterations) return ITERATION_LIMIT;
            error = larger(info->stationarity / dual_scale(&w->qp), info->complementarity);
            error = larger(error, larger(now.dynamics, now.inequality));
        }
        int status = newton_step(w, in, &m->gauss_newton, error, options, info);
        if (status == INFEASIBLE) {
            strikes = now.missed < 0.9 * contradiction ? 0 : strikes + 1;
            if (strikes > STRIKES) {
                report(&now, info);  // the row that the elastic steps miss most
                return INFEASIBLE;
            }
            contradiction = now.missed;
            status = elastic_step(w, elastic_price(&w->qp, m->search.penalty, strikes), options, info);
        }
        if (status != CONVERGED && (status == DEADLINE || m->search.on_trial == 0)) return status;
        if (status != CONVERGED)
            now = go_back(&m->search, w);
        else if (move(&m->search, w, in, &now))
            return DIVERGED;
    }
}

static int one_step(Memory *m, const Inputs *in, const Options *o, const QPOptions *options, Info *info) {
    Workspace *w = &m->workspace;
    if (o->phase == BOTH_PHASES || !m->is_prepared) {
        // With x₀ known the programme is that of the point with x₀: on the reference problems' loops, which start from the last plan as
        // it was, this lowers the cost by up to 2 %.
        memcpy(w->x[0], in->x0, sizeof w->x[0]);
        prepare_phase(m, in);
    }
    m->is_prepared = 0;
    add_chords(w, 1);
    const int status = real_time_iteration(m, in, options, info);
    memcpy(w->x[0], in->x0, sizeof w->x[0]);
    add_chords(w, -1);
    return status;
}

// The method's part of `solve` (entry.h).
static int plan(Memory *m, const Inputs *in, const Options *o, Info *info) {
    Workspace *w = &m->workspace;
    QPOptions options = {o->qp_tolerance, o->qp_complementarity, o->qp_stationarity, o->qp_gradient,
                         (int)o->qp_max_iterations, in->deadline_ns, RELATIVE_GAP, 1e-4};
    w->qp.sweeps = 0;
    if (o->phase != TO_CONVERGENCE && now_ns() < in->deadline_ns) {
        options.relative_gap = RELATIVE_GAP_OF_ONE_STEP;
        return one_step(m, in, o, &options, info);
    }
    memcpy(w->x[0], in->x0, sizeof w->x[0]);
    if (o->phase != TO_CONVERGENCE) return DEADLINE;
    add_chords(w, 1);
    const int status = to_convergence(m, in, o, &options, info);
    add_chords(w, -1);
    return status;
}

static void feedback(const Memory *m, double *K, double *multipliers) {
    const QP *q = &m->workspace.qp;
    for (int k = 0; k < N; k++) riccati_gain(&q->stage[k], K + k * NU * NX);
    sides_multipliers(&q->sides, multipliers);
}
