// Multi-step output error: windows of a log, each simulated from a free initial state, and their normal equations.
// LANES windows at once, one a lane. A window has INTERVALS_MAX or fewer shooting intervals; between two of them the state is a
// node of its own, and the gap there is closed to first order:
//
//     δx_k = X_k δs + P_k δθ + c_k,   X_0 = 1, P_0 = 0, c_0 = 0,   e_k = w_k (y_k ⊟ h(x_k, θ)),   J_k = ∂e_k/∂(δs, δθ)
//     cost = Σ ρ(e),   H = Σ ψ JᵀJ,   g = Σ ψ Jᵀ(e + ∂e/∂x c)
//
// with Huber's ρ and ψ = ρ'(e)/e. Source: Bock, "Recent advances in parameter identification techniques for O.D.E.", 1983;
// Albersmeyer, Diehl, "The lifted Newton method", 2010.
//
// The header fit.h, generated, has the sizes and where the structural nonzeros of the derivatives are.
#pragma once
#include "fit.h"
#include "linalg.h"

#define FREE (NDX + NT)      // unknowns of a window: initial state and θ
#define COLUMNS (FREE + 1)   // and the gap's column c

int oe_step_lanes(const vec **arg, vec **res, long long *iw, vec *w, int mem);
int oe_value_lanes(const vec **arg, vec **res, long long *iw, vec *w, int mem);
int oe_output_lanes(const vec **arg, vec **res, long long *iw, vec *w, int mem);
int oe_residual_lanes(const vec **arg, vec **res, long long *iw, vec *w, int mem);
int oe_gap_lanes(const vec **arg, vec **res, long long *iw, vec *w, int mem);
int oe_retract_lanes(const vec **arg, vec **res, long long *iw, vec *w, int mem);

// One batch of LANES windows, or of rollouts: control, dt and dt_slope = ∂dt/∂delay are [point][entry][lane], measured and weight
// [sample][entry][lane], nodes [interval][NX][lane]. Every stride-th point is a sample.
typedef struct {
    long long steps, interval, stride; // points of a window; steps of a shooting interval; points from sample to sample
    const vec *nodes, *measured, *weight, *control, *dt, *dt_slope;
    const double *theta, *held;
    double threshold;                  // of Huber's loss, in standard deviations
} Batch;

typedef struct {
    vec cost, shifted, gap;            // Σρ(e), ½Σψ(e + ∂e/∂x c)², Σ‖gap/scale‖₁
    vec gradient[FREE], hessian[FREE * FREE];
    vec squares[NRES + 1], counts[NRES + 1];  // Σψe² and how many, by row
} Normal;

typedef struct {
    vec x[NX], next[NX], theta[NT + 1], held[NH + 1], residual[NRES + 1], gap[NDX];
    vec transition[STEP_A + 1], forcing[STEP_P + 1], by_state[OUT_C + 1], by_theta[OUT_D + 1];
    vec S[NDX][COLUMNS], S_next[NDX][COLUMNS], row[COLUMNS], work[WORK_SIZE];
    const vec *arg[ARG_SIZE];
    vec *res[RES_SIZE];
} Scratch;

static const double scale_of_gap[] = GAP_SCALE;

INLINE void begin(Scratch *s, const Batch *b) {
    for (int i = 0; i < NT; i++) s->theta[i] = splat(b->theta[i]);
    for (int i = 0; i < NH; i++) s->held[i] = splat(b->held[i]);
    memcpy(s->x, b->nodes, sizeof s->x);
}

// x⁺ to s->next; with its derivatives where asked.
INLINE void step(Scratch *s, const Batch *b, long long k, int derivatives) {
    s->arg[0] = s->x, s->arg[1] = b->control + k * NU, s->arg[2] = s->theta, s->arg[3] = s->held;
    s->arg[4] = b->dt + k, s->arg[5] = b->dt_slope + k;
    s->res[0] = s->next, s->res[1] = s->transition, s->res[2] = s->forcing;
    if (derivatives) oe_step_lanes(s->arg, s->res, 0, s->work, 0);
    else oe_value_lanes(s->arg, s->res, 0, s->work, 0);
}

// S ← [A S | + P].
INLINE void carry(Scratch *s) {
    memset(s->S_next, 0, sizeof s->S_next);
    for (int e = 0; e < STEP_A; e++) {
        vec *to = s->S_next[STEP_A_ROW[e]];
        const vec *from = s->S[STEP_A_COLUMN[e]], a = s->transition[e];
        for (int c = 0; c < COLUMNS; c++) to[c] += a * from[c];
    }
    for (int e = 0; e < STEP_P; e++) s->S_next[STEP_P_ROW[e]][NDX + STEP_P_COLUMN[e]] += s->forcing[e];
    memcpy(s->S, s->S_next, sizeof s->S);
}

// Huber's ρ(e) and ψ(e) for a weighted residual.
INLINE vec huber(vec e, double threshold, vec *psi) {
    const vec size = choose(e < splat(0), -e, e), limit = splat(threshold);
    const mask inside = size <= limit;
    *psi = choose(inside, splat(1), limit / size);
    return choose(inside, 0.5 * e * e, limit * (size - 0.5 * limit));
}

// One sample's residuals into the normal equations.
INLINE void weigh(Scratch *s, const Batch *b, long long k, Normal *n, int derivatives) {
    const long long point = k * b->stride;
    s->arg[0] = s->x, s->arg[1] = b->measured + k * NY, s->arg[2] = b->control + (point > 0 ? point - 1 : 0) * NU;
    s->arg[3] = s->theta, s->arg[4] = s->held;
    s->res[0] = s->residual, s->res[1] = s->by_state, s->res[2] = s->by_theta;
    if (derivatives) oe_output_lanes(s->arg, s->res, 0, s->work, 0);
    else oe_residual_lanes(s->arg, s->res, 0, s->work, 0);
    int c_entry = 0, d_entry = 0;  // entries are sorted by row
    for (int r = 0; r < NRES; r++) {
        const vec w = b->weight[k * NRES + r];
        const vec e = choose(w > splat(0), w * s->residual[r], splat(0));
        vec psi;
        n->cost += huber(e, b->threshold, &psi);
        n->squares[r] += psi * e * e;
        n->counts[r] += choose(w > splat(0), splat(1), splat(0));
        if (!derivatives) continue;
        memset(s->row, 0, sizeof s->row);
        for (; c_entry < OUT_C && OUT_C_ROW[c_entry] == r; c_entry++) {
            const vec *from = s->S[OUT_C_COLUMN[c_entry]], a = s->by_state[OUT_C_PLACE[c_entry]];
            for (int c = 0; c < COLUMNS; c++) s->row[c] += a * from[c];
        }
        for (; d_entry < OUT_D && OUT_D_ROW[d_entry] == r; d_entry++)
            s->row[NDX + OUT_D_COLUMN[d_entry]] += s->by_theta[OUT_D_PLACE[d_entry]];
        const vec full = choose(w > splat(0), psi * w, splat(0)), shifted = e + choose(w > splat(0), w * s->row[FREE], splat(0));
        n->shifted += 0.5 * psi * shifted * shifted;
        for (int i = 0; i < FREE; i++) {
            const vec a = full * s->row[i];
            n->gradient[i] += a * shifted;
            const vec aw = choose(w > splat(0), a * w, splat(0));
            for (int j = i; j < FREE; j++) n->hessian[i * FREE + j] += aw * s->row[j];
        }
    }
}

// At the end of a shooting interval: go on from the node, and remember how it moves with the unknowns.
INLINE void reach_node(Scratch *s, const vec *node, Normal *n, vec *sensitivity, int derivatives) {
    s->arg[0] = s->next, s->arg[1] = node, s->res[0] = s->gap;
    oe_gap_lanes(s->arg, s->res, 0, s->work, 0);
    for (int i = 0; i < NDX; i++) {
        n->gap += choose(s->gap[i] < splat(0), -s->gap[i], s->gap[i]) * (1 / scale_of_gap[i]);
        if (derivatives) s->S[i][FREE] += s->gap[i];
    }
    if (derivatives) memcpy(sensitivity, s->S, sizeof s->S);
    memcpy(s->next, node, sizeof s->next);
}

INLINE void window(Scratch *s, const Batch *b, Normal *n, vec *sensitivity, int derivatives) {
    begin(s, b);
    memset(n, 0, sizeof *n);
    memset(s->S, 0, sizeof s->S);
    for (int i = 0; i < NDX; i++) s->S[i][i] = splat(1);
    for (long long k = 0; k < b->steps; k++) {
        if (k % b->stride == 0) weigh(s, b, k / b->stride, n, derivatives);
        if (k + 1 == b->steps) break;
        step(s, b, k, derivatives);
        if (derivatives) carry(s);
        if ((k + 1) % b->interval == 0) {
            const long long j = (k + 1) / b->interval;
            reach_node(s, b->nodes + j * NX, n, sensitivity + (j - 1) * NDX * COLUMNS, derivatives);
        }
        memcpy(s->x, s->next, sizeof s->x);
    }
}

static Scratch *aligned_scratch(double *memory) { return (Scratch *)(((unsigned long long)memory + 63) / 64 * 64); }

long long oe_scratch_size(void) { return (long long)sizeof(Scratch) + 64; }
long long oe_lanes(void) { return LANES; }

// Cost, gaps, normal equations and, for the nodes after the first, S; only cost and gaps without `derivatives`.
void oe_window(const Batch *b, Normal *n, double *sensitivity, double *memory, int derivatives) {
    Scratch *s = aligned_scratch(memory);
    if (derivatives) window(s, b, n, (vec *)sensitivity, 1);
    else window(s, b, n, (vec *)sensitivity, 0);
}

// States at all points from nodes[0] on: [point][NX][lane]. Where `follows`, measured states that a sample has are taken
// from it, and only the others are predicted: what an estimator that believes its sensors knows at each time.
void oe_rollout(const Batch *b, double *states, double *memory, int follows) {
    static const int place[] = MEASURED_STATE;
    Scratch *s = aligned_scratch(memory);
    vec *out = (vec *)states;
    begin(s, b);
    for (long long k = 0; k < b->steps; k++) {
        for (int i = 0; follows && k % b->stride == 0 && i < NY; i++) {
            const vec y = b->measured[k / b->stride * NY + i];
            s->x[place[i]] = choose(y == y, y, s->x[place[i]]);
        }
        memcpy(out + k * NX, s->x, sizeof s->x);
        if (k + 1 == b->steps) break;
        step(s, b, k, 0);
        memcpy(s->x, s->next, sizeof s->x);
    }
}

// Nodes ← nodes ⊞ α δ, for `count` nodes: [count][NX][lane] and [count][NDX][lane].
void oe_move(const double *nodes, const double *change, double *moved, long long count, double *memory) {
    Scratch *s = aligned_scratch(memory);
    for (long long j = 0; j < count; j++) {
        s->arg[0] = (const vec *)nodes + j * NX, s->arg[1] = (const vec *)change + j * NDX, s->res[0] = (vec *)moved + j * NX;
        oe_retract_lanes(s->arg, s->res, 0, s->work, 0);
    }
}
