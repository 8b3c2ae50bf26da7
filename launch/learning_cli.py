"""The commands about what physics leaves over. As in cli.py, what one needs is imported when it runs."""

from __future__ import annotations

from pathlib import Path

import click

from launch.bounds import SEED
from launch.options import FILE, INPUT_FILE, MARGIN, SHARE, GreedyCommand, endpoint_option, json_option

# As in mpc_controller.learning.options.
_FAMILIES = ("mlp", "ensemble", "gp", "linear", "rff")
_ACTIVATIONS = ("tanh", "softplus", "silu")


@click.command(cls=GreedyCommand, greedy=("--validate", "--range"))
@click.argument("robot")
@click.argument("logs", nargs=-1, metavar="[LOG...]")
@click.option("--validate", multiple=True, metavar="LOG...", help="Judge by these. [default: by the last LOG]")
@click.option("--hold-out", type=SHARE, default=0.0, metavar="SHARE", help="Judge by this last part of every log, too.")
@click.option("--parameters", type=INPUT_FILE, metavar="FILE", help="The identified parameters. [default: the machine's own]")
@click.option("--family", type=click.Choice(_FAMILIES), default="mlp", show_default=True, help="What it is looked for among.")
@click.option("--hidden", default="32,32", show_default=True, metavar="N,N", help="Widths of the hidden layers.")
@click.option("--activation", type=click.Choice(_ACTIVATIONS), default="tanh", show_default=True, help="Of these layers.")
@click.option(
    "--members",
    type=click.IntRange(2, 64),
    metavar="N",
    help="Of an ensemble (6), or, in pairs, for the variance of a gp (none).",
)
@click.option("--basis", type=click.IntRange(1, 4096), default=64, show_default=True, metavar="N", help="Of gp and rff.")
@click.option("--dissipative", is_flag=True, help="It may only take energy out.")
@click.option("--one-step", is_flag=True, help="Do not go on over the horizon.")
@click.option("--epochs", type=click.IntRange(min=1), default=60, show_default=True, metavar="N", help="At most.")
@click.option("--seed", type=click.IntRange(*SEED), default=0, show_default=True, metavar="N", help="Of everything random.")
@click.option("--import", "network", type=INPUT_FILE, metavar="FILE", help="Take this ONNX network instead of training one.")
@click.option(
    "--range",
    "ranges",
    multiple=True,
    metavar="NAME=LOWER:UPPER|FILE...",
    help="Where this network holds, feature by feature, for want of a LOG.",
)
@click.option("--mapping", type=INPUT_FILE, metavar="FILE", help="Columns of the signals. [default: the machine's own]")
@click.option("--keep", multiple=True, metavar="CONDITION", help="Use only samples with it, as in `mpc identify`; repeatable.")
@click.option("--margin", type=MARGIN, default=0.0, metavar="S", help="Leave out so much beside what --keep leaves out, too.")
@click.option("--output", type=FILE, metavar="FILE", help="The residual. [default: ROBOT-residual.npz]")
@click.option("--report", type=FILE, metavar="FILE", help="The report, HTML. [default: beside the residual]")
@click.option("--force", is_flag=True, help="Replace these files where they exist.")
@json_option
def learn(
    robot: str,
    logs: tuple[str, ...],
    validate: tuple[str, ...],
    hold_out: float,
    parameters: Path | None,
    family: str,
    hidden: str,
    activation: str,
    members: int | None,
    basis: int,
    dissipative: bool,
    one_step: bool,
    epochs: int,
    seed: int,
    network: Path | None,
    ranges: tuple[str, ...],
    mapping: Path | None,
    keep: tuple[str, ...],
    margin: float,
    output: Path | None,
    report: Path | None,
    force: bool,
    json: str | None,
) -> int:
    """Learn what the physics of ROBOT leaves over in the LOGs.

    Logs judge that it was not learned from. It prints the errors over the horizon with physics alone and with the residual,
    and writes the residual, for `mpc control --residual`, and a report. One that does not help is marked, and refused there.
    Ctrl-C keeps the best so far.

    \b
      mpc learn quadrotor runs/A.mcap runs/B.mcap --validate runs/C.mcap --parameters identified.toml
      mpc learn quadrotor runs/A.mcap runs/B.mcap --family gp --seed 1
      mpc learn quadrotor runs/A.mcap runs/B.mcap --import net.onnx
      mpc learn quadrotor --import net.onnx --range ranges.toml
    """
    from launch.commands.learn import LearnRequest, learn_machine
    from launch.log_reading import LogOptions
    from mpc_controller.learning.options import Family, LearnOptions
    from mpc_controller.model.residual.network import Activation

    options = LearnOptions(
        family=Family(family),
        hidden=_widths(hidden),
        activation=Activation(activation),
        members=members,
        basis=basis,
        multi_step=not one_step,
        epochs=epochs,
        dissipative=dissipative,
        seed=seed,
    )
    reading = LogOptions(mapping, keep, margin)
    return learn_machine(
        LearnRequest(
            robot, logs, validate, hold_out, options, network, parameters, reading, output, report, force, json, ranges
        )
    )


@click.command()
@click.argument("robot")
@click.argument("file", type=INPUT_FILE)
@endpoint_option
def residual(robot: str, file: Path, endpoint: str | None) -> int:
    """Give the running controller of ROBOT another residual FILE.

    It must have the layers of the one that the controller was started with (`mpc control --residual`), and belong to the same
    parameters. The next plan has it; nothing is compiled.

    \b
      mpc residual quadrotor better.npz
    """
    from launch.commands.residual import swap_residual

    return swap_residual(robot, file, endpoint)


def _widths(text: str) -> tuple[int, ...]:
    """ "32,32" as numbers."""
    try:
        widths = tuple(int(part) for part in text.split(","))
    except ValueError:
        widths = ()
    if not widths or not all(1 <= width <= 4096 for width in widths):
        raise click.BadParameter(f"'{text}' must be widths of layers between 1 and 4096, such as 32,32", param_hint="--hidden")
    return widths
