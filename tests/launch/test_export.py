"""`mpc export` as a real process, and `mpc sim` with what it wrote."""

from __future__ import annotations

import re
from pathlib import Path

import mujoco
import numpy as np
import pinocchio
import pytest

from launch.commands.export import ExportRequest, export
from launch.errors import ExitCode, exit_code_of
from launch.launch_file import load_launch_file
from mpc_controller.control.command_delay import PROVENANCE
from mpc_controller.model.parameter_file import save_parameters
from mpc_controller.model.parameters import Parameters
from mpc_controller.toml_table import TomlError
from robots import load_robot
from tests.launch.command import run, start

_URDF = """<robot name="rig">
  <link name="base"/>
  <link name="cart"><inertial><mass value="1"/><inertia ixx="1" ixy="0" ixz="0" iyy="1" iyz="0" izz="1"/></inertial></link>
  <link name="pole"><inertial><mass value="1"/><inertia ixx="1" ixy="0" ixz="0" iyy="1" iyz="0" izz="1"/></inertial></link>
  <joint name="position" type="prismatic"><parent link="base"/><child link="cart"/><axis xyz="1 0 0"/>
    <limit lower="-1" upper="1" effort="1" velocity="1"/></joint>
  <joint name="angle" type="continuous"><parent link="cart"/><child link="pole"/><axis xyz="0 1 0"/></joint>
</robot>
"""


@pytest.fixture
def found(tmp_path: Path) -> Path:
    """Parameters of a cart-pole, as identified."""
    nominal = load_robot("cartpole").dynamics.nominal.parameters
    values = nominal.with_values({"cart_mass": 1.25, "pole_damping": 0.003})
    save_parameters(Parameters(values.table, None, {PROVENANCE: 0.012}), tmp_path / "found.toml")
    return tmp_path / "found.toml"


def test_what_was_identified_is_exported_and_simulated(found: Path) -> None:
    folder = found.parent
    done = run("export", "cartpole", "--parameters", "found.toml", cwd=folder)
    assert done.returncode == 0, done.stderr
    assert "next:  mpc sim cartpole --mjcf cartpole-identified.xml" in done.stdout
    assert "commands act 12 ms late" in done.stdout
    model = mujoco.MjModel.from_xml_path(str(folder / "cartpole-identified.xml"))
    assert model.body("cart").mass[0] == 1.25
    assert model.dof_damping[1] == 0.003
    done = run("sim", "cartpole", "--mjcf", "cartpole-identified.xml", "--duration", "0.5",
               "--endpoint", f"ipc://{folder}/bus", cwd=folder)  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert "simulating cartpole as in cartpole-identified.xml" in done.stdout


def test_a_launch_file_names_what_is_simulated(found: Path) -> None:
    folder = found.parent
    assert run("export", "cartpole", "--parameters", "found.toml", "--mjcf", "rig.xml", cwd=folder).returncode == 0
    (folder / "run.toml").write_text('robot = "cartpole"\n[sim]\nmjcf = "rig.xml"\n')
    assert load_launch_file(folder / "run.toml").sim.mjcf == folder / "rig.xml"
    (folder / "rig.xml").write_text("<mujoco><worldbody/></mujoco>")
    with pytest.raises(TomlError, match=r"'sim.mjcf': .*rig.xml: qpos, qvel and act have 0 \+ 0 \+ 0 entries.*\(line 3\)"):
        load_launch_file(folder / "run.toml")


def test_a_urdf_takes_the_same_values(found: Path) -> None:
    folder = found.parent
    (folder / "rig.urdf").write_text(_URDF)
    done = run("export", "cartpole", "--parameters", "found.toml", "--urdf", "new.urdf", "--source", "rig.urdf", cwd=folder)
    assert done.returncode == 0, done.stderr
    model = pinocchio.buildModelFromUrdf(str(folder / "new.urdf"))
    assert model.inertias[1].mass == 1.25
    np.testing.assert_array_equal(model.damping[1:], 0.003)
    assert not (folder / "cartpole-identified.xml").exists()


@pytest.mark.parametrize(
    ("robot", "options", "message"),
    [
        ("cartpol", {}, "did you mean 'cartpole'"),
        ("emps", {}, "'emps' is identified from recordings only and has no MJCF; robots with one are cartpole"),
        ("quadrotor", {}, "unknown parameter 'cart_mass'; this model has mass"),
        ("cartpole", {"parameters": "none.toml"}, "none.toml: no such file"),
        ("cartpole", {"mjcf": "found.toml"}, "found.toml exists; give another name, or --force to replace it"),
        ("cartpole", {"mjcf": "no/rig.xml"}, "no folder no; create it first"),
        ("cartpole", {"urdf": "rig.urdf"}, "'cartpole' comes as MJCF only; give its URDF as --source"),
        ("cartpole", {"source": "found.toml"}, "is what --urdf starts from; give --urdf"),
        ("cartpole", {"urdf": "x.urdf", "source": "found.toml"}, "found.toml: cannot be read as XML"),
    ],
)
def test_bad_input_is_told_in_one_sentence(
    found: Path, robot: str, options: dict[str, str], message: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(found.parent)
    given = {key: Path(value) for key, value in ({"parameters": "found.toml"} | options).items()}
    with pytest.raises(Exception, match=re.escape(message)) as caught:
        export(ExportRequest(robot, given["parameters"], given.get("mjcf"), given.get("urdf"), given.get("source"), False))
    assert exit_code_of(caught.value) is ExitCode.BAD_INPUT
    assert "\n" not in str(caught.value)


def test_an_option_that_lacks_is_named(tmp_path: Path) -> None:
    done = run("export", "cartpole", cwd=tmp_path)
    assert (done.returncode, done.stderr) == (ExitCode.BAD_INPUT, "error: Missing option '--parameters'.\n")


def test_a_file_that_is_not_the_robot_is_not_simulated(found: Path) -> None:
    (found.parent / "other.xml").write_text("<mujoco><worldbody/></mujoco>")
    process = start("sim", "cartpole", "--mjcf", "other.xml", "--endpoint", f"ipc://{found.parent}/bus", cwd=found.parent)
    _, stderr = process.communicate(timeout=60)
    assert process.returncode == ExitCode.BAD_INPUT
    assert "other.xml: qpos, qvel and act have 0 + 0 + 0 entries; the model of 'cartpole' has 4 states" in stderr
