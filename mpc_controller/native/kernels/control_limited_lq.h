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
    double lower[N][NU], upper[N][NU];
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

// Box of δu about the linearised iterate. 1 when the iterate is outside.
static int find_limits(LimitedLQ *q, const Workspace *w) {
    const Sides *a = &w->qp.sides;
    int outside = 0;
    for (int k = 0; k < N; k++) {
        for (int j = 0; j < NU; j++) q->lower[k][j] = -INFINITY, q->upper[k][j] = INFINITY;
        for (int i = 0; i < NB; i++) {
            if (!is_box(i)) continue;
            const int j = BOUND_ENTRY[i], at = k * SIDES + i;
            if (a->active[at]) q->lower[k][j] = larger(q->lower[k][j], -a->gap[at]);
            if (a->active[at + NG]) q->upper[k][j] = smaller(q->upper[k][j], a->gap[at + NG]);
        }
        for (int j = 0; j < NU; j++) {
            const double rounding = 1e-14 * (1 + fabs(w->u[k][j]));
            outside |= q->lower[k][j] > rounding || q->upper[k][j] < -rounding;
        }
    }
    return outside;
}

// W (lower), destroyed, and Q_z → factor (columns of clamped controls zero), P and p of the stage, for the step d of its controls.
// 1 when the block of the free controls is not positive definite.
static int factor_free(Stage *s, double *W, const double *Qz, const double *d, const char *clamped) {
    double p[LZ] ALIGNED;
    memcpy(p, Qz, sizeof p);
    gemv(NZ, NU, W, LZ, d, p);  // Q_x + Q_xu d in the entries of x
    for (int i = 0; i < NX; i++) s->cost_gradient[i] = p[NU + i];
    for (int j = 0; j < NU; j++) {
        double *column = W + j * LZ;
        if (clamped[j]) {
            memset(column, 0, LZ * sizeof *column);
            continue;
        }
        const double pivot = column[j];
        if (!(pivot > 0)) return 1;
        const double scale = 1 / sqrt(pivot);
        for (int i = 0; i < LZ; i++) column[i] *= scale;
        for (int c = j + 1; c < NZ; c++) {
            const double entry = column[c];
            for (int v = c / LANES; v < LZ / LANES; v++)
                store(W + c * LZ + v * LANES, load(W + c * LZ + v * LANES) - load(column + v * LANES) * entry);
        }
    }
    memcpy(s->factor, W, sizeof s->factor);
    for (int j = 0; j < NX; j++)
        for (int i = j; i < NX; i++) s->cost_to_go[j * LX + i] = s->cost_to_go[i * LX + j] = W[(NU + j) * LZ + NU + i];
    return 0;
}

// Box of a stage's step from z̄.
static void box_about(const LimitedLQ *q, int k, double *lower, double *upper) {
    for (int j = 0; j < NU; j++) lower[j] = q->lower[k][j] - q->z[k][j], upper[j] = q->upper[k][j] - q->z[k][j];
}

// W += Σ w c cᵀ over the stage's sides.
static void add_side_weights(const Stage *s, const double *w, double *W) {
    for (int i = 0; i < NB; i++) W[BOUND_ENTRY[i] * LZ + BOUND_ENTRY[i]] += w[i] + w[NG + i];
    for (int i = 0; i < NC; i++) {
        const double *c = s->general + i * LZ, weight = w[NB + i] + w[NG + NB + i];
        for (int j = 0; weight > 0 && j < NZ; j++)
            for (int v = j / LANES; v < LZ / LANES; v++) {
                double *entries = W + j * LZ + v * LANES;
                store(entries, load(entries) + load(c + v * LANES) * (weight * c[j]));
            }
    }
}

// Cost-to-go of the terminal stage.
static void backward_terminal(const LimitedLQ *q, Terminal *t) {
    const double *w = q->weight + N * SIDES;
    memcpy(t->cost_to_go, t->hessian, sizeof t->cost_to_go);
    for (int j = 0; j < NX; j++) t->cost_to_go[j * LX + j] += q->regularization.value;
    for (int i = 0; i < NBT; i++) t->cost_to_go[BOUND_ENTRY_N[i] * LX + BOUND_ENTRY_N[i]] += w[i] + w[NGT + i];
    for (int i = 0; i < NCT; i++) {
        const double *c = t->general + i * LX, weight = w[NBT + i] + w[NGT + NBT + i];
        for (int j = 0; j < NX; j++)
            for (int m = 0; m < NX; m++) t->cost_to_go[j * LX + m] += weight * c[j] * c[m];
    }
}

// One stage on the way back: from the next stage's P and v = p + P gap to this one's P and p.
static int backward_stage(LimitedLQ *q, Stage *s, int k, const double *P, const double *v) {
    double W[NZ * LZ] ALIGNED, T[NZ * LX] ALIGNED = {0};
    double Qz[LZ] ALIGNED, d[NU], lower[NU], upper[NU];
    char clamped[NU];
    memcpy(W, s->hessian, sizeof W);
    for (int j = 0; j < NZ; j++) W[j * LZ + j] += q->regularization.value;
    add_side_weights(s, q->weight + k * SIDES, W);
    gemm(NX, NX, NZ, P, LX, s->transition, LZ, 1, T, LX, 0);
    gemm(NZ, NX, NZ, s->transition, LZ, T, 1, LX, W, LZ, 1);
    memcpy(Qz, q->gradient[k], sizeof Qz);
    gemv(NZ, NX, s->transition, LZ, v, Qz);
    memcpy(q->quadratic[k], W, sizeof q->quadratic[k]);
    memcpy(q->linear[k], Qz, sizeof q->linear[k]);
    if (q->keeps_held) {
        memcpy(clamped, q->held[k], sizeof clamped);
        return box_newton_step(W, Qz, clamped, d) || factor_free(s, W, Qz, d, clamped);
    }
    box_about(q, k, lower, upper);
    return box_qp(W, Qz, lower, upper, d, clamped) || factor_free(s, W, Qz, d, clamped);
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
        memcpy(v, p, sizeof v);
        gemv(NX, NX, P, LX, q->gap[k], v);
        if (k < q->without_curvature) add_curvature(w, in, k, v), q->without_curvature = k;
        if (backward_stage(q, s, k, P, v)) return 1;
        P = s->cost_to_go, p = s->cost_gradient;
    }
    return 0;
}

// The way forward: the step dz, with a part of what it has at δx = 0.
static void sweep_forward(LimitedLQ *q, const QP *p, double part) {
    memset(q->dz[0], 0, sizeof q->dz[0]);
    for (int k = 0; k < N; k++) {
        const Stage *s = &p->stage[k];
        double *z = q->dz[k], *next = k + 1 < N ? q->dz[k + 1] + NU : q->dz_terminal;
        double linear[NU], lower[NU], upper[NU];
        char clamped[NU];
        for (int j = 0; j < NU; j++) z[j] = 0;
        for (int j = 0; j < NU; j++) linear[j] = part * q->linear[k][j] + column_dot(NZ, q->quadratic[k] + j * LZ, z);
        box_about(q, k, lower, upper);
        if (q->keeps_held) {
            box_newton_step(q->quadratic[k], linear, q->held[k], z);
            for (int j = 0; j < NU; j++) z[j] = between(z[j], lower[j], upper[j]);
        } else box_qp(q->quadratic[k], linear, lower, upper, z, clamped);
        for (int i = 0; i < NX; i++) next[i] = q->gap[k][i] + column_dot(NZ, s->transition + i * LZ, z);
        stage_rows(s, z, q->side_step + k * SIDES);
    }
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
        memcpy(q->gradient[k], q->smooth[k], sizeof q->gradient[k]);
        add_stage_sides(&p->stage[k], q->pressing + k * SIDES, q->gradient[k]);
    }
    memcpy(q->gradient_terminal, q->smooth_terminal, sizeof q->gradient_terminal);
    add_terminal_sides(&p->terminal, q->pressing + N * SIDES, q->gradient_terminal);
}

// z̄ = 0
static void start_at_zero(LimitedLQ *q, const QP *p, const Augmented *l) {
    memset(q->z, 0, sizeof q->z);
    memset(q->z_terminal, 0, sizeof q->z_terminal);
    for (int k = 0; k < N; k++) {
        memcpy(q->smooth[k], p->stage[k].gradient, sizeof q->smooth[k]);
        memcpy(q->gap[k], p->stage[k].defect, sizeof q->gap[k]);
    }
    memcpy(q->smooth_terminal, p->terminal.gradient, sizeof q->smooth_terminal);
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

// z̄ += α dz to the objective's minimum along it; the whole step in the `first` sweep, as the next one finds the right controls at
// their limits sooner from there, and gaps are closed. Gives α.
static double move_along(LimitedLQ *q, const QP *p, const Augmented *l, int first) {
    double Hdz[N][LZ] ALIGNED, Hdz_terminal[LX] ALIGNED, slope = 0, curvature = 0;
    for (int k = 0; k < N; k++) {
        for (int j = 0; j < LZ; j++) Hdz[k][j] = q->regularization.value * q->dz[k][j];
        gemv(NZ, NZ, p->stage[k].hessian, LZ, q->dz[k], Hdz[k]);
        for (int j = 0; j < NZ; j++) curvature += Hdz[k][j] * q->dz[k][j], slope += q->smooth[k][j] * q->dz[k][j];
    }
    for (int j = 0; j < LX; j++) Hdz_terminal[j] = q->regularization.value * q->dz_terminal[j];
    gemv(NX, NX, p->terminal.hessian, LX, q->dz_terminal, Hdz_terminal);
    for (int j = 0; j < NX; j++) {
        curvature += Hdz_terminal[j] * q->dz_terminal[j];
        slope += q->smooth_terminal[j] * q->dz_terminal[j];
    }
    const double alpha = first ? 1 : best_along(q, p, l, slope, curvature);
    for (int k = 0; k < N; k++) {
        for (int j = 0; j < NZ; j++) q->z[k][j] += alpha * q->dz[k][j], q->smooth[k][j] += alpha * Hdz[k][j];
        for (int i = 0; i < NX; i++) q->gap[k][i] *= 1 - alpha;
    }
    for (int i = 0; i < NX; i++) {
        q->z_terminal[i] += alpha * q->dz_terminal[i];
        q->smooth_terminal[i] += alpha * Hdz_terminal[i];
    }
    for (int i = 0; i < ALL_SIDES; i++) q->side_gap[i] += alpha * q->side_step[i];
    press_sides(q, p, l);
    return alpha;
}

// Derivatives by δu through the dynamics at z̄, and which of them a limit holds; the largest of the others.
static double reduced_gradient(LimitedLQ *q, const Stage *stage) {
    double pi[LX] ALIGNED, left = 0;
    memcpy(pi, q->gradient_terminal, sizeof pi);
    for (int k = N - 1; k >= 0; k--) {
        double h[LZ] ALIGNED;
        memcpy(h, q->gradient[k], sizeof h);
        gemv(NZ, NX, stage[k].transition, LZ, pi, h);
        for (int j = 0; j < NU; j++) {
            q->reduced[k][j] = h[j];
            const double limit = h[j] > 0 ? q->lower[k][j] : q->upper[k][j];
            q->held[k][j] = fabs(q->z[k][j] - limit) <= near(q->lower[k][j], q->upper[k][j]);
            if (!q->held[k][j]) left = larger(left, fabs(h[j]));
        }
        for (int i = 0; i < NX; i++) pi[i] = h[NU + i];
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
