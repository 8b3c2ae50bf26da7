// Small dense matrices of compile-time size, column-major, leading dimensions padded to a whole number of vectors.
// GCC and Clang vector extensions: the same source becomes AVX-512, AVX2, SSE or NEON.
#pragma once
#include <math.h>
#include <string.h>

// Doubles of one vector: those of the processor's own, as compilers take apart longer ones badly.
#if defined(__AVX512F__)
#define LANES 8
#define COUNTED(f) f(0), f(1), f(2), f(3), f(4), f(5), f(6), f(7)
#elif defined(__AVX__)
#define LANES 4
#define COUNTED(f) f(0), f(1), f(2), f(3)
#else
#define LANES 2
#define COUNTED(f) f(0), f(1)
#endif

// Leading dimensions are whole vectors of the longest kind (solvers/layout.py).
#define PADDED(n) (((n) + 7) / 8 * 8)
#define ALIGNED __attribute__((aligned(64)))
#define INLINE static inline __attribute__((always_inline))

typedef double vec __attribute__((vector_size(8 * LANES)));
typedef long long mask __attribute__((vector_size(8 * LANES)));  // of comparisons: −1 where true, 0 where false

// One instruction each, unlike fmax and fmin, which the library must call for the sake of NaN. With a NaN the second is returned.
static inline double larger(double a, double b) { return a > b ? a : b; }
static inline double smaller(double a, double b) { return a < b ? a : b; }
static inline double between(double value, double lower, double upper) { return larger(lower, smaller(value, upper)); }

static inline vec load(const double *a) { return *(const vec *)a; }
static inline void store(double *a, vec v) { *(vec *)a = v; }
static inline vec splat(double a) { return (vec){0} + a; }
static inline vec choose(mask where, vec a, vec b) { return (vec)((where & (mask)a) | (~where & (mask)b)); }
static inline vec larger_vec(vec a, vec b) { return choose(a > b, a, b); }

// Whole vectors at once: what was stored in smaller pieces than it is then loaded waits for the store.
INLINE void copy(double *to, const double *from, int n) {
    for (int i = 0; i < n; i += LANES) store(to + i, load(from + i));
}

INLINE void clear(double *to, int n) {
    for (int i = 0; i < n; i += LANES) store(to + i, splat(0));
}

// 0, 1, 2, … in the lanes.
#define ITSELF(i) i
static inline vec positions(void) { return (vec){COUNTED(ITSELF)}; }

// a[i] += value, as a whole vector for the same reason.
INLINE void add_at(double *a, int i, double value) {
    double *block = a + i / LANES * LANES;
    store(block, load(block) + choose(positions() == splat(i % LANES), splat(value), splat(0)));
}

static inline double sum_of(vec v) {
    double sum[LANES];
    memcpy(sum, &v, sizeof v);
    for (int half = LANES / 2; half > 0; half /= 2)
        for (int i = 0; i < half; i++) sum[i] += sum[i + half];
    return sum[0];
}

static inline double largest_of(vec v) {
    double largest = v[0];
    for (int i = 1; i < LANES; i++) largest = larger(largest, v[i]);
    return largest;
}

#if defined(__clang__) || __GNUC__ >= 12
#define SHUFFLE(a, b, ...) __builtin_shufflevector(a, b, __VA_ARGS__)
#else
#define SHUFFLE(a, b, ...) __builtin_shuffle(a, b, (mask){__VA_ARGS__})
#endif

// The columns of a square block of vectors become its rows: blocks of half the size trade places, then those of a quarter, …
INLINE void transpose_block(vec m[LANES]) {
#define TRADE(distance, low, high) \
    for (int i = 0; i < LANES; i++) \
        if (!(i & distance)) { \
            const vec a = m[i], b = m[i + distance]; \
            m[i] = SHUFFLE(a, b, COUNTED(low)), m[i + distance] = SHUFFLE(a, b, COUNTED(high)); \
        }
#define FROM(distance, i) ((i) & (distance) ? LANES + (i) - (distance) : (i))
#define LOW_4(i) FROM(4, i)
#define HIGH_4(i) FROM(4, i) + 4
#define LOW_2(i) FROM(2, i)
#define HIGH_2(i) FROM(2, i) + 2
#define LOW_1(i) FROM(1, i)
#define HIGH_1(i) FROM(1, i) + 1
#if LANES > 4
    TRADE(4, LOW_4, HIGH_4)
#endif
#if LANES > 2
    TRADE(2, LOW_2, HIGH_2)
#endif
    TRADE(1, LOW_1, HIGH_1)
}

// to (columns, rows) = from (rows, columns)ᵀ, whose padding is zero.
INLINE void transpose(int rows, int columns, const double *from, int from_leading, double *to, int to_leading) {
    for (int j = 0; j < columns; j += LANES)
        for (int i = 0; i < rows; i += LANES) {
            vec m[LANES];
            for (int c = 0; c < LANES; c++) m[c] = j + c < columns ? load(from + (j + c) * from_leading + i) : splat(0);
            transpose_block(m);
            for (int c = 0; c < LANES; c++)
                if (i + c < rows) store(to + (i + c) * to_leading + j, m[c]);
        }
}

// Columns that one pass of `gemm_block` holds in registers.
#define BLOCK 4

// c(:, 0..columns-1) += a b for the vectors first..vectors-1 of each column: a (8*vectors, inner), b(l, j) = b[l * b_row + j * b_column].
// Called with constants and inlined, so every loop has a constant length and the accumulators stay in registers.
INLINE void gemm_block(int vectors, int first, int inner, int columns, const double *a, int a_leading, const double *b, int b_row,
                       int b_column, double *c, int c_leading) {
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
INLINE void gemm(int rows, int inner, int columns, const double *a, int a_leading, const double *b, int b_row, int b_column,
                 double *c, int c_leading, int lower) {
    int j = 0;
    for (; j + BLOCK <= columns; j += BLOCK)
        gemm_block(PADDED(rows) / LANES, lower ? j / LANES : 0, inner, BLOCK, a, a_leading, b + j * b_column, b_row, b_column,
                   c + j * c_leading, c_leading);
    if (columns % BLOCK)
        gemm_block(PADDED(rows) / LANES, lower ? j / LANES : 0, inner, columns % BLOCK, a, a_leading, b + j * b_column, b_row,
                   b_column, c + j * c_leading, c_leading);
}

// y += a x with a (rows, columns). Even and odd columns are summed apart: one chain of additions would wait for itself.
INLINE void gemv(int rows, int columns, const double *a, int a_leading, const double *x, double *y) {
    for (int v = 0; v < PADDED(rows) / LANES; v++) {
        vec even = load(y + v * LANES), odd = {0};
        int l = 0;
        for (; l + 1 < columns; l += 2) {
            even += load(a + l * a_leading + v * LANES) * x[l];
            odd += load(a + (l + 1) * a_leading + v * LANES) * x[l + 1];
        }
        if (l < columns) even += load(a + l * a_leading + v * LANES) * x[l];
        store(y + v * LANES, even + odd);
    }
}

// aᵀ x with a (rows, columns), one entry: column j. Padding rows of a and x are zero.
INLINE double column_dot(int rows, const double *column, const double *x) {
    vec sum = {0};
    for (int v = 0; v < PADDED(rows) / LANES; v++) sum += load(column + v * LANES) * load(x + v * LANES);
    return sum_of(sum);
}

static inline double max_abs(const double *a, int n) {
    double result = 0;
    for (int i = 0; i < n; i++) result = larger(result, fabs(a[i]));
    return result;
}
