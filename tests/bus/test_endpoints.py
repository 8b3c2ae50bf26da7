"""From an address to two endpoints, and addresses that are refused."""

import os
from pathlib import Path

import pytest

from mpc_controller.bus.endpoints import BusError, Endpoints, default_address


def test_an_ipc_address_gives_two_socket_files() -> None:
    endpoints = Endpoints.of("ipc:///run/bus/quadrotor")
    assert endpoints == Endpoints("ipc:///run/bus/quadrotor.out", "ipc:///run/bus/quadrotor.in")
    assert endpoints.paths == (Path("/run/bus/quadrotor.out"), Path("/run/bus/quadrotor.in"))


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost"])
def test_a_tcp_address_gives_a_port_and_the_next(host: str) -> None:
    assert Endpoints.of(f"tcp://{host}:5555") == Endpoints("tcp://127.0.0.1:5555", "tcp://127.0.0.1:5556")


@pytest.mark.parametrize("host", ["192.168.0.7", "0.0.0.0", "*", "robot.example", "[::1]", "eth0"])
def test_tcp_beyond_loopback_is_refused(host: str) -> None:
    with pytest.raises(BusError, match=r"only loopback addresses .* are allowed without keys"):
        Endpoints.of(f"tcp://{host}:5555")


@pytest.mark.parametrize("port", ["", "0", "65535", "70000", "-1", "http", "²", "1" * 5000])
def test_a_port_without_a_next_one_is_refused(port: str) -> None:
    with pytest.raises(BusError, match=r"a port in 1\.\.65534"):
        Endpoints.of(f"tcp://127.0.0.1:{port}")


@pytest.mark.parametrize("address", ["", "quadrotor", "udp://127.0.0.1:5", "inproc://x", "ipc:/x"])
def test_other_schemes_are_refused_with_those_that_are_valid(address: str) -> None:
    with pytest.raises(BusError, match="expected ipc:///absolute/path or tcp"):
        Endpoints.of(address)


@pytest.mark.parametrize("address", ["ipc://relative", "ipc://@abstract", "ipc:///folder/", "ipc://"])
def test_an_ipc_path_must_be_absolute_and_name_a_file(address: str) -> None:
    with pytest.raises(BusError, match="must be absolute and name a file"):
        Endpoints.of(address)


def test_an_ipc_path_longer_than_the_kernel_allows_is_refused() -> None:
    longest = "/" + "a" * 102
    assert Endpoints.of(f"ipc://{longest}").out.endswith(".out")
    with pytest.raises(BusError, match=r"108 bytes long; ipc allows 107"):
        Endpoints.of(f"ipc://{longest}a")


def test_the_default_is_in_the_runtime_folder(tmp_path: Path) -> None:
    address = default_address("arm", {"XDG_RUNTIME_DIR": str(tmp_path)})
    assert address == f"ipc://{tmp_path}/mpc_controller/arm"


@pytest.mark.parametrize("value", ["", "relative", "/nowhere/at/all"])
def test_without_a_runtime_folder_the_default_is_a_folder_of_the_user(value: str) -> None:
    assert default_address("arm", {"XDG_RUNTIME_DIR": value}) == f"ipc:///tmp/mpc_controller-{os.getuid()}/arm"


def test_a_default_folder_that_others_may_use_is_refused(tmp_path: Path) -> None:
    folder = tmp_path / "mpc_controller"
    folder.mkdir()
    folder.chmod(0o755)
    with pytest.raises(BusError, match="not a folder that you alone may use"):
        default_address("arm", {"XDG_RUNTIME_DIR": str(tmp_path)})
    folder.chmod(0o700)
    assert default_address("arm", {"XDG_RUNTIME_DIR": str(tmp_path)})


def test_a_default_folder_that_is_a_link_is_refused(tmp_path: Path) -> None:
    (tmp_path / "elsewhere").mkdir(mode=0o700)
    (tmp_path / "mpc_controller").symlink_to(tmp_path / "elsewhere")
    with pytest.raises(BusError, match="not a folder that you alone may use"):
        default_address("arm", {"XDG_RUNTIME_DIR": str(tmp_path)})
