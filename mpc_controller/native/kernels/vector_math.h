// Vectors of floats, and the activations of networks on them: values y = σ(a) and slopes d = σ'(a).
// Source of the polynomials: Moshier, "Cephes mathematical library" (expf, logf, tanhf, sinf, cosf), good to about 1e-7.
#pragma once
#include "linalg.h"

#define FLOATS (2 * LANES)
typedef float vecf __attribute__((vector_size(4 * FLOATS)));
typedef int maskf __attribute__((vector_size(4 * FLOATS)));

enum { IDENTITY, TANH, SOFTPLUS, SILU, SIGMOID, RELU, LEAKY_RELU, ELU, GELU, GELU_TANH, COS, GAUSSIAN, NORMALIZED };

INLINE vecf loadf(const float *a) { return *(const vecf *)a; }
INLINE void storef(float *a, vecf v) { *(vecf *)a = v; }
INLINE vecf splatf(float a) { return (vecf){0} + a; }
INLINE vecf choosef(maskf where, vecf a, vecf b) { return (vecf)((where & (maskf)a) | (~where & (maskf)b)); }
INLINE vecf absf(vecf a) { return (vecf)((maskf)a & 0x7fffffff); }

// eˣ, of −87 below and of 88 above; NaN stays.
INLINE vecf exp_vec(vecf x) {
    x = choosef(x < -87.0f, splatf(-87.0f), choosef(x > 88.0f, splatf(88.0f), x));
    const vecf shifted = x * 1.44269504f + 12582912.0f, n = shifted - 12582912.0f;  // 1.5·2²³: rounds
    const vecf r = (x - n * 0.693359375f) + n * 2.12194440e-4f;
    const vecf p = 5.0000001201e-1f + r * (1.6666665459e-1f + r * (4.1665795894e-2f + r * (8.3334519073e-3f + r * (1.3981999507e-3f + r * 1.9875691500e-4f))));
    return (vecf)((maskf)(1 + r + r * r * p) + (((maskf)shifted - 0x4b400000) << 23));
}

// ln x for normal x > 0.
INLINE vecf log_vec(vecf x) {
    const maskf bits = (maskf)x - 0x3f3504f3;  // √½
    const maskf exponent = bits >> 23;
    const vecf e = __builtin_convertvector(exponent, vecf), m = (vecf)((maskf)x - (exponent << 23)) - 1;
    const vecf z = m * m;
    const vecf p = 3.3333331174e-1f + m * (-2.4999993993e-1f + m * (2.0000714765e-1f + m * (-1.6668057665e-1f + m * (1.4249322787e-1f + m * (-1.2420140846e-1f + m * (1.1676998740e-1f + m * (-1.1514610310e-1f + m * 7.0376836292e-2f)))))));
    return (m * z * p - e * 2.12194440e-4f - 0.5f * z) + m + e * 0.693359375f;
}

INLINE vecf sigmoid_vec(vecf x) { return 1 / (1 + exp_vec(-x)); }

INLINE vecf tanh_vec(vecf x) {
    const vecf z = x * x;
    const vecf near = x + x * z * (-3.33332819422e-1f + z * (1.33314422036e-1f + z * (-5.37397155531e-2f + z * (2.06390887954e-2f + z * -5.70498872745e-3f))));
    const vecf far = 1 - 2 / (exp_vec(2 * absf(x)) + 1);
    const vecf with_sign = (vecf)((maskf)far | ((maskf)x & (int)0x80000000));
    return choosef(z < 0.625f * 0.625f, near, with_sign);
}

// ln(1 + eˣ) = max(x, 0) + ln(1 + e^−|x|), the latter by its series where e^−|x| is small.
INLINE vecf softplus_vec(vecf x) {
    const vecf t = exp_vec(-absf(x));
    const vecf series = t * (1 - t * (0.5f - t * (0.33333333f - t * 0.25f)));
    return choosef(x > 0.0f, x, splatf(0)) + choosef(t < 0.02f, series, log_vec(1 + t));
}

// eˣ − 1 for x ≤ 0.
INLINE vecf expm1_vec(vecf x) {
    const vecf near = x * (1 + x * (0.5f + x * (1.6666667e-1f + x * (4.1666667e-2f + x * (8.3333333e-3f + x * 1.3888889e-3f)))));
    return choosef(x > -0.35f, near, exp_vec(x) - 1);
}

// cos x or, for quarter = 1, −sin x; reduced by π/2 in three parts, for |x| up to some thousands.
INLINE vecf turned_vec(vecf x, int quarter) {
    const vecf turns = x * 0.636619772f + 12582912.0f, n = turns - 12582912.0f;
    const maskf q = (((maskf)turns & 3) + quarter) & 3;
    const vecf y = ((x - n * 1.5703125f) - n * 4.837512969970703125e-4f) - n * 7.54978995489188216e-8f, z = y * y;
    const vecf sine = y + y * z * (-1.6666654611e-1f + z * (8.3321608736e-3f + z * -1.9515295891e-4f));
    const vecf cosine = 1 - 0.5f * z + z * z * (4.166664568298827e-2f + z * (-1.388731625493765e-3f + z * 2.443315711809948e-5f));
    const vecf value = choosef((q & 1) != 0, sine, cosine);
    return choosef((q == 1) | (q == 2), -value, value);
}

// a/2 (1 + tanh(√(2/π)(a + 0.044715 a³))) = a sigmoid(2√(2/π)(…)) and its slope, which are a and 1 or nothing beyond ±10.
INLINE vecf gelu_tanh_vec(vecf a, vecf *slope) {
    const vecf c = choosef(a < -10.0f, splatf(-10.0f), choosef(a > 10.0f, splatf(10.0f), a)), square = c * c;
    const vecf g = sigmoid_vec(1.59576912f * c * (1 + 0.044715f * square));
    *slope = g + c * g * (1 - g) * 1.59576912f * (1 + 0.134145f * square);
    return a * g;
}

#define ENTRIES(y_and_d) \
    for (int i = 0; i < n; i += FLOATS) { \
        const vecf a = loadf(y + i); \
        vecf s, t; \
        y_and_d; \
        storef(y + i, s), storef(d + i, t); \
    } \
    break;

// y holds a, n entries in whole vectors; alpha of leaky_relu and elu.
static void apply_activation(int kind, float alpha, int n, float *y, float *d) {
    switch (kind) {
        case TANH: ENTRIES(s = tanh_vec(a); t = 1 - s * s)
        case SOFTPLUS: ENTRIES(s = softplus_vec(a); t = sigmoid_vec(a))
        case SILU: ENTRIES(const vecf g = sigmoid_vec(a); s = a * g; t = g + s * (1 - g))
        case SIGMOID: ENTRIES(s = sigmoid_vec(a); t = s * (1 - s))
        case RELU: ENTRIES(s = choosef(a <= 0.0f, splatf(0), a); t = choosef(a <= 0.0f, splatf(0), splatf(1)))
        case LEAKY_RELU: ENTRIES(t = choosef(a < 0.0f, splatf(alpha), splatf(1)); s = a * t)
        case ELU: ENTRIES(const vecf e = expm1_vec(a); s = choosef(a < 0.0f, alpha * e, a); t = choosef(a < 0.0f, alpha * (e + 1), splatf(1)))
        case GELU:
            for (int i = 0; i < n; i++) {
                const float a = y[i], phi = 0.5f * erfcf(-a * 0.70710678f);
                y[i] = a * phi, d[i] = phi + a * 0.39894228f * expf(-0.5f * a * a);
            }
            break;
        case GELU_TANH: ENTRIES(s = gelu_tanh_vec(a, &t))
        case COS: ENTRIES(s = turned_vec(a, 0); t = turned_vec(a, 1))
        case GAUSSIAN: ENTRIES(s = exp_vec(a); t = s)
        default: ENTRIES(s = a; t = splatf(1))
    }
}

// (a − mean)/√(var + 1e-5) of a layer; 1/√(var + 1e-5) in all of d. Padding stays 0.
static void normalize_layer(int n, int padded, float *y, float *d) {
    float mean = 0, square = 0;
    for (int i = 0; i < n; i++) mean += y[i];
    mean /= n;
    for (int i = 0; i < n; i++) y[i] -= mean, square += y[i] * y[i];
    const float scale = 1 / sqrtf(square / n + 1e-5f);
    for (int i = 0; i < padded; i++) y[i] = i < n ? y[i] * scale : 0, d[i] = scale;
}

// λ_a = scale (λ − mean λ − y mean(λ y)), in place.
static void normalize_adjoint(int n, int padded, const float *y, const float *d, float *lambda) {
    float mean = 0, along = 0;
    for (int i = 0; i < n; i++) mean += lambda[i], along += lambda[i] * y[i];
    mean /= n, along /= n;
    for (int i = 0; i < padded; i++) lambda[i] = i < n ? d[i] * (lambda[i] - mean - y[i] * along) : 0;
}

// P = λ ⊙ y, in place, and its sum.
static float gaussian_adjoint(int n, const float *y, float *lambda) {
    float sum = 0;
    for (int i = 0; i < n; i++) sum += lambda[i] *= y[i];
    return sum;
}
