"""Regressions on equations of motion: least squares, inertias of all bodies, physical consistency."""
