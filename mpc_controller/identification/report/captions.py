"""How to read the pictures of a report."""

from __future__ import annotations

from typing import Final

HORIZON: Final = (
    "How far a prediction from a measured start is off on average, so many seconds later: the length of the error of each"
    " signal. Thin lines are single logs where there are several. Blue should lie below grey, and solid close to dashed: "
    "a solid line far above the dashed one is a fit that learned its logs and not the machine."
)
ERRORS: Final = (
    "At the end: the mean error one horizon ahead. Cumulated: the sum of the mean errors over all steps of the horizon. "
    "Open loop: the RMS error of whole pieces simulated from their measured first state; – where that runs away."
)
PREDICTION: Final = (
    "Pale and broad: measured. Thin: predicted with the fitted values through windows of {horizon} s, each from its "
    "fitted start, so the line jumps where a window ends. The thin line should stay inside the pale one. Left: the whole "
    "log. Right: the stretch with the largest residuals, where grey and white tell one window from the next."
)
ONE_PREDICTION: Final = "{log}: whole at the left, {begin:.2f} to {end:.2f} s at the right. Pale: measured; thin: predicted."
RESIDUALS: Final = (
    "Left: measured minus predicted. Grey is ±2 standard deviations of the fit's residuals; about 19 of 20 samples lie in"
    " it. Right: how much a residual resembles itself some time later. Were all but white noise explained, 19 of 20 lags "
    "would lie in the grey band. A slow decay tells of forces or delays that the model leaves out, peaks that return of a"
    " vibration. The intervals of the parameters allow for it."
)
ONE_RESIDUAL: Final = (
    "{log}: residuals within ±2 standard deviations at the left; autocorrelation and white noise at the right."
)
SINGULAR_VALUES: Final = (
    "σ of the scaled information matrix, a point a direction: one standard deviation along it is 1/σ of the numbers' "
    "scales, so σ = 100 means 1 %. A cliff separates what the data see from what they do not; points below 1 (red) are "
    "not seen."
)
CORRELATIONS: Final = (
    "Correlation of the estimates. Near +1 (blue) or -1 (orange), the data know one of the two only together with the "
    "other: if one is wrong, so is the other, upwards with it or against it. Near 0 (white), they are told apart."
)
WINDOW_LENGTHS: Final = (
    "Every number fitted again with windows of one length (orange). Blue: the stated estimate and, shaded, its 95 % "
    "interval; dotted: the part of it that comes from noise alone; grey dashes: the nominal value, where near. Orange "
    "should stay in the shade: a trend out of it says that the model errs in a way that depends on how far it predicts."
)
