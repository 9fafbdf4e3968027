"""`byheart forecast`."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from byheart.cli.arguments import Json, with_settings
from byheart.cli.progress import stages
from byheart.escapes import visible
from byheart.progress import Progress
from byheart.report.screen import echo


@with_settings(["seed", "ignore", "image_size"])
def forecast(
    data: Annotated[str, typer.Option(help="Samples of the data, in any format of audit.")],
    noise_floor: Annotated[
        float | None,
        typer.Option(help="Variance at which sampling stops, in squared units of the data."),
    ] = None,
    json: Json = False,
    **given: Any,
) -> None:
    """Say how many rows a linear model needs to learn data of this covariance.

    **Example:** `byheart forecast --data train.npy`

    A floor from second moments, not a promise for a neural network. It predicts from half of the
    data what all of it then shows, and prints both.
    """
    from json import dumps

    from byheart.lab.forecast import forecast_samples
    from byheart.report.forecast import describe

    with stages() as say:
        say(Progress("forecasting"))
        given["ignore"] = tuple(given["ignore"] or ())
        made = forecast_samples(data, noise_floor=noise_floor, **given)
    if json:
        echo(dumps(made.to_dict(), indent=2, allow_nan=False))
    else:
        for line in describe(made):
            echo(visible(line))
