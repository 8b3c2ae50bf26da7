"""`mpc chaos`: faults on purpose."""

from __future__ import annotations

import click

from launch.options import json_option


@click.command()
@click.argument("faults", nargs=-1, metavar="[FAULT]...")
@click.option("--quick", is_flag=True, help="Each a few times: three minutes in all.")
@json_option
def chaos(faults: tuple[str, ...], quick: bool, json: str | None) -> int:
    """Make faults against real processes, and tell what held.

    Simulators and controllers of their own are started, killed, paused, cut off, flooded and lied to; nothing that runs on this
    machine is touched. Without a name all faults are made but `soak`, which takes an hour. Exit code 1 when something that must
    hold did not.

    \b
      mpc chaos --quick
      mpc chaos killed-controller --json killed.json
    """
    from launch.commands.chaos import chaos as run

    return run(faults, json, is_quick=quick)
