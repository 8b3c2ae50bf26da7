// Nothing but fused multiply-adds in registers: what a core can do at most. io: repetitions in, something that depends on all of
// the sums out, so that no compiler leaves them away.
typedef double vec __attribute__((vector_size(64)));

#define PEAK(chains)                                                               \
    void peak_##chains(double *io) {                                               \
        const vec scale = (vec){0} + (1 - 1e-9 * io[0]), term = (vec){0} + io[0];  \
        vec sum[chains], total = {0};                                              \
        for (int j = 0; j < chains; j++) sum[j] = (vec){0} + j * io[0];            \
        for (long n = (long)io[0]; n > 0; n--)                                     \
            for (int j = 0; j < chains; j++) sum[j] = sum[j] * scale + term;       \
        for (int j = 0; j < chains; j++) total += sum[j];                          \
        io[0] = total[0];                                                          \
    }

// Independent sums, which start at different numbers, or a compiler would make one of them: enough to hide the latency of an addition, few enough for the registers. Which is best depends on the machine.
PEAK(2)
PEAK(4)
PEAK(5)
PEAK(6)
PEAK(8)
PEAK(10)
PEAK(12)
