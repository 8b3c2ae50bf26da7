"""`mpc keys`: who may come to a robot's bus from other machines."""

from __future__ import annotations

from pathlib import Path

import click

from launch.options import FILE

_ROLES = ("controller", "operator", "observer")  # as in mpc_controller.bus.keys
_folder_option = click.option(
    "--keys",
    "folder",
    type=FILE,
    envvar="MPC_KEYS",
    metavar="FOLDER",
    help="The plant's folder of keys. [default: $MPC_KEYS, else ~/.config/mpc_controller/keys]",
)


@click.group()
def keys() -> None:
    """Keys for robots that are reached over a network.

    Beyond one machine everything is encrypted and authenticated (CURVE), and a key has a role: a controller plans, an operator
    says what is wanted and may stop and release, an observer listens. On the robot:

    \b
      mpc keys init
      mpc keys add laptop --role controller      writes laptop.key; carry it to the laptop, over a safe way
      mpc drive arm arm.toml --endpoint tcp://0.0.0.0:5555 --keys ~/.config/mpc_controller/keys
    and on the laptop
      mpc control arm --endpoint tcp://robot.lan:5555 --keys laptop.key
    """


@keys.command()
@_folder_option
def init(folder: Path | None) -> int:
    """Make the plant's own pair of keys, in a folder of its own."""
    from launch.commands.keys import init as run

    return run(folder)


@keys.command()
@click.argument("name")
@click.option("--role", type=click.Choice(_ROLES), required=True, help="What it is for.")
@click.option(
    "--public", metavar="KEY", help="Authorize this public key, of a pair that exists elsewhere, instead of a new one."
)
@click.option("--output", type=FILE, metavar="FILE", help="The new key's file. [default: NAME.key here]")
@_folder_option
def add(name: str, role: str, public: str | None, output: Path | None, folder: Path | None) -> int:
    """Authorize a key called NAME, and write its file for whoever it is for.

    A running plant lets it in at once.
    """
    from launch.commands.keys import add as run

    return run(folder, name, role, public, output)


@keys.command("list")
@_folder_option
def list_(folder: Path | None) -> int:
    """Show the plant's public key, and who is authorized."""
    from launch.commands.keys import list_keys

    return list_keys(folder)


@keys.command()
@click.argument("name")
@_folder_option
def revoke(name: str, folder: Path | None) -> int:
    """Take NAME's authorization back.

    A running plant hears nothing from it any more; it hears the plant until its connection ends.
    """
    from launch.commands.keys import revoke as run

    return run(folder, name)
