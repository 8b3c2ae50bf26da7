// Hard bounds on single controls: the methods that roll controls out keep them stage by stage, as limits, and what presses against
// them is the part of the gradient that is left. All other rows are constraints.
#pragma once
#include "shooting_point.h"

// How near its bound a control is on it, in units of the side's room: roll-outs keep a bound to rounding, box_qp.h to a tenth of this.
#define ON_BOUND 1e-9

#define CONTROLS (N * NU)  // flat arrays over the horizon's controls

typedef struct {
    double lower[CONTROLS], upper[CONTROLS];
} ControlBox;

static inline int is_box(int row) { return row < NB && BOUND_ENTRY[row] < NU && SOFT_L1[row] < 0; }

// How far every control may move from where the sides' gaps belong. 1 when two bounds leave it nowhere to be.
static int control_room(const Sides *a, ControlBox *room) {
    int empty = 0;
    for (int j = 0; j < CONTROLS; j++) room->lower[j] = -INFINITY, room->upper[j] = INFINITY;
    for (int k = 0; k < N; k++)
        for (int i = 0; i < NB; i++) {
            if (!is_box(i)) continue;
            const int low = k * SIDES + i, high = low + NG, j = k * NU + BOUND_ENTRY[i];
            if (a->active[low]) room->lower[j] = larger(room->lower[j], -a->gap[low]);
            if (a->active[high]) room->upper[j] = smaller(room->upper[j], a->gap[high]);
            empty |= room->lower[j] > room->upper[j];
        }
    return empty;
}

// Give the limits of stage k the multipliers that balance the gradient by its controls, where a control is on a limit and presses
// against it; the controls that do so in `pressed`. Returns the largest component of the gradient that is left.
INLINE double press_limits(Sides *a, int k, const double *gradient, char *pressed) {
    double left = 0;
    memset(pressed, 0, NU);
    for (int i = 0; i < NB; i++) {
        if (!is_box(i)) continue;
        const int low = k * SIDES + i, j = BOUND_ENTRY[i], side = gradient[j] > 0 ? low : low + NG;
        a->lambda[low] = a->lambda[low + NG] = 0;
        if (gradient[j] == 0 || pressed[j] || !a->active[side] || a->gap[side] > ON_BOUND * a->room[side]) continue;
        a->lambda[side] = fabs(gradient[j]);
        pressed[j] = 1;
    }
    for (int j = 0; j < NU; j++)
        if (!pressed[j]) left = larger(left, fabs(gradient[j]));
    return left;
}
