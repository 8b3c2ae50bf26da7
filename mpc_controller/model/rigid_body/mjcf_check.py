"""What of an MJCF file makes no model of ours, found in the file's own text before Pinocchio reads past it."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from pathlib import Path
from xml.etree import ElementTree
from xml.etree.ElementTree import Element

_SECTIONS = {"compiler", "option", "default", "worldbody"}
_WITHOUT_FORCES = {"size", "statistic", "visual", "asset", "contact", "actuator", "sensor", "custom", "keyframe"}
_IN_BODIES = {"body", "inertial", "joint", "freejoint", "geom", "site", "camera", "light"}

# Attributes, off at 0 or false, that Pinocchio 4.1 passes over although they are forces, inertia or a choice of state.
_OF_JOINTS = ("stiffness", "springdamper", "frictionloss")
_OF_OTHERS = {
    "option": ("density", "viscosity"),
    "body": ("gravcomp",),
    "compiler": ("balanceinertia", "settotalmass", "alignfree"),
    "freejoint": ("align",),
    "geom": ("shellinertia",),
}
_FLAGS = ("gravity", "damper")
_OFF = {"false", "auto", "disable"}
_UNIT = 1e-3  # files give unit axes with three digits or more


def refuse_unread(path: Path) -> None:
    """ValueError, with element and name, where the MJCF file says something about its motion that is not read."""
    try:
        root = ElementTree.parse(path).getroot()
    except ElementTree.ParseError as error:
        raise ValueError(f"{path}: not valid XML: {error}") from None
    for complaint in _complaints(root):
        raise ValueError(f"{path}: {complaint}")


def _complaints(root: Element) -> Iterator[str]:
    yield from _sections(root)
    yield from _settings(root)
    defaults = _Defaults(root)
    for body in root.iterfind("worldbody"):
        yield from _bodies(body, "main", defaults)


def _sections(root: Element) -> Iterator[str]:
    """Sections that are not read at all; those that are read are read once."""
    for section in root:
        if section.tag in _SECTIONS:
            if len(root.findall(section.tag)) > 1:
                yield f"more than one <{section.tag}>; merge them into one"
        elif section.tag not in _WITHOUT_FORCES and (len(section) or section.attrib):
            first = section[0] if len(section) else section
            yield f"{_named(first)} in <{section.tag}> is not supported; a model is a tree of bodies and nothing else"


def _settings(root: Element) -> Iterator[str]:
    """Attributes that are refused wherever they are."""
    for element in root.iter():
        for attribute in _OF_OTHERS.get(element.tag, ()):
            if _is_on(element.get(attribute)):
                yield _refused(element, attribute, element.get(attribute))
        if element.tag not in ("joint", "freejoint"):  # of actuators and tendons
            for attribute in ("armature", "damping"):
                if _is_on(element.get(attribute)):
                    yield _refused(element, attribute, element.get(attribute), "give it to the joint")
        axis = _numbers(element.get("axisangle"))[:3]
        if axis and abs(math.hypot(*axis) - 1) > _UNIT:
            yield _refused(element, "axisangle", element.get("axisangle"), "its axis must be of length 1")
    for flag in root.iterfind("option/flag"):
        for attribute in _FLAGS:
            if flag.get(attribute) == "disable":
                yield _refused(flag, attribute, "disable")
    for compiler in root.iterfind("compiler"):
        if compiler.get("eulerseq", "xyz") != "xyz":
            yield _refused(compiler, "eulerseq", compiler.get("eulerseq"), "it must be 'xyz'")
        if "inertiagrouprange" in compiler.attrib:
            yield _refused(compiler, "inertiagrouprange", compiler.get("inertiagrouprange"))


def _bodies(body: Element, childclass: str, defaults: _Defaults) -> Iterator[str]:
    """The world or a body and all below it; joints without a class of their own are of `childclass`."""
    childclass = body.get("childclass", childclass)
    for child in body:
        if child.tag not in _IN_BODIES:
            yield f"{_named(child)} in {_named(body)} is not supported; bodies hold {', '.join(sorted(_IN_BODIES))}"
        elif child.tag == "body" and not child.get("name"):
            yield f"a body in {_named(body)} has no name; give every body one, or Pinocchio leaves it out"
    joints = body.findall("joint")
    if len(joints) > 1:
        yield f"{_named(body)} has {len(joints)} joints; give each a body of its own"
    for joint in joints:
        yield from _joint(joint, defaults.of(joint, childclass))
    if body.tag == "body" and body.find("inertial") is None:
        for geom in body.iterfind("geom"):
            if "mesh" in defaults.of(geom, childclass):
                yield f"{_named(body)} takes its inertia from a mesh; give it an <inertial>"
    for inner in body.iterfind("body"):
        yield from _bodies(inner, childclass, defaults)


def _joint(joint: Element, effective: Mapping[str, str]) -> Iterator[str]:
    """A joint with the attributes that it has once its defaults are filled in."""
    for attribute in _OF_JOINTS:
        if _is_on(effective.get(attribute)):
            yield _refused(joint, attribute, effective[attribute])
    damping = effective.get("damping")
    if effective.get("type") in ("ball", "free") and _is_on(damping):
        yield _refused(joint, "damping", damping, f"a {effective['type']} joint moves without friction here")
    if any(_numbers(damping)[1:]):
        yield _refused(joint, "damping", damping, "friction is proportional to the rate: one number")
    if "pos" not in joint.attrib and _is_on(effective.get("pos")):
        yield _refused(joint, "pos", effective["pos"], "write it at the joint, not in a default")


class _Defaults:
    """The <default> classes of a file: the attributes that they give to the elements of one tag."""

    def __init__(self, root: Element) -> None:
        self._classes: dict[str, dict[str, dict[str, str]]] = {"main": {}}
        for top in root.iterfind("default"):
            self._read(top, top.get("class", "main"), {})

    def of(self, element: Element, childclass: str) -> Mapping[str, str]:
        """All attributes of an element: its own over those of its class, or of `childclass`."""
        given = self._classes.get(element.get("class", childclass), {})
        return {**given.get(element.tag, {}), **element.attrib}

    def _read(self, default: Element, name: str, outer: dict[str, dict[str, str]]) -> None:
        merged = dict(outer)
        for entry in default:
            if entry.tag != "default":
                merged[entry.tag] = {**merged.get(entry.tag, {}), **entry.attrib}
        self._classes[name] = merged
        for inner in default.iterfind("default"):
            self._read(inner, inner.get("class", ""), merged)


def _refused(element: Element, attribute: str, value: str | None, remedy: str = "leave it out") -> str:
    return f'{_named(element)} has {attribute}="{value}", which is not read; {remedy}'


def _named(element: Element) -> str:
    name = element.get("name")
    return f"{element.tag} '{name}'" if name else f"<{element.tag}>"


def _is_on(value: str | None) -> bool:
    """Whether an attribute is there and neither switched off nor all zeros."""
    return value is not None and value not in _OFF and (not (numbers := _numbers(value)) or any(numbers))


def _numbers(text: str | None) -> list[float]:
    """The numbers in an attribute; none where it is absent or a word."""
    try:
        return [float(word) for word in (text or "").split()]
    except ValueError:
        return []
