"""`mpc identify --method inertial` as a real process, and the simulator with the arm that it found."""

from __future__ import annotations

import json
import re
from dataclasses import replace
from pathlib import Path

import mujoco
import numpy as np
import pytest

from launch.commands.identify import IdentifyRequest, identify_machine
from launch.errors import CommandError, ExitCode, exit_code_of
from mpc_controller.identification.model_structure import IdentificationError, structure_of
from mpc_controller.model.parameter_file import load_parameters
from robots import load_robot
from sim.truth import SimTruth
from tests.identification.arm_runs import arm_run, write_runs
from tests.identification.machines import machine
from tests.launch.command import run, run_here


def test_from_logs_of_an_arm_to_its_table_its_model_and_the_simulator(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    truth = SimTruth(mass_scale=1.1, joint_damping_scale=1.5)
    write_runs(structure_of(load_robot("arm")), [arm_run(0, 3000, truth), arm_run(1, 1000, truth)], tmp_path)
    options = ("identify", "arm", "arm-0.csv", "--validate", "arm-1.csv", "--mapping", "log.toml", "--method", "inertial")
    done = run(*options, "--export", "found.xml", "--json", "out.json", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert "next:       mpc sim arm --mjcf found.xml" in done.stdout
    page = (tmp_path / "arm-inertial.html").read_text(encoding="utf-8")
    assert page.count("<td>") + page.count("<td ") > 7 * 10 * 6
    assert all(word in page for word in ("joint7", "inertia xx [kg m²]", "validation, consistent [%]", "arm-1.csv"))
    table = load_parameters(tmp_path / "arm-inertial.toml")
    assert "sha256:" in table.provenance["validation_logs"][0]
    summary = json.loads((tmp_path / "out.json").read_text())
    assert max(summary["relative_torque_error"]["validation"]["consistent"]) < 0.01
    model, before = (mujoco.MjModel.from_xml_path(str(p)) for p in (tmp_path / "found.xml", load_robot("arm").mjcf))
    np.testing.assert_allclose(model.dof_damping, 1.5, rtol=0.02)
    assert model.body("link4").mass[0] == pytest.approx(1.1 * before.body("link4").mass[0], rel=0.06)

    again = run_here(*options, cwd=tmp_path, capsys=capsys)
    assert (again.returncode, again.stdout) == (ExitCode.BAD_INPUT, "")
    assert again.stderr == "error: arm-inertial.toml exists; give another name, or --force to replace it\n"
    export = ("export", "arm", "--parameters", "arm-inertial.toml", "--mjcf", "again.xml")
    done = run_here(*export, cwd=tmp_path, capsys=capsys)
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "again.xml").read_bytes() == (tmp_path / "found.xml").read_bytes()
    done = run("sim", "arm", "--mjcf", "found.xml", "--duration", "0.5", "--endpoint", f"ipc://{tmp_path}/bus", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert "simulating arm as in found.xml" in done.stdout


def request(robot: str, method: str = "inertial", **options: object) -> IdentifyRequest:
    given = IdentifyRequest(
        robot, ("log.csv",), (), 0.0, method, None, (), (), None, None, 1, Path("found.toml"), None, False, None
    )
    return replace(given, **options)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("asked", "message"),
    [
        (request("emps"), "'emps' has no MJCF, which --method inertial starts from; robots with one are cartpole"),
        (request("cartpole"), "cartpole: its model is no tree of rigid bodies, so there are no inertias to find"),
        (request("arm", fixed=("payload_mass",)), "--fix is not for --method inertial; leave it out"),
        (request("arm", export=Path("no/found.xml")), "no/found.xml: no folder no; create it first"),
        (request("arm", output=Path("no/found.toml")), "no/found.toml: no folder no; create it first"),
        (request("emps", "auto", export=Path("found.xml")), "--export: 'emps' has no MJCF; robots with one are cartpole"),
        (request("arm", "auto", export=Path("no/found.xml")), "no/found.xml: no folder no; create it first"),
    ],
)
def test_bad_input_is_told_before_anything_is_read(
    asked: IdentifyRequest, message: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises((CommandError, IdentificationError), match=re.escape(message)) as caught:
        identify_machine(asked)
    assert exit_code_of(caught.value) is ExitCode.BAD_INPUT


def test_any_robot_that_was_fitted_is_exported_at_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """--export of the other methods, of which least squares is the quickest."""
    cartpole = machine("cartpole")
    write_runs(cartpole.structure, [replace(cartpole.log(8.0), name="log")], tmp_path)
    monkeypatch.chdir(tmp_path)
    identify_machine(request("cartpole", "least-squares", mapping=Path("log.toml"), export=Path("found.xml")))
    found = load_parameters(tmp_path / "found.toml").as_dict()
    model = mujoco.MjModel.from_xml_path(str(tmp_path / "found.xml"))
    assert model.body("cart").mass[0] == found["cart_mass"]
    np.testing.assert_array_equal(model.dof_damping, [found["cart_damping"], found["pole_damping"]])
    assert found["pole_damping"] == pytest.approx(cartpole.truth[-1], rel=0.1)
