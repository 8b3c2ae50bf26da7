// Dense networks in single precision, all points of a batch at once: values, and Jacobians by reverse mode.
//
//     a_i = W_i y_{i−1} + b_i (+ y_skip),   y_i = σ_i(a_i),   d_i = σ_i'(a_i)
//     Λ_L = 1,   P_i = Λ_i ⊙ d_i,   Λ_{i−1} = P_i W_i (+ P_j of the layers j that y_{i−1} skips to)
//
// Rows of Y are points; of Λ, outputs of points, so that a sweep is one product of tall matrices a layer. Weights lie in panels of
// PANEL columns, forwards (inputs × outputs) and backwards (outputs × inputs), as native/residual_code.py packs them. A point's
// numbers do not depend on what else is in its batch. The header residual_sizes.h, generated, has sizes and tables.
#pragma once
#include "residual_sizes.h"
#include "vector_math.h"

#define PANEL 32
#define TILE_VECTORS 2
#define TILE_COLUMNS (TILE_VECTORS * FLOATS)
#if FLOATS == 16
#define TILE_ROWS 12  // 24 sums, two vectors of weights and a factor in 32 registers
#else
#define TILE_ROWS 6   // 12 and 3 in 16
#endif
#define LAMBDA_ROWS (RESIDUAL_BATCH * RR)
#define WIDEST (NET_WIDEST)  // floats of the widest padded layer

typedef struct {
    float y[NET_WIDTHS * RESIDUAL_BATCH] ALIGNED;  // of layers 0 (the input) to L, each (points, padded width)
    float d[NET_WIDTHS * RESIDUAL_BATCH] ALIGNED;
    float lambda[NET_SWEEPS][LAMBDA_ROWS * WIDEST] ALIGNED;
    float along[LAMBDA_ROWS];  // of a row, what an activation needs summed over the layer
} NetworkMemory;

INLINE int padded_floats(int n) { return (n + 15) / 16 * 16; }
static inline float *layer_y(NetworkMemory *m, int layer) { return m->y + NET_FIRST[layer] * RESIDUAL_BATCH; }
static inline float *layer_d(NetworkMemory *m, int layer) { return m->d + NET_FIRST[layer] * RESIDUAL_BATCH; }

// c (rows, columns of one or more tiles side by side) = a b with a (rows, depth) row-major, b one panel or several.
// Called with constants and inlined: the sums stay in registers.
INLINE void tile(int rows, int tiles, int vectors, int depth, const float *a, int a_row, const float *b, int b_row, int b_tile, vecf c[][TILE_VECTORS]) {
#pragma GCC unroll 16
    for (int i = 0; i < rows * tiles; i++)
#pragma GCC unroll 2
        for (int v = 0; v < vectors; v++) c[i][v] = (vecf){0};
    for (int k = 0; k < depth; k++) {
#pragma GCC unroll 16
        for (int i = 0; i < rows; i++) {
            const float factor = a[i * a_row + k];
#pragma GCC unroll 8
            for (int t = 0; t < tiles; t++)
#pragma GCC unroll 2
                for (int v = 0; v < vectors; v++)
                    c[i * tiles + t][v] += loadf(b + t * b_tile + k * b_row + v * FLOATS) * factor;
        }
    }
}

// What happens to the sums: + bias on the way forwards; on the way back ⊙ the slopes of each row's point, + what is there.
typedef struct {
    const float *bias;
    const float *slopes;
    int slopes_row, adds;
} Finish;

INLINE void finish(int rows, int tiles, int vectors, int row, int column, const Finish *f, vecf c[][TILE_VECTORS], float *to, int to_row) {
    for (int i = 0; i < rows; i++)
        for (int t = 0; t < tiles; t++)
            for (int v = 0; v < vectors; v++) {
                const int at = column + t * TILE_COLUMNS + v * FLOATS;
                vecf sum = c[i * tiles + t][v];
                float *place = to + (row + i) * to_row + at;
                if (f->adds) sum += loadf(place);
                if (f->bias) sum += loadf(f->bias + at);
                if (f->slopes) sum *= loadf(f->slopes + (row + i) / RR * f->slopes_row + at);
                storef(place, sum);
            }
}

#define ROWS_CASE(n) \
    case n: { \
        vecf c[n][TILE_VECTORS]; \
        if (to_row - column < TILE_COLUMNS) { \
            tile(n, 1, 1, depth, a, a_row, b, b_row, 0, c); \
            finish(n, 1, 1, row, column, f, c, to, to_row); \
            break; \
        } \
        tile(n, 1, TILE_VECTORS, depth, a, a_row, b, b_row, 0, c); \
        finish(n, 1, TILE_VECTORS, row, column, f, c, to, to_row); \
        break; \
    }

// Fewer rows than a tile has.
static void last_rows(int rows, int depth, const float *a, int a_row, const float *b, int b_row, int row, int column, const Finish *f,
                      float *to, int to_row) {
    switch (rows) {
        ROWS_CASE(1)
        ROWS_CASE(2)
        ROWS_CASE(3)
        ROWS_CASE(4)
        ROWS_CASE(5)
#if TILE_ROWS > 6
        ROWS_CASE(6)
        ROWS_CASE(7)
        ROWS_CASE(8)
        ROWS_CASE(9)
        ROWS_CASE(10)
        ROWS_CASE(11)
#endif
    }
}

// One row: four tiles of it at a time, so that one sum need not wait for the other.
static void one_row(int depth, const float *a, const float *panels, const Finish *f, float *to, int to_row) {
    int column = 0;
    for (; TILE_COLUMNS == PANEL && column + 4 * PANEL <= to_row; column += 4 * PANEL) {
        vecf c[4][TILE_VECTORS];
        tile(1, 4, TILE_VECTORS, depth, a, 0, panels + column * depth, PANEL, PANEL * depth, c);
        finish(1, 4, TILE_VECTORS, 0, column, f, c, to, to_row);
    }
    for (; column < to_row; column += TILE_COLUMNS) {
        const int panel = column / PANEL * PANEL, b_row = to_row - panel < PANEL ? to_row - panel : PANEL;
        last_rows(1, depth, a, 0, panels + panel * depth + column - panel, b_row, 0, column, f, to, to_row);
    }
}

// to (rows, to_row) = a (rows, depth) × the panels (depth, to_row); to_row is whole vectors of 16.
static void product(int rows, int depth, const float *a, int a_row, const float *panels, const Finish *f, float *to, int to_row) {
    if (rows == 1) {
        one_row(depth, a, panels, f, to, to_row);
        return;
    }
    for (int column = 0; column < to_row; column += TILE_COLUMNS) {
        const int panel = column / PANEL * PANEL, b_row = to_row - panel < PANEL ? to_row - panel : PANEL;
        const float *b = panels + panel * depth + column - panel;
        int row = 0;
        for (; row + TILE_ROWS <= rows; row += TILE_ROWS) {
            vecf c[TILE_ROWS][TILE_VECTORS];
            if (to_row - column < TILE_COLUMNS) {
                tile(TILE_ROWS, 1, 1, depth, a + row * a_row, a_row, b, b_row, 0, c);
                finish(TILE_ROWS, 1, 1, row, column, f, c, to, to_row);
                continue;
            }
            tile(TILE_ROWS, 1, TILE_VECTORS, depth, a + row * a_row, a_row, b, b_row, 0, c);
            finish(TILE_ROWS, 1, TILE_VECTORS, row, column, f, c, to, to_row);
        }
        last_rows(rows - row, depth, a + row * a_row, a_row, b, b_row, row, column, f, to, to_row);
    }
}

// y and d from a, which y holds.
static void activate(int kind, float alpha, int n, int padded, const float *input, int inputs, int input_row, int points, float *y, float *d) {
    if (kind == NORMALIZED) {
        for (int p = 0; p < points; p++) normalize_layer(n, padded, y + p * padded, d + p * padded);
        return;
    }
    if (kind == GAUSSIAN)
        for (int p = 0; p < points; p++) {  // the bias holds −‖w‖²/2
            float half = 0;
            for (int i = 0; i < inputs; i++) half += 0.5f * input[p * input_row + i] * input[p * input_row + i];
            for (int i = 0; i < padded; i += FLOATS) storef(y + p * padded + i, loadf(y + p * padded + i) - half);
        }
    apply_activation(kind, alpha, points * padded, y, d);
}

// All layers at the points whose inputs are in layer 0.
static void network_forward(NetworkMemory *m, const float *weights, int points) {
    for (int l = 1; l <= NET_LAYERS; l++) {
        const int before = padded_floats(NET_SIZE[l - 1]), padded = padded_floats(NET_SIZE[l]);
        const float *w = weights + NET_PACKED[l - 1];
        float *y = layer_y(m, l);
        const Finish with_bias = {.bias = w, .adds = NET_SKIP[l - 1] >= 0};
        if (with_bias.adds) memcpy(y, layer_y(m, NET_SKIP[l - 1]), points * padded * sizeof *y);
        product(points, NET_SIZE[l - 1], layer_y(m, l - 1), before, w + padded, &with_bias, y, padded);
        activate(NET_ACTIVATION[l - 1], NET_ALPHA[l - 1], NET_SIZE[l], padded, layer_y(m, l - 1), NET_SIZE[l - 1], before, points, y,
                 layer_d(m, l));
    }
}

static inline float *sweep_rows(NetworkMemory *m, int layer) { return m->lambda[NET_SWEEPS > 2 ? layer : layer % 2]; }

// P = ∂/∂a from Λ = ∂/∂y for activations whose entries hang together; `along` what gaussian needs on the way to its input.
static void through_joint_activation(NetworkMemory *m, int layer, int rows) {
    const int n = NET_SIZE[layer], padded = padded_floats(n);
    float *lambda = sweep_rows(m, layer);
    for (int r = 0; r < rows; r++) {
        const float *y = layer_y(m, layer) + r / RR * padded, *d = layer_d(m, layer) + r / RR * padded;
        if (NET_ACTIVATION[layer - 1] == NORMALIZED) normalize_adjoint(n, padded, y, d, lambda + r * padded);
        else m->along[r] = gaussian_adjoint(n, y, lambda + r * padded);
    }
}

static inline int is_joint(int layer) { return NET_ACTIVATION[layer - 1] == NORMALIZED || NET_ACTIVATION[layer - 1] == GAUSSIAN; }

// P_L of the outputs themselves.
static void first_sweep(NetworkMemory *m, int points) {
    const int padded = padded_floats(RR);
    float *lambda = sweep_rows(m, NET_LAYERS);
    memset(lambda, 0, points * RR * padded * sizeof *lambda);
    for (int r = 0; r < points * RR; r++)
        lambda[r * padded + r % RR] = is_joint(NET_LAYERS) ? 1 : layer_d(m, NET_LAYERS)[r / RR * padded + r % RR];
    if (is_joint(NET_LAYERS)) through_joint_activation(m, NET_LAYERS, points * RR);
}

// P_{L−1}, or Λ_0 of a single layer, for a last layer that is plain and adds nothing else: rows of W times slopes, no product.
static void last_layer_sweep(NetworkMemory *m, const float *weights, int points) {
    const int last = NET_LAYERS, padded = padded_floats(RR), before = padded_floats(NET_SIZE[last - 1]);
    const float *back = weights + NET_PACKED[last - 1] + padded + NET_SIZE[last - 1] * padded;
    float *to = sweep_rows(m, last - 1);
    for (int p = 0; p < points; p++) {
        const float *slope = layer_d(m, last) + p * padded, *slopes = layer_d(m, last - 1) + p * before;
        for (int column = 0; column < before; column += FLOATS) {
            const int panel = column / PANEL * PANEL, width = before - panel < PANEL ? before - panel : PANEL;
            const float *w = back + panel * RR + column - panel;
            const vecf of_point = last > 1 ? loadf(slopes + column) : splatf(1);
            for (int i = 0; i < RR; i++)
                storef(to + (p * RR + i) * before + column, loadf(w + i * width) * of_point * slope[i]);
        }
    }
}

// ∂y_L/∂y_0 (points · RR, padded inputs), after network_forward at the same points.
static const float *network_backward(NetworkMemory *m, const float *weights, int points) {
    const int rows = points * RR;
    char is_begun[NET_LAYERS + 1] = {0};
    const int is_short = NET_SKIP[NET_LAYERS - 1] < 0 && !is_joint(NET_LAYERS) && (NET_LAYERS == 1 || !is_joint(NET_LAYERS - 1));
    if (is_short) last_layer_sweep(m, weights, points);
    else first_sweep(m, points);
    for (int l = NET_LAYERS - is_short; l >= 1; l--) {
        const int padded = padded_floats(NET_SIZE[l]), before = padded_floats(NET_SIZE[l - 1]), skip = NET_SKIP[l - 1];
        const float *P = sweep_rows(m, l);
        if (skip >= 0) {
            float *to = sweep_rows(m, skip);
            for (int i = 0; i < rows * padded; i += FLOATS) storef(to + i, is_begun[skip] ? loadf(to + i) + loadf(P + i) : loadf(P + i));
            is_begun[skip] = 1;
        }
        const int is_plain = l > 1 && !is_joint(l - 1);
        const Finish by_slopes = {.slopes = is_plain ? layer_d(m, l - 1) : 0, .slopes_row = before, .adds = is_begun[l - 1]};
        float *to = sweep_rows(m, l - 1);
        const float *back = weights + NET_PACKED[l - 1] + padded + NET_SIZE[l - 1] * padded;
        if (NET_ACTIVATION[l - 1] == GAUSSIAN) {  // ∂/∂y = Σ_j P_j (w_j − y): the second half, which the slopes have not seen
            if (!by_slopes.adds) memset(to, 0, rows * before * sizeof *to);
            for (int r = 0; r < rows; r++)
                for (int i = 0; i < before; i += FLOATS)
                    storef(to + r * before + i, loadf(to + r * before + i) - loadf(layer_y(m, l - 1) + r / RR * before + i) * m->along[r]);
        }
        Finish finish_sweep = by_slopes;
        finish_sweep.adds |= NET_ACTIVATION[l - 1] == GAUSSIAN;
        product(rows, NET_SIZE[l], P, padded, back, &finish_sweep, to, before);
        if (l > 1 && is_joint(l - 1)) through_joint_activation(m, l - 1, rows);
    }
    return sweep_rows(m, 0);
}
