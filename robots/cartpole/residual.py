"""What the cart-pole's model may leave out: a force on the cart and a torque at the hinge, such as those of dry friction."""

from __future__ import annotations

import casadi as ca

from mpc_controller.model.residual.port import ResidualPort


def residual_port() -> ResidualPort:
    """Force r_s on the cart and torque r_θ at the hinge:    (s̈, θ̈) += [M + m, m l cos θ; m l cos θ, I + m l²]⁻¹ (r_s, r_θ).

    The rail is the same everywhere, so where the cart is, is no feature; the pole's angle is one, as sine and cosine.
    """
    return ResidualPort(
        feature_names=("velocity", "angular_velocity", "sine", "cosine", "driving_force"),
        feature_units=("m/s", "rad/s", "", "", "N"),
        output_names=("force", "torque"),
        output_units=("N", "N m"),
        features=_features,
        effect=_effect,
        conjugate=("velocity", "angular_velocity"),
    )


def _features(x: ca.SX, u: ca.SX, p: ca.SX) -> ca.SX:
    return ca.vertcat(x[2], x[3], ca.sin(x[1]), ca.cos(x[1]), u)


def _effect(x: ca.SX, u: ca.SX, p: ca.SX, r: ca.SX) -> ca.SX:
    cart_mass, pole_mass, length, inertia = p[0], p[1], p[2], p[3]
    total, coupling, hinge = cart_mass + pole_mass, pole_mass * length * ca.cos(x[1]), inertia + pole_mass * length**2
    determinant = total * hinge - coupling**2
    acceleration = (hinge * r[0] - coupling * r[1]) / determinant
    return ca.vertcat(ca.SX(2, 1), acceleration, (total * r[1] - coupling * r[0]) / determinant)
