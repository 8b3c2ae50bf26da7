// Small dense matrices of compile-time size, column-major, leading dimensions padded to a whole number of vectors.
// GCC and Clang vector extensions: the same source becomes AVX-512, AVX2, SSE or NEON.
#pragma once
#include <math.h>
#include <string.h>

#define LANES 8
#define PADDED(n) (((n) + LANES - 1) / LANES * LANES)

typedef double vec __attribute__((vector_size(8 * LANES)));

// One instruction each, unlike fmax and fmin, which the library must call for the sake of NaN. With a NaN the second is returned.
static inline double larger(double a, double b) { return a > b ? a : b; }
static inline double smaller(double a, double b) { return a < b ? a : b; }

static inline vec load(const double *a) { return *(const vec *)a; }
static inline void store(double *a, vec v) { *(vec *)a = v; }

// Columns that one pass of `gemm_block` holds in registers.
#define BLOCK 4

// c(:, 0..columns-1) += a b for the vectors first..vectors-1 of each column: a (8*vectors, inner), b(l, j) = b[l * b_row + j * b_column].
// Called with constants and inlined, so every loop has a constant length and the accumulators stay in registers.
static inline __attribute__((always_inline)) void gemm_block(int vectors, int first, int inner, int columns, const double *a,
                                                             int a_leading, const double *b, int b_row, int b_column,
                                                             double *c, int c_leading) {
    for (int v = first; v < vectors; v += 2) {
        const int two = v + 1 < vectors;
        vec low[BLOCK], high[BLOCK];
        for (int j = 0; j < columns; j++) {
            low[j] = load(c + j * c_leading + v * LANES);
            if (two) high[j] = load(c + j * c_leading + (v + 1) * LANES);
        }
        for (int l = 0; l < inner; l++) {
            const vec a_low = load(a + l * a_leading + v * LANES);
            const vec a_high = two ? load(a + l * a_leading + (v + 1) * LANES) : a_low;
            for (int j = 0; j < columns; j++) {
                const double scale = b[l * b_row + j * b_column];
                low[j] += a_low * scale;
                if (two) high[j] += a_high * scale;
            }
        }
        for (int j = 0; j < columns; j++) {
            store(c + j * c_leading + v * LANES, low[j]);
            if (two) store(c + j * c_leading + (v + 1) * LANES, high[j]);
        }
    }
}

// c += a b with c (rows, columns), a (rows, inner). `lower`: only the vectors that touch the lower triangle.
static inline __attribute__((always_inline)) void gemm(int rows, int inner, int columns, const double *a, int a_leading,
                                                       const double *b, int b_row, int b_column, double *c, int c_leading,
                                                       int lower) {
    int j = 0;
    for (; j + BLOCK <= columns; j += BLOCK)
        gemm_block(PADDED(rows) / LANES, lower ? j / LANES : 0, inner, BLOCK, a, a_leading, b + j * b_column, b_row, b_column,
                   c + j * c_leading, c_leading);
    if (columns % BLOCK)
        gemm_block(PADDED(rows) / LANES, lower ? j / LANES : 0, inner, columns % BLOCK, a, a_leading, b + j * b_column, b_row,
                   b_column, c + j * c_leading, c_leading);
}

// y += a x with a (rows, columns).
static inline __attribute__((always_inline)) void gemv(int rows, int columns, const double *a, int a_leading, const double *x,
                                                       double *y) {
    for (int v = 0; v < PADDED(rows) / LANES; v++) {
        vec sum = load(y + v * LANES);
        for (int l = 0; l < columns; l++) sum += load(a + l * a_leading + v * LANES) * x[l];
        store(y + v * LANES, sum);
    }
}

// aᵀ x with a (rows, columns), one entry: column j. Padding rows of a and x are zero.
static inline __attribute__((always_inline)) double column_dot(int rows, const double *column, const double *x) {
    vec sum = {0};
    for (int v = 0; v < PADDED(rows) / LANES; v++) sum += load(column + v * LANES) * load(x + v * LANES);
    double total = 0;
    for (int i = 0; i < LANES; i++) total += sum[i];
    return total;
}

static inline double max_abs(const double *a, int n) {
    double result = 0;
    for (int i = 0; i < n; i++) result = larger(result, fabs(a[i]));
    return result;
}
