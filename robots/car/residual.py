"""What the car's model may leave out: forces of its tyres, and what resists its driving."""

from __future__ import annotations

import casadi as ca

from mpc_controller.model.residual.port import ResidualPort


def residual_port() -> ResidualPort:
    """Forces X along the car, and F_f, F_r across the wheels of its axles, to their left:

        m v̇ += X − F_f sin δ,    m ẇ += F_f cos δ + F_r,    I ṙ += a F_f cos δ − b F_r

    with a, b from the centre of mass to the axles. Features are what these act along: the forward speed and how fast the axles
    slide across their wheels; and the steering and the drive force. Road and air are the same everywhere.
    """
    return ResidualPort(
        feature_names=("forward_speed", "front_slide", "rear_slide", "steering", "drive_force"),
        feature_units=("m/s", "m/s", "m/s", "rad", "N"),
        output_names=("force_along", "front_force", "rear_force"),
        output_units=("N", "N", "N"),
        features=_features,
        effect=_effect,
        conjugate=("forward_speed", "front_slide", "rear_slide"),
    )


def _features(x: ca.SX, u: ca.SX, p: ca.SX) -> ca.SX:
    _, _, _, v, w, r, steering = ca.vertsplit(x)
    front_axle, rear_axle = p[2], p[3]
    front_slide = ca.cos(steering) * (w + front_axle * r) - ca.sin(steering) * v
    return ca.vertcat(v, front_slide, w - rear_axle * r, steering, u[0])


def _effect(x: ca.SX, u: ca.SX, p: ca.SX, r: ca.SX) -> ca.SX:
    mass, yaw_inertia, front_axle, rear_axle = ca.vertsplit(p[:4])
    along, front, rear = ca.vertsplit(r)
    across, steering = front * ca.cos(x[6]), x[6]
    return ca.vertcat(
        ca.SX(3, 1),
        (along - front * ca.sin(steering)) / mass,
        (across + rear) / mass,
        (front_axle * across - rear_axle * rear) / yaw_inertia,
        0,
    )
