// The convex problem of one iteration,
//
//     min Σ ½ zᵀ(H + ρI)z + hᵀz + Σ ψ(d + σ C z),   δx_{k+1} = [B A] z + f̄,   δx₀ = 0,   lower ≤ δu ≤ upper,   z = (δu, δx),
//
// with ψ the terms of the augmented sides (augmented_lagrangian.h), by control-limited sweeps. A sweep about the point z̄ takes the
// sides' second derivatives there and goes back over the stages with the expansion of the cost to go: a quadratic programme in the
// box of δu gives a stage's step and the controls that it clamps, the others have the feedback K = −Q_ff⁻¹Q_fx. Forward it takes the
// minimiser of every stage's expansion in the box at the δx that is reached. That is the solution where the sweep began with the
// sides that press in the end and found the controls that are at their limits; elsewhere the next one starts from the best point
// along the step. With second derivatives, H gets those of the dynamics times the gradient of the cost to go on the first way back.
// Source: Tassa, Mansard, Todorov, "Control-limited differential dynamic programming", 2014; Mastalli et al., "Crocoddyl", 2020 (gaps);
// Frison, Jørgensen, "Efficient implementation of the Riccati recursion", 2013 (factorisation).
#pragma once
#include "augmented_lagrangian.h"
#include "box_qp.h"
#include "curvature.h"
#include "regularization.h"

typedef struct {
    ControlBox room;                                                // limits of δu
    double z[N][LZ] ALIGNED, z_terminal[LX] ALIGNED;                // the point z̄
    double dz[N][LZ] ALIGNED, dz_terminal[LX] ALIGNED;              // the last sweep's step from it
    double smooth[N][LZ] ALIGNED, smooth_terminal[LX] ALIGNED;      // h + (H + ρI)z̄
    double gradient[N][LZ] ALIGNED, gradient_terminal[LX] ALIGNED;  // the same with the sides
    double gap[N][LX] ALIGNED;                                      // of the linear dynamics at z̄
    double side_gap[ALL_SIDES + 1], side_step[ALL_SIDES + 1];       // d + σ C z̄, σ C dz
    double pressing[ALL_SIDES + 1], weight[ALL_SIDES + 1];          // −dψ/dd and d²ψ/dd² there
    double reduced[N][NU];                                          // derivative of the objective by δu through the dynamics at z̄
    char held[N][NU];                                               // controls that press against a limit at z̄
    int keeps_held;                                                 // the sweep clamps these, and no others
    double quadratic[N][NU * LZ] ALIGNED, linear[N][NU];            // first NU columns of Q_zz, and Q_u
    Regularization regularization;                                  // ρ
    int without_curvature;                                          // stages below this one lack their second derivatives
} LimitedLQ;

// A control that is outside of its limits by more than rounding.
static int is_outside(const ControlBox *room, const double *u) {
    int outside = 0;
    for (int j = 0; j < CONTROLS; j++) {
        const double rounding = 1e-14 * (1 + fabs(u[j]));
        outside |= room->lower[j] > rounding || room->upper[j] < -rounding;
    }
    return outside;
}

// Box of a stage's step from z̄.
static void box_about(const LimitedLQ *q, int k, double *lower, double *upper) {
    const double *least = q->room.lower + k * NU, *most = q->room.upper + k * NU;
    for (int j = 0; j < NU; j++) lower[j] = least[j] - q->z[k][j], upper[j] = most[j] - q->z[k][j];
}

// Cost-to-go of the terminal stage.
static void backward_terminal(const LimitedLQ *q, Terminal *t) {
    copy(t->cost_to_go, t->hessian, NX * LX);
    for (int j = 0; j < NX; j++) add_at(t->cost_to_go + j * LX, j, q->regularization.value);
    add_terminal_weights(t, q->weight + N * SIDES, t->cost_to_go);
}

// One stage on the way back: from the next stage's P and v = p + P gap to this one's P and p. 1 when the block of the free controls is
// not positive definite.
static int backward_stage(LimitedLQ *q, Stage *s, int k, const double *P, const double *v) {
    double W[NZ * LZ] ALIGNED, T[NZ * LX] ALIGNED, Qz[LZ] ALIGNED, d[NU], lower[NU], upper[NU];
    char clamped[NU];
    copy(W, s->hessian, NZ * LZ);
    if (q->regularization.value > 0)
        for (int j = 0; j < NZ; j++) add_at(W + j * LZ, j, q->regularization.value);
    add_stage_weights(s, q->weight + k * SIDES, W);
    riccati_control_columns(s, P, T, W);
    copy(Qz, q->gradient[k], LZ);
    gemv(NZ, NX, s->transition, LZ, v, Qz);
    copy(q->quadratic[k], W, NU * LZ);
    memcpy(q->linear[k], Qz, sizeof q->linear[k]);
    box_about(q, k, lower, upper);
    if (q->keeps_held) memcpy(clamped, q->held[k], sizeof clamped);
    if (q->keeps_held ? box_newton_step(W, Qz, clamped, d) : box_qp(W, Qz, lower, upper, d, clamped)) return 1;
    gemv(NZ, NU, W, LZ, d, Qz);  // Q_x + Q_xu d in the entries of x
    for (int i = 0; i < LX / LANES; i++) store(s->cost_gradient + i * LANES, states_of(Qz, i));
    return riccati_eliminate(s, clamped, T, W);
}

// The way back. 1 where the block of the free controls is not positive definite.
static int sweep_back(LimitedLQ *q, Workspace *w, const Inputs *in) {
    Terminal *t = &w->qp.terminal;
    if (q->without_curvature > N) add_terminal_curvature(w, in), q->without_curvature = N;
    backward_terminal(q, t);
    const double *P = t->cost_to_go, *p = q->gradient_terminal;
    w->qp.sweeps++;
    for (int k = N - 1; k >= 0; k--) {
        Stage *s = &w->qp.stage[k];
        double v[LX] ALIGNED;
        copy(v, p, LX);
        gemv(NX, NX, P, LX, q->gap[k], v);
        if (k < q->without_curvature) add_curvature(w, in, k, v), q->without_curvature = k;
        if (backward_stage(q, s, k, P, v)) return 1;
        P = s->cost_to_go, p = s->cost_gradient;
    }
    return 0;
}

// Σ over the entries of x of a column over z.
static double dot_states(const double *over_z, const double *x) {
    vec sum = splat(0);
    for (int v = 0; v < LX / LANES; v++) sum += states_of(over_z, v) * load(x + v * LANES);
    return sum_of(sum);
}

// The way forward: the step dz, with a part of what it has at δx = 0.
static void sweep_forward(LimitedLQ *q, const QP *p, double part) {
    double x[LX] ALIGNED, next[LX] ALIGNED;
    clear(x, LX);
    for (int k = 0; k < N; k++) {
        const Stage *s = &p->stage[k];
        double *z = q->dz[k], linear[NU], lower[NU], upper[NU];
        char clamped[NU];
        for (int j = 0; j < NU; j++) linear[j] = part * q->linear[k][j] + dot_states(q->quadratic[k] + j * LZ, x);
        box_about(q, k, lower, upper);
        if (q->keeps_held) {
            box_newton_step(q->quadratic[k], linear, q->held[k], z);
            for (int j = 0; j < NU; j++) z[j] = between(z[j], lower[j], upper[j]);
        } else {
            box_qp(q->quadratic[k], linear, lower, upper, z, clamped);
        }
        memcpy(z + NU, x, NX * sizeof *x);
        stage_rows(s, z, q->side_step + k * SIDES);
        copy(next, q->gap[k], LX);
        gemv(NX, NX, s->forward_map + NU * LX, LX, x, next);
        gemv(NX, NU, s->forward_map, LX, z, next);
        copy(x, next, LX);
    }
    copy(q->dz_terminal, x, LX);
    terminal_rows(&p->terminal, q->dz_terminal, q->side_step + N * SIDES);
}

// What the sides press at z̄, how stiff they are, and the gradient with them.
static void press_sides(LimitedLQ *q, const QP *p, const Augmented *l) {
    for (int k = 0; k <= N; k++) {
        const int rows = k < N ? NG : NGT;
        for (int i = 0; i < 2 * rows; i++) {
            const int at = k * SIDES + i;
            const SideTerm term = side_term(&p->sides, l, k, i, q->side_gap[at]);
            q->pressing[at] = term.multiplier, q->weight[at] = term.weight;
        }
        if (k == N) continue;
        copy(q->gradient[k], q->smooth[k], LZ);
        add_stage_sides(&p->stage[k], q->pressing + k * SIDES, q->gradient[k]);
    }
    copy(q->gradient_terminal, q->smooth_terminal, LX);
    add_terminal_sides(&p->terminal, q->pressing + N * SIDES, q->gradient_terminal);
}

// z̄ = 0
static void start_at_zero(LimitedLQ *q, const QP *p, const Augmented *l) {
    memset(q->z, 0, sizeof q->z);
    memset(q->z_terminal, 0, sizeof q->z_terminal);
    for (int k = 0; k < N; k++) {
        copy(q->smooth[k], p->stage[k].gradient, LZ);
        copy(q->gap[k], p->stage[k].defect, LX);
    }
    copy(q->smooth_terminal, p->terminal.gradient, LX);
    memcpy(q->side_gap, p->sides.gap, sizeof q->side_gap);
    press_sides(q, p, l);
}

// Derivative by α of what the sides add at z̄ + α dz.
static double side_slope(const LimitedLQ *q, const QP *p, const Augmented *l, double alpha) {
    double slope = 0;
    for (int k = 0; k <= N; k++)
        for (int i = 0; i < (k < N ? SIDES : SIDES_N); i++) {
            const int at = k * SIDES + i;
            slope -= side_term(&p->sides, l, k, i, q->side_gap[at] + alpha * q->side_step[at]).multiplier * q->side_step[at];
        }
    return slope;
}

// Where the objective along dz, without the sides slope·α + ½ curvature·α², is least: α ≤ 1, by bisection of its derivative.
static double best_along(const LimitedLQ *q, const QP *p, const Augmented *l, double slope, double curvature) {
    if (slope + curvature + side_slope(q, p, l, 1) <= 0) return 1;
    double low = 0, high = 1;
    while (high - low > 1e-2 * high) {
        const double middle = 0.5 * (low + high);
        if (slope + middle * curvature + side_slope(q, p, l, middle) > 0) high = middle;
        else low = middle;
        if (high < 1e-6) return 0;
    }
    return low;
}

// sum += a ⊙ b, over whole vectors.
INLINE void add_products(int n, const double *a, const double *b, vec *sum) {
    for (int v = 0; v < n; v += LANES) *sum += load(a + v) * load(b + v);
}

// a += α b, over whole vectors.
INLINE void add_scaled(int n, double *a, double alpha, const double *b) {
    for (int v = 0; v < n; v += LANES) store(a + v, load(a + v) + load(b + v) * alpha);
}

// z̄ += α dz to the objective's minimum along it; the whole step in the `first` sweep, as the next one finds the right controls at
// their limits sooner from there, and gaps are closed. Gives α.
static double move_along(LimitedLQ *q, const QP *p, const Augmented *l, int first) {
    double Hdz[N][LZ] ALIGNED, Hdz_terminal[LX] ALIGNED;
    const double rho = q->regularization.value;
    vec slope = splat(0), curvature = splat(0);
    for (int k = 0; k < N; k++) {
        for (int v = 0; v < LZ; v += LANES) store(Hdz[k] + v, load(q->dz[k] + v) * rho);
        gemv(NZ, NZ, p->stage[k].hessian, LZ, q->dz[k], Hdz[k]);
        add_products(LZ, q->dz[k], Hdz[k], &curvature);
        add_products(LZ, q->dz[k], q->smooth[k], &slope);
    }
    for (int v = 0; v < LX; v += LANES) store(Hdz_terminal + v, load(q->dz_terminal + v) * rho);
    gemv(NX, NX, p->terminal.hessian, LX, q->dz_terminal, Hdz_terminal);
    add_products(LX, q->dz_terminal, Hdz_terminal, &curvature);
    add_products(LX, q->dz_terminal, q->smooth_terminal, &slope);
    const double alpha = first ? 1 : best_along(q, p, l, sum_of(slope), sum_of(curvature));
    for (int k = 0; k < N; k++) {
        add_scaled(LZ, q->z[k], alpha, q->dz[k]);
        add_scaled(LZ, q->smooth[k], alpha, Hdz[k]);
        for (int v = 0; v < LX; v += LANES) store(q->gap[k] + v, load(q->gap[k] + v) * (1 - alpha));
    }
    add_scaled(LX, q->z_terminal, alpha, q->dz_terminal);
    add_scaled(LX, q->smooth_terminal, alpha, Hdz_terminal);
    for (int i = 0; i < ALL_SIDES; i++) q->side_gap[i] += alpha * q->side_step[i];
    press_sides(q, p, l);
    return alpha;
}

// Derivatives by δu through the dynamics at z̄, and which of them a limit holds; the largest of the others.
static double reduced_gradient(LimitedLQ *q, const Stage *stage) {
    double pi[LX] ALIGNED, left = 0;
    copy(pi, q->gradient_terminal, LX);
    for (int k = N - 1; k >= 0; k--) {
        double h[LZ] ALIGNED;
        const double *least = q->room.lower + k * NU, *most = q->room.upper + k * NU;
        copy(h, q->gradient[k], LZ);
        gemv(NZ, NX, stage[k].transition, LZ, pi, h);
        for (int j = 0; j < NU; j++) {
            q->reduced[k][j] = h[j];
            const double limit = h[j] > 0 ? least[j] : most[j];
            q->held[k][j] = fabs(q->z[k][j] - limit) <= near(least[j], most[j]);
            if (!q->held[k][j]) left = larger(left, fabs(h[j]));
        }
        for (int v = 0; v < LX / LANES; v++) store(pi + v * LANES, states_of(h, v));
    }
    return left;
}

// A sweep's forward part with held controls is tried with this much of the step before it is given up.
#define LEAST_PART 1e-3

// Sweeps from z̄ = 0 until what the limits leave of the reduced gradient is at most `enough`, at most `most` of them. A sweep that
// gains nothing is followed by one that clamps what presses against a limit at z̄, and bends the Newton step of the other controls at
// theirs (Bertsekas, 1982), which gains for a small part of the step. 1 where the problem is not convex.
static int solve_limited_lq(LimitedLQ *q, Workspace *w, const Augmented *l, const Inputs *in, int most, double enough) {
    start_at_zero(q, &w->qp, l);
    q->keeps_held = 0;
    for (int sweep = 0; sweep < most && now_ns() < in->deadline_ns; sweep++) {
        if (sweep_back(q, w, in)) return 1;
        double alpha = 0;
        for (double part = 1; alpha == 0 && part > (q->keeps_held ? LEAST_PART : 0.5); part *= 0.25) {
            sweep_forward(q, &w->qp, part);
            alpha = move_along(q, &w->qp, l, sweep == 0);
        }
        const double left = reduced_gradient(q, w->qp.stage);
        if ((alpha == 0 && q->keeps_held) || left <= enough) return 0;
        q->keeps_held = alpha == 0;
    }
    return 0;
}
