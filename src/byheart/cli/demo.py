"""`byheart demo`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from byheart.cli.arguments import Seed, folder
from byheart.cli.audit import tell, write
from byheart.cli.progress import stages
from byheart.progress import Progress


def demo(
    out: Annotated[Path, typer.Option(help="Folder for the two reports and the data.")] = Path(
        "byheart-demo"
    ),
    seed: Seed = 0,
) -> None:
    """Audit a model that memorizes and one that generalizes, on real digits.

    **Example:** `byheart demo --out my-first-audit`
    """
    import byheart
    from byheart.lab.demo import write_demo

    place = folder(out)
    with stages() as say:
        say(Progress("training two models on 850 digits"))
        data = write_demo(place / "data", seed)
        outcomes = []
        for name in ("memorizing", "generalizing"):
            say(Progress(f"auditing the {name} model"))
            result = byheart.audit(data["train"], data["heldout"], data[name], seed=seed)
            outcomes.append((name, result, write(result, folder(place / name), examples=True)))
    for name, result, page in outcomes:
        tell(result, page, title=f"The {name} model")
