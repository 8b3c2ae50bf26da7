// Primal-dual active-set method for the programme of interior_point.h: where the sides that hold with equality are those of the last
// programme, or nearly, one factorisation solves it exactly. Held sides enter by the method of multipliers with a stiff weight,
//
//     λ = λ₀ − ρ (gap + σ C z),
//
// whose error falls by the ratio of ρ to the programme's curvature with every right-hand side; soft ones that are violated enter by
// their price, λ = l1 + l2 e. The set is guessed, the programme solved, and the set corrected where a sign is wrong.
// Source: Hintermüller, Ito, Kunisch, "The primal-dual active set strategy as a semismooth Newton method", 2003; Bertsekas,
// "Constrained Optimization and Lagrange Multiplier Methods", 1982, ch. 2.
#pragma once
#include "interior_point.h"

// A guess with more wrong sides than this, or whose corrections do not become fewer, is left to the interior-point method: far from
// the solution these corrections go in circles.
#define WRONG_SIDES 20
#define CORRECTIONS 8
#define POLISHES 3     // right-hand sides for the multipliers of one set
#define STIFFNESS 1e6  // ρ relative to the largest entry of the Hessians

enum { FREE, HELD, VIOLATED };

// Which sides the last solve left at their bounds, or beyond.
static void guess_set(const Sides *a, char *state) {
    for (int i = 0; i < ALL_SIDES; i++) {
        state[i] = a->active[i] > 0 && a->lambda[i] > a->s[i] ? HELD : FREE;
        if (a->any_soft && state[i] == HELD && a->soft[i] > 0 && a->e[i] > a->nu[i]) state[i] = VIOLATED;
    }
    // Of the two sides of an equality, which both press, the one that presses more.
    for (int k = 0; k <= N; k++) {
        const int rows = k < N ? NG : NGT;
        for (int low = k * SIDES, high = low + rows; low < k * SIDES + rows; low++, high++)
            if (state[low] != FREE && state[high] != FREE) state[a->lambda[low] < a->lambda[high] ? low : high] = FREE;
    }
}

// Weights and shifts of the set, from the multipliers λ₀ in `lambda`.
static void weigh_set(Sides *a, const char *state, double stiffness) {
    for (int i = 0; i < ALL_SIDES; i++) {
        const double weight = state[i] == HELD ? stiffness : state[i] == VIOLATED ? a->l2[i] : 0;
        const double price = state[i] == HELD ? larger(a->lambda[i], 0) : state[i] == VIOLATED ? a->l1[i] : 0;
        a->weight[i] = weight;
        a->shift[i] = weight > 0 ? price - weight * a->gap[i] : price;
    }
}

// New multipliers from the steps of the sides, and the set that signs and gaps ask for. How many sides were wrong; `missed`: how far
// the held ones are from their bounds.
static int correct_set(Sides *a, char *state, double tolerance, double dual_tolerance, double *missed) {
    int wrong = 0;
    *missed = 0;
    for (int i = 0; i < ALL_SIDES; i++) {
        const double gap = a->gap[i] + a->step[i];
        const double lambda = a->shift[i] - a->weight[i] * a->step[i];
        const int is_soft = a->any_soft && a->soft[i] > 0;
        char next = state[i];
        if (state[i] == FREE)
            next = a->active[i] > 0 && gap < -tolerance ? HELD : FREE;
        else if (state[i] == VIOLATED)
            next = gap > tolerance ? HELD : VIOLATED;
        else if (lambda < -dual_tolerance)
            next = FREE;
        else if (is_soft && lambda > a->l1[i] + dual_tolerance)
            next = VIOLATED;
        if (state[i] == HELD) *missed = larger(*missed, fabs(gap));
        a->lambda[i] = next == FREE ? 0 : lambda;
        wrong += next != state[i];
        state[i] = next;
    }
    return wrong;
}

// The solved programme: z, multipliers, slacks and violations.
static void take_solution(QP *q) {
    Sides *a = &q->sides;
    sides_stay(a);
    qp_move(q, 1);
    for (int i = 0; i < ALL_SIDES; i++) {
        const int is_active = a->active[i] > 0, is_soft = is_active && a->soft[i] > 0;
        const double gap = a->gap[i] + a->moved[i];
        a->lambda[i] = larger(a->lambda[i], 0);
        a->s[i] = is_active ? larger(gap, 0) : 1;
        a->e[i] = is_soft ? larger(-gap, 0) : 1;
        a->nu[i] = is_soft ? larger(a->l1[i] + a->l2[i] * a->e[i] - a->lambda[i], 0) : 0;
    }
}

// Solve the programme of q from the set that its last solve left. QP_SOLVED; QP_STALLED where that does not lead there soon.
static int qp_solve_active_set(QP *q, const QPOptions *options) {
    Sides *a = &q->sides;
    char state[ALL_SIDES + 1];
    const double stiffness = STIFFNESS * larger(1, largest_hessian(q));
    double gradient = 1, missed;
    for (int k = 0; k < N; k++) gradient = larger(gradient, max_abs(q->stage[k].gradient, NZ));
    qp_start(q);
    guess_set(a, state);
    int allowed = WRONG_SIDES;
    for (int correction = 0; correction < CORRECTIONS; correction++) {
        if (now_ns() >= options->deadline_ns) return QP_DEADLINE;
        weigh_set(a, state, stiffness);
        if (qp_factor(q)) return QP_INDEFINITE;
        int wrong = 0;
        for (int polish = 0; polish < POLISHES && wrong == 0; polish++) {
            qp_solve_linear(q);
            wrong = correct_set(a, state, options->tolerance, 1e-9 * gradient, &missed);
            if (!(missed < 1e30)) return QP_NOT_FINITE;
            if (wrong == 0 && missed <= options->tolerance) {
                take_solution(q);
                return QP_SOLVED;
            }
            if (wrong == 0) weigh_set(a, state, stiffness);
        }
        if (wrong == 0 || wrong > allowed) return QP_STALLED;
        allowed = wrong > 1 ? wrong - 1 : 1;
    }
    return QP_STALLED;
}
