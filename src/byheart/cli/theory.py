"""`byheart theory`."""

from __future__ import annotations

from typing import Annotated

import typer

from byheart.cli.arguments import Json
from byheart.errors import UsageError
from byheart.report.screen import echo

_LARGEST, _MOST = 10**12, 10**5  # of n, and how many of them


def theory(
    dimension: Annotated[int, typer.Option("--dimension", "-d", help="Dimension of a point.")],
    sizes: Annotated[
        list[str],
        typer.Option("-n", metavar="N|START:STOP:COUNT", help="Training points; may be repeated."),
    ],
    time: Annotated[float, typer.Option(help="Diffusion time T.")] = 2.0,
    noise_scale: Annotated[float, typer.Option(help="Noise scale lambda.")] = 1.0,
    json: Json = False,
) -> None:
    """Solve the linear one-step diffusion model of arXiv 2411.17807 in closed form.

    **Example:** `byheart theory -d 100 -n 150 -n 300 --time 2 --noise-scale 1`
    """
    from byheart.lab.theory.solvable_model import LinearOneStep
    from byheart.report.theory import prediction_json, prediction_table

    model = LinearOneStep(dimension, time, noise_scale)
    predictions = model.predict([n for text in sizes for n in _sizes(text)])
    if json:
        echo(prediction_json(predictions))
    else:
        prediction_table(predictions)


def _sizes(text: str) -> list[int]:
    """Read "300" or "110:2000:1000" (start:stop:count, both ends included)."""
    try:
        parts = [int(part) for part in text.split(":")]
    except ValueError:
        parts = []
    if any(part > _LARGEST for part in parts) or parts[2:] > [_MOST]:
        raise UsageError(f"-n {text[:40]}: up to {_MOST:,} numbers up to {_LARGEST:,}")
    if len(parts) == 1:
        return parts
    if len(parts) != 3 or parts[2] < 2 or parts[1] <= parts[0]:
        raise UsageError(
            f"-n {text[:40]}: write a number, or START:STOP:COUNT such as 110:2000:1000"
        )
    start, stop, count = parts
    return [start + round(i * (stop - start) / (count - 1)) for i in range(count)]
