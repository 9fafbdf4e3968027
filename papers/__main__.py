"""The command line of the neighbouring papers' experiments: `python -m papers NAME`.

One command an experiment. What its help says of an extra and of starting again stands in its
`Experiment`, and the extra is asked for by what stands there.
"""

from __future__ import annotations

import sys
from dataclasses import dataclass
from importlib import import_module
from typing import Any, Literal

import typer

from byheart.cli.arguments import Json, TrialEngine, Workers
from byheart.cli.reproduce import Out, Quick, perform
from byheart.cli.status import exit_status

PROGRAM = "python -m papers"

app = typer.Typer(
    name=PROGRAM,
    help="Repeat experiments of papers near arXiv 2411.17807; claims beside what is measured.",
    add_completion=False,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
    rich_markup_mode="markdown",
)


@dataclass(frozen=True)
class Experiment:
    """name: of the command; done by the module of that name. about: a sentence.

    neural: when the extra of that name is needed. again: what a second start with the same folder
    does. trials: it runs trials, on an engine of choice.
    """

    name: str
    about: str
    neural: Literal["always", "without --quick"]
    again: str = "Started again it starts over."
    trials: bool = True

    @property
    def help(self) -> str:
        """What the experiment is, needs, and does when started again."""
        example = f"**Example:** `{PROGRAM} {self.name} --quick`"
        needs = f"Needs the extra `neural`{'' if self.neural == 'always' else ' ' + self.neural}."
        return f"{self.about}\n\n{example}\n\n{needs} {self.again}"

    def start(self, *, quick: bool, **options: Any) -> None:
        """Run it with the options of `perform`; raises MissingExtraError before anything is run."""
        if self.neural == "always" or not quick:
            import_module("byheart.lab.diffusion.neural")
        module = import_module(f"papers.{self.name.replace('-', '_')}")
        perform(module.reproduce, self.name, quick=quick, **options)


EXPERIMENTS = (
    Experiment(
        "geometry",
        "The local dimension of memorized points (arXiv 2411.00113).",
        "without --quick",
        trials=False,
    ),
    Experiment(
        "phases",
        "Memorized, spurious and generalized samples as n grows (arXiv 2505.21777).",
        "without --quick",
        again="Started again with the same folder, its sweeps (kernel densities, networks) go on "
        "where they were; the memories are computed again.",
    ),
    Experiment(
        "extraction",
        "Pulling training points out by surrogate guidance (arXiv 2410.02467).",
        "always",
        again="Started again it starts over, but for the trained network of the full run, which is "
        "read from the folder.",
    ),
    Experiment(
        "regularization",
        "Regularised scores and networks, audited (arXiv 2501.15785).",
        "without --quick",
        again="Started again with the same folder, its sweeps go on where they were; distances of "
        "samples are computed again.",
    ),
    Experiment(
        "halves",
        "Two models on disjoint halves of the data (arXiv 2310.02557).",
        "always",
    ),
    Experiment(
        "training-time",
        "When memorization sets in over a training run (arXiv 2505.17638, 2505.16959).",
        "always",
    ),
    Experiment(
        "isolation",
        "Whether isolated points are memorized first (arXiv 2606.14390).",
        "without --quick",
        trials=False,
    ),
)


def _add(experiment: Experiment) -> None:
    def on_engine(
        quick: Quick = False,
        out: Out = None,
        engine: TrialEngine = "local",
        workers: Workers = None,
        json: Json = False,
    ) -> None:
        experiment.start(quick=quick, out=out, engine=engine, workers=workers, json=json)

    def here(quick: Quick = False, out: Out = None, json: Json = False) -> None:
        experiment.start(quick=quick, out=out, json=json)

    command = on_engine if experiment.trials else here
    app.command(experiment.name, help=experiment.help)(command)


for _experiment in EXPERIMENTS:
    _add(_experiment)


def run(arguments: list[str], debug: bool = False) -> int:
    """Run one experiment and return the exit status, as `byheart` would."""
    command = typer.main.get_command(app)
    return exit_status(
        lambda: command(arguments or ["--help"], PROGRAM, standalone_mode=False),
        debug,
        program=PROGRAM,
    )


if __name__ == "__main__":
    sys.exit(run([a for a in sys.argv[1:] if a != "--debug"], "--debug" in sys.argv))
