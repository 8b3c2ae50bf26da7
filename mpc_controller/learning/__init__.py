"""Offline: what a model's physics leaves out, learned from logs as a Residual. Only files named jax_* and those that they serve
import JAX and Optax (the extra `learn`); nothing that runs in the loop imports them."""
