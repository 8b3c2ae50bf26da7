// Multi-step output error: segments of a log, each simulated from a free initial state, and their normal equations.
// LANES segments at once, one a lane; how segments hang together is the caller's business (identification/condensing.py).
//
//     δx_k = S_k (δs, δθ),  S_0 = (1, 0),  S_{k+1} = A_k S_k + (0, P_k),   e_k = w_k (y_k ⊟ h(x_k, θ)),   J_k = ∂e_k/∂(δs, δθ)
//     cost = Σ ρ(e),   g = Σ ψ Jᵀe,   H = Σ ψ JᵀJ
//
// with Huber's ρ and ψ = ρ'(e)/e. Source: Bock, "Recent advances in parameter identification techniques for O.D.E.", 1983.
//
// The header fit.h, generated, has the sizes and where the structural nonzeros of the derivatives are.
#pragma once
#include "fit.h"
#include "linalg.h"

#define FREE (NDX + NT)  // unknowns of a segment: initial state and θ

int oe_step_lanes(const vec **arg, vec **res, long long *iw, vec *w, int mem);
int oe_value_lanes(const vec **arg, vec **res, long long *iw, vec *w, int mem);
int oe_output_lanes(const vec **arg, vec **res, long long *iw, vec *w, int mem);
int oe_residual_lanes(const vec **arg, vec **res, long long *iw, vec *w, int mem);

// One batch of LANES segments, or of rollouts: control, dt and dt_slope = ∂dt/∂delay are [step][entry][lane], measured and weight
// [sample][entry][lane], start [NX][lane]. Every stride-th step begins at a sample.
typedef struct {
    long long steps, stride;
    const vec *start, *measured, *weight, *control, *dt, *dt_slope;
    const double *theta, *held;
    double threshold;  // of Huber's loss, in standard deviations
} Batch;

typedef struct {
    vec cost, gradient[FREE], hessian[FREE * FREE];  // of H the upper triangle
    vec squares[NRES], counts[NRES];                 // Σψe² and how many, by row
    vec end[NX], S[NDX][FREE];                       // after the last step
} Normal;

typedef struct {
    vec x[NX], next[NX], theta[NT + 1], held[NH + 1], residual[NRES];
    vec transition[STEP_A + 1], forcing[STEP_P + 1], by_state[OUT_C + 1], by_theta[OUT_D + 1];
    vec S[NDX][FREE], S_next[NDX][FREE], row[FREE], work[WORK_SIZE];
    const vec *arg[ARG_SIZE];
    vec *res[RES_SIZE];
} Scratch;

INLINE void begin(Scratch *s, const Batch *b) {
    for (int i = 0; i < NT; i++) s->theta[i] = splat(b->theta[i]);
    for (int i = 0; i < NH; i++) s->held[i] = splat(b->held[i]);
    memcpy(s->x, b->start, sizeof s->x);
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
        for (int c = 0; c < FREE; c++) to[c] += a * from[c];
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
INLINE void weigh(Scratch *s, const Batch *b, long long sample, Normal *n, int derivatives) {
    const long long step = sample * b->stride;
    s->arg[0] = s->x, s->arg[1] = b->measured + sample * NY, s->arg[2] = b->control + (step > 0 ? step - 1 : 0) * NU;
    s->arg[3] = s->theta, s->arg[4] = s->held;
    s->res[0] = s->residual, s->res[1] = s->by_state, s->res[2] = s->by_theta;
    if (derivatives) oe_output_lanes(s->arg, s->res, 0, s->work, 0);
    else oe_residual_lanes(s->arg, s->res, 0, s->work, 0);
    int c_entry = 0, d_entry = 0;  // entries are sorted by row
    for (int r = 0; r < NRES; r++) {
        const vec w = b->weight[sample * NRES + r];
        const mask counts = w > splat(0);  // what was not measured is not a number
        const vec e = choose(counts, w * s->residual[r], splat(0));
        vec psi;
        n->cost += huber(e, b->threshold, &psi);
        n->squares[r] += psi * e * e;
        n->counts[r] += choose(counts, splat(1), splat(0));
        if (!derivatives) continue;
        memset(s->row, 0, sizeof s->row);
        for (; c_entry < OUT_C && OUT_C_ROW[c_entry] == r; c_entry++) {
            const vec *from = s->S[OUT_C_COLUMN[c_entry]], a = w * s->by_state[OUT_C_PLACE[c_entry]];
            for (int c = 0; c < FREE; c++) s->row[c] += a * from[c];
        }
        for (; d_entry < OUT_D && OUT_D_ROW[d_entry] == r; d_entry++)
            s->row[NDX + OUT_D_COLUMN[d_entry]] += w * s->by_theta[OUT_D_PLACE[d_entry]];
        for (int i = 0; i < FREE; i++) {
            const vec a = choose(counts, psi * s->row[i], splat(0));
            n->gradient[i] += a * e;
            for (int j = i; j < FREE; j++) n->hessian[i * FREE + j] += a * choose(counts, s->row[j], splat(0));
        }
    }
}

INLINE void segment(Scratch *s, const Batch *b, Normal *n, int derivatives) {
    begin(s, b);
    memset(n, 0, sizeof *n);
    memset(s->S, 0, sizeof s->S);
    for (int i = 0; i < NDX; i++) s->S[i][i] = splat(1);
    for (long long k = 0; k < b->steps; k++) {
        if (k % b->stride == 0) weigh(s, b, k / b->stride, n, derivatives);
        step(s, b, k, derivatives);
        if (derivatives) carry(s);
        memcpy(s->x, s->next, sizeof s->x);
    }
    memcpy(n->end, s->x, sizeof s->x);
    memcpy(n->S, s->S, sizeof s->S);
}

static Scratch *aligned_scratch(double *memory) { return (Scratch *)(((unsigned long long)memory + 63) / 64 * 64); }

long long oe_scratch_size(void) { return (long long)sizeof(Scratch) + 64; }
long long oe_lanes(void) { return LANES; }

// Cost, normal equations, and where the segments end; only cost and ends without `derivatives`.
void oe_segment(const Batch *b, Normal *n, double *memory, int derivatives) {
    Scratch *s = aligned_scratch(memory);
    if (derivatives) segment(s, b, n, 1);
    else segment(s, b, n, 0);
}

// States at the samples from start on: [sample][NX][lane]. Where `follows`, measured states that a sample has are taken from it,
// and only the others are predicted: what an estimator that believes its sensors knows at each time.
void oe_rollout(const Batch *b, double *states, double *memory, int follows) {
    static const int place[] = MEASURED_STATE;
    Scratch *s = aligned_scratch(memory);
    vec *out = (vec *)states;
    begin(s, b);
    for (long long k = 0; k < b->steps; k++) {
        const long long sample = k / b->stride;
        if (k % b->stride == 0) {
            for (int i = 0; follows && i < NY; i++) {
                const vec y = b->measured[sample * NY + i];
                s->x[place[i]] = choose(y == y, y, s->x[place[i]]);
            }
            memcpy(out + sample * NX, s->x, sizeof s->x);
        }
        step(s, b, k, 0);
        memcpy(s->x, s->next, sizeof s->x);
    }
}
