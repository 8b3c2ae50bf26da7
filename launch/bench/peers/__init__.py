"""Solvers of others, on the same problems."""
