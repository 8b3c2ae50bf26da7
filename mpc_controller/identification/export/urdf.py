"""Changes into URDF files."""

from __future__ import annotations

from pathlib import Path

from mpc_controller.identification.export.changes import BodyInertia, JointChange, ModelChanges
from mpc_controller.identification.export.xml_text import Element, XmlText, numbers, write_xml
from mpc_controller.identification.model_structure import IdentificationError


def export_urdf(source: Path, destination: Path, changes: ModelChanges, force: bool = False) -> None:
    """Write `source` with the changes to `destination`; every byte that they do not touch stays as it is.

    Bodies are links. Raises IdentificationError for names that the file has not, for what the format has no place for
    (armature, attributes of MJCF elements, numbers of a model's own), and for an existing destination without `force`.
    """
    if changes.elements or changes.numbers:
        homeless = [name for _, name in changes.elements] + list(changes.numbers)
        raise IdentificationError(f"{source}: URDF has no place for {', '.join(homeless)}; export MJCF")
    text = XmlText(source)
    for name, body in changes.bodies.items():
        _set_inertia(text, text.named("link", name), body)
    for name, joint in changes.joints.items():
        _set_joint(text, text.named("joint", name), joint, name)
    write_xml(text, destination, force)


def _set_inertia(text: XmlText, link: Element, body: BodyInertia) -> None:
    tensor = body.inertia
    entries = (("ixx", 0, 0), ("ixy", 0, 1), ("ixz", 0, 2), ("iyy", 1, 1), ("iyz", 1, 2), ("izz", 2, 2))
    wanted: dict[str, dict[str, str | None]] = {
        "origin": {"xyz": numbers(list(body.centre)), "rpy": "0 0 0"},
        "mass": {"value": numbers([body.mass])},
        "inertia": {name: numbers([tensor[row, column]]) for name, row, column in entries},
    }
    inertial = next(text.children(link, "inertial"), None)
    if inertial is None:
        text.insert(link, f"<inertial>{''.join(_written(tag, attributes) for tag, attributes in wanted.items())}</inertial>")
        return
    for tag, attributes in wanted.items():
        present = next(text.children(inertial, tag), None)
        if present is None:
            text.insert(inertial, _written(tag, attributes))
        else:
            text.set(present, attributes)


def _set_joint(text: XmlText, element: Element, joint: JointChange, name: str) -> None:
    if joint.armature is not None:
        raise IdentificationError(f"{text.path}: joint '{name}': URDF has no place for armature; leave it out or export MJCF")
    values = {"damping": joint.damping, "friction": joint.friction}
    attributes: dict[str, str | None] = {key: numbers([value]) for key, value in values.items() if value is not None}
    present = next(text.children(element, "dynamics"), None)
    if present is None and attributes:
        text.insert(element, _written("dynamics", attributes))
    elif present is not None:
        text.set(present, attributes)


def _written(tag: str, attributes: dict[str, str | None]) -> str:
    return " ".join([f"<{tag}", *(f'{name}="{value}"' for name, value in attributes.items())]) + "/>"
