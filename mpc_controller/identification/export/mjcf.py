"""Changes into MJCF files, for MuJoCo to run the identified machine."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from mpc_controller.identification.export.changes import BodyInertia, ModelChanges
from mpc_controller.identification.export.xml_text import Element, XmlText, numbers, write_xml
from mpc_controller.identification.model_structure import IdentificationError
from mpc_controller.model.parameters import Parameters
from mpc_controller.robot import Robot

_ORIENTATIONS = ("quat", "axisangle", "xyaxes", "zaxis", "euler")
_JOINT_ATTRIBUTES = {"damping": "damping", "friction": "frictionloss", "armature": "armature"}
# Settings of <compiler> with which a file's inertias are not those that MuJoCo takes.
_OVERRIDES = ("settotalmass", "balanceinertia")


def export_mjcf(source: Path, destination: Path, changes: ModelChanges, force: bool = False) -> None:
    """Write `source` with the changes to `destination`; every byte that they do not touch stays as it is.

    Paths of meshes in the file are kept, so they must still be right from the destination. Raises IdentificationError for
    names that the file has not, and for an existing destination without `force`.
    """
    text = XmlText(source)
    for compiler in (e for e in text.elements if e.tag == "compiler"):
        if compiler.attributes.get("inertiafromgeom") == "true":
            raise IdentificationError(f'{source}: inertiafromgeom="true" makes MuJoCo pass over inertias; it must be "auto"')
        for attribute in _OVERRIDES:
            if compiler.attributes.get(attribute, "false") not in ("false", "-1"):
                raise IdentificationError(
                    f"{source}: <compiler {attribute}> changes inertias after they are read; leave it out"
                )
    for name, body in changes.bodies.items():
        _set_inertia(text, text.named("body", name), body)
    for name, joint in changes.joints.items():
        element = text.named("joint", name, inside="worldbody")
        values = {key: getattr(joint, what) for what, key in _JOINT_ATTRIBUTES.items()}
        text.set(element, {key: numbers([value]) for key, value in values.items() if value is not None})
    for (tag, name), attributes in changes.elements.items():
        text.set(text.named(tag, name), {key: numbers(values) for key, values in attributes.items()})
    _set_numbers(text, changes)
    write_xml(text, destination, force)


def export_robot(robot: Robot, parameters: Parameters, destination: Path, force: bool = False) -> None:
    """The robot's MJCF with these parameters of its model; IdentificationError for a robot that does not say how."""
    if robot.mjcf_changes is None:
        raise IdentificationError(
            f"'{robot.name}' does not say where its parameters are in its MJCF; give its Robot `mjcf_changes`"
        )
    export_mjcf(robot.mjcf, destination, robot.mjcf_changes(parameters), force)


def mjcf_inertia(source: Path, body: str) -> BodyInertia:
    """What a file's <inertial> gives to a body; turned axes as a quaternion only."""
    text = XmlText(source)
    inertial = next(text.children(text.named("body", body), "inertial"), None)
    if inertial is None:
        raise IdentificationError(f"{source}: body '{body}' has no <inertial>")
    given = inertial.attributes
    if unread := [name for name in _ORIENTATIONS[1:] if name in given]:
        raise IdentificationError(f"{source}: <inertial> of '{body}' has {unread[0]}; write its axes as quat")
    if "fullinertia" in given:
        xx, yy, zz, xy, xz, yz = _floats(given["fullinertia"])
        inertia = np.array([[xx, xy, xz], [xy, yy, yz], [xz, yz, zz]])
    else:
        inertia = np.diag(_floats(given.get("diaginertia", "0 0 0")))
    w, x, y, z = np.array(_floats(given.get("quat", "1 0 0 0"))) / np.linalg.norm(_floats(given.get("quat", "1 0 0 0")))
    R = np.array(
        [
            [1 - 2 * (y * y + z * z), 2 * (x * y - w * z), 2 * (x * z + w * y)],
            [2 * (x * y + w * z), 1 - 2 * (x * x + z * z), 2 * (y * z - w * x)],
            [2 * (x * z - w * y), 2 * (y * z + w * x), 1 - 2 * (x * x + y * y)],
        ]
    )
    return BodyInertia(float(given["mass"]), np.array(_floats(given.get("pos", "0 0 0"))), R @ inertia @ R.T)


def _set_inertia(text: XmlText, body: Element, inertia: BodyInertia) -> None:
    tensor = inertia.inertia
    off_diagonal = [tensor[0, 1], tensor[0, 2], tensor[1, 2]]
    attributes: dict[str, str | None] = {"pos": numbers(list(inertia.centre)), "mass": numbers([inertia.mass])}
    attributes |= dict.fromkeys(_ORIENTATIONS)
    if any(off_diagonal):
        attributes |= {"diaginertia": None, "fullinertia": numbers([*np.diag(tensor), *off_diagonal])}
    else:
        attributes |= {"fullinertia": None, "diaginertia": numbers(list(np.diag(tensor)))}
    present = next(text.children(body, "inertial"), None)
    if present is None:
        written = " ".join(f'{name}="{value}"' for name, value in attributes.items() if value is not None)
        text.insert(body, f"<inertial {written}/>")
    else:
        text.set(present, attributes)


def _set_numbers(text: XmlText, changes: ModelChanges) -> None:
    custom = next((e for e in text.elements if e.tag == "custom"), None)
    present = {} if custom is None else {e.attributes.get("name"): e for e in text.children(custom, "numeric")}
    missing = []
    for name, value in changes.numbers.items():
        if name in present:
            text.set(present[name], {"data": numbers([value])})
        else:
            missing.append(f'<numeric name="{name}" data="{numbers([value])}"/>')
    if missing and custom is None:
        text.insert(text.elements[0], f"<custom>{''.join(missing)}</custom>")
    elif custom is not None:
        for line in missing:
            text.insert(custom, line)


def _floats(words: str) -> list[float]:
    return [float(word) for word in words.split()]
