"""Residual files: exact on the way back, whole or not at all, and clear about what is wrong with one."""

from __future__ import annotations

import io
import zipfile
from dataclasses import fields, replace
from pathlib import Path

import casadi as ca
import numpy as np
import pytest

from mpc_controller.model.parameters import Parameter, Parameters
from mpc_controller.model.residual.network import Activation, LayerShape, NetworkShape, mlp_shape
from mpc_controller.model.residual.port import ResidualPort
from mpc_controller.model.residual.residual import Guard, Residual, ResidualShape
from mpc_controller.model.residual.residual_file import (
    ResidualError,
    check_belongs,
    load_residual,
    residual_bytes,
    residual_from_bytes,
    residual_hash,
    save_residual,
)
from tests.model.residuals import random_residual

PARAMETERS = Parameters((Parameter("mass", 0.1 + 0.2, "kg"), Parameter("drag", 1e-7, "N s/m"), Parameter("ratio", 2.0, "")))
PORT = ResidualPort(
    ("vx", "vy", "Ωz"), ("m/s", "m/s", "rad/s"), ("fx", "fy"), ("N", "N"), lambda x, u, p: ca.SX(3, 1), lambda x, u, p, r: x
)


def everything() -> Residual:
    """A value that is not the default in every field."""
    network = NetworkShape(
        (
            LayerShape(3, 5, Activation.SILU),
            LayerShape(5, 5, Activation.ELU, 1, 0.3),
            LayerShape(5, 5, Activation.NORMALIZED, 1),
            LayerShape(5, 4, Activation.GAUSSIAN),
            LayerShape(4, 2, Activation.IDENTITY),
        )
    )
    random = np.random.default_rng(3)
    precision = random.standard_normal((3, 3))
    guard = Guard(
        lower=-random.random(3),
        upper=random.random(3),
        fade=0.1 + random.random(3),
        precision=precision @ precision.T,
        density_limit=0.1 + 0.7,
        disagreement=0.1 + random.random(2),
        bound=0.1 + random.random(2),
    )
    return replace(
        random_residual(ResidualShape(network, 3, (1, 0)), seed=4, guard=guard),
        center=random.standard_normal(3),
        scale=0.1 + random.random(3),
        family="ensemble",
        robot="hövercraft",
        model_hash="0123456789ab",
        parameters=PARAMETERS.as_dict(),
        feature_names=PORT.feature_names,
        output_names=PORT.output_names,
        accepted=False,
        strength=1 / 3,
        metrics={"rms": {"physics": 0.1, "learned": 0.01}, "table": [[1, "a", None], [2.5, "b", True]]},
        provenance={"date": "2025-01-01", "logs": ["a.mcap"], "nothing": {}},
    )


def assert_the_same(a: object, b: object) -> None:
    """To the last bit, in all fields."""
    assert type(a) is type(b)
    if isinstance(a, np.ndarray) and isinstance(b, np.ndarray):
        assert (a.dtype, a.shape, a.tobytes()) == (b.dtype, b.shape, b.tobytes())
    elif isinstance(a, Residual | Guard):
        for entry in fields(a):
            assert_the_same(getattr(a, entry.name), getattr(b, entry.name))
    elif isinstance(a, tuple) and isinstance(b, tuple):
        assert len(a) == len(b)
        for one, other in zip(a, b, strict=True):
            assert_the_same(one, other)
    elif hasattr(a, "weights") and hasattr(b, "weights"):
        assert_the_same((a.shape, a.weights, a.biases), (b.shape, b.weights, b.biases))  # type: ignore[attr-defined]
    else:
        assert a == b


def changed(data: bytes, **arrays: object) -> bytes:
    """A residual file with other arrays; None leaves one out."""
    with np.load(io.BytesIO(data)) as loaded:
        kept = dict(loaded)
    buffer = io.BytesIO()
    np.savez(buffer, **{name: value for name, value in {**kept, **arrays}.items() if value is not None})  # type: ignore[arg-type]
    return buffer.getvalue()


def with_metadata(data: bytes, before: str, after: str) -> bytes:
    with np.load(io.BytesIO(data)) as loaded:
        text = loaded["metadata"].tobytes().decode()
    assert before in text
    return changed(data, metadata=np.frombuffer(text.replace(before, after).encode(), np.uint8))


@pytest.fixture(scope="module")
def data() -> bytes:
    return residual_bytes(everything())


def test_what_was_saved_is_loaded_to_the_last_bit_of_every_field(tmp_path: Path) -> None:
    residual = everything()
    save_residual(tmp_path / "a.npz", residual)
    loaded = load_residual(tmp_path / "a.npz")
    assert_the_same(loaded, residual)
    assert [path.name for path in tmp_path.iterdir()] == ["a.npz"]
    assert list(loaded.parameters) == list(residual.parameters)


def test_bytes_depend_on_the_residual_alone(data: bytes) -> None:
    assert residual_bytes(residual_from_bytes(data, "bus")) == data


def test_numpy_reads_the_file_without_pickle(data: bytes) -> None:
    with np.load(io.BytesIO(data), allow_pickle=False) as loaded:
        assert {str(loaded[name].dtype) for name in loaded.files} == {"int64", "uint8", "float32", "float64"}


def test_an_existing_file_is_replaced_only_by_force(tmp_path: Path) -> None:
    path = tmp_path / "a.npz"
    save_residual(path, everything())
    other = replace(everything(), strength=0.5)
    with pytest.raises(ResidualError, match=r"a\.npz exists; give another name, or --force"):
        save_residual(path, other)
    assert load_residual(path).strength == 1 / 3
    save_residual(path, other, force=True)
    assert load_residual(path).strength == 0.5


def test_metrics_that_json_does_not_know_are_refused_before_anything_is_written(tmp_path: Path) -> None:
    with pytest.raises(ResidualError, match=r"residual of hövercraft cannot be saved: metrics or provenance: .*ndarray"):
        save_residual(tmp_path / "a.npz", replace(everything(), metrics={"rms": np.zeros(2)}))
    assert not list(tmp_path.iterdir())


def test_a_hash_is_of_the_content() -> None:
    residual = everything()
    assert residual_hash(residual) == residual_hash(residual_from_bytes(residual_bytes(residual), "bus"))
    assert len(residual_hash(residual)) == 12
    weights = residual.networks[1].weights[0].copy()
    weights[2, 1] = np.nextafter(weights[2, 1], np.float32(9))
    one_bit = replace(residual.networks[1], weights=(weights, *residual.networks[1].weights[1:]))
    others = [
        replace(residual, networks=(residual.networks[0], one_bit, residual.networks[2])),
        replace(residual, strength=0.5),
        replace(residual, accepted=True),
        replace(residual, guard=replace(residual.guard, bound=2 * residual.guard.bound)),
        replace(residual, metrics={}),
    ]
    assert len({residual_hash(one) for one in [residual, *others]}) == 6


def test_a_file_that_is_missing_or_something_else_is_named(tmp_path: Path) -> None:
    with pytest.raises(ResidualError, match=r"a\.npz: no such file; it must be a residual"):
        load_residual(tmp_path / "a.npz")
    with pytest.raises(ResidualError, match="cannot be read: Is a directory"):
        load_residual(tmp_path)
    for content in (b"", b"mass = 1\n", b"\x89HDF", b"PK\x05\x06" + bytes(18)):
        with pytest.raises(ResidualError, match="bus: not a residual file"):
            residual_from_bytes(content, "bus")


def test_another_zip_file_is_no_residual() -> None:
    buffer = io.BytesIO()
    np.savez(buffer, trajectory=np.zeros(3))
    with pytest.raises(ResidualError, match="bus: not a residual file; it holds trajectory"):
        residual_from_bytes(buffer.getvalue(), "bus")


def test_a_packed_file_is_refused_whatever_it_would_unfold_to(data: bytes) -> None:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("format.npy", bytes(10**6))
    with pytest.raises(ResidualError, match="not a residual file"):
        residual_from_bytes(buffer.getvalue(), "bus")


def test_pickled_objects_are_never_loaded(data: bytes) -> None:
    with pytest.raises(ResidualError, match="cut off or damaged"):
        residual_from_bytes(changed(data, center=np.array([print], dtype=object)), "bus")


@pytest.mark.parametrize("share", [0.001, 0.1, 0.5, 0.9, 0.999])
def test_a_file_that_is_cut_off_is_said_to_be(data: bytes, share: float) -> None:
    with pytest.raises(ResidualError, match="bus: cut off or damaged"):
        residual_from_bytes(data[: 4 + int(share * (len(data) - 5))], "bus")


def test_a_flipped_bit_is_an_error_or_changes_nothing(data: bytes) -> None:
    random = np.random.default_rng(0)
    refused = 0
    for at in random.integers(0, len(data), 300):
        damaged = bytearray(data)
        damaged[at] ^= 1 << int(random.integers(8))
        try:
            loaded = residual_from_bytes(bytes(damaged), "bus")
        except ResidualError:
            refused += 1
        else:
            assert residual_bytes(loaded) == data
    assert refused > 150


def test_a_file_of_another_version_is_named(data: bytes) -> None:
    with pytest.raises(ResidualError, match="a residual file of version 2; this program reads version 1"):
        residual_from_bytes(changed(data, format=np.array(2)), "bus")


def test_weights_that_are_not_finite_are_refused(data: bytes) -> None:
    with np.load(io.BytesIO(data)) as loaded:
        weights = loaded["weights"]
    weights[30] = np.nan
    with pytest.raises(ResidualError, match="bus: not a sound residual: Network: layer 2 holds numbers that are not finite"):
        residual_from_bytes(changed(data, weights=weights), "bus")


def test_arrays_of_wrong_shape_type_or_number_are_named(data: bytes) -> None:
    for message, arrays in {
        "7 weights; 3 networks of this shape have 342": {"weights": np.zeros(7, np.float32)},
        "weights is of type float64; it must be float32": {"weights": np.zeros(342)},
        "guard.precision has shape": {"precision": np.eye(2)},
        "density_limit has shape": {"density_limit": np.ones(2)},
        "parameters has shape": {"parameters": np.ones(2)},
        "guard.fade is": {"fade": np.zeros(3)},
        "it lacks center, scale": {"center": None, "scale": None},
    }.items():
        with pytest.raises(ResidualError, match=message):
            residual_from_bytes(changed(data, **arrays), "bus")


def test_metadata_that_cannot_be_right_are_refused(data: bytes) -> None:
    for before, after in {
        '"silu"': '"swish"',
        '"members": 3': '"members": "3"',
        '"members"': '"people"',
        '"conjugate": [1, 0]': '"conjugate": [1, 7]',
        "[3, 5,": "[3, 1e99,",
        '"family": "ensemble"': '"family": 1',
        '{"layers"': '{{"layers"',
        '"metrics": {': '"metrics": 3, "other": {',
    }.items():
        with pytest.raises(ResidualError, match="bus: not a sound residual"):
            residual_from_bytes(with_metadata(data, before, after), "bus")


def test_a_residual_belongs_to_its_robot_equations_parameters_and_port() -> None:
    residual = everything()
    check_belongs(residual, "hövercraft", "0123456789ab", PARAMETERS, PORT)
    within = PARAMETERS.with_values({"drag": 1e-7 * (1 + 1e-10)})
    check_belongs(residual, "hövercraft", "0123456789ab", within, PORT)
    cases = [
        ("a residual of hövercraft cannot correct crane", ("crane", "0123456789ab", PARAMETERS, PORT)),
        ("corrects the equations 0123456789ab; the model has ba98: learn it anew", ("hövercraft", "ba98", PARAMETERS, PORT)),
        (
            r"other parameters \(mass was 0.3, and is 0.4 kg; drag was 1e-07, and is 1.00001e-07 N s/m\): load those",
            ("hövercraft", "0123456789ab", PARAMETERS.with_values({"mass": 0.4, "drag": 1.00001e-7}), PORT),
        ),
        (
            r"it knew no spring, which is 1 N/m; mass was 0.3, and is none; drag was 1e-07, and is none; and 1 more",
            ("hövercraft", "0123456789ab", Parameters((Parameter("spring", 1.0, "N/m"),)), PORT),
        ),
        (
            "has the features vx, vy, Ωz; its port has vx, vz, Ωz",
            ("hövercraft", "0123456789ab", PARAMETERS, replace(PORT, feature_names=("vx", "vz", "Ωz"))),
        ),
        (
            "has the outputs fx, fy; its port has fx, τz",
            ("hövercraft", "0123456789ab", PARAMETERS, replace(PORT, output_names=("fx", "τz"))),
        ),
    ]
    for message, (robot, model_hash, parameters, port) in cases:
        with pytest.raises(ResidualError, match=message):
            check_belongs(residual, robot, model_hash, parameters, port)


def test_a_network_of_three_layers_of_512_comes_back() -> None:
    residual = random_residual(ResidualShape(mlp_shape(12, (512, 512, 512), 6)))
    assert_the_same(residual_from_bytes(residual_bytes(residual), "bus"), residual)
