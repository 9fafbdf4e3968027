"""The command line: arguments in, one call, result out; no logic.

Results go to stdout, progress and messages to stderr. Exit status: 0 done; 1 the condition of
--fail-on holds, or verify found a difference; 2 bad usage or input; 3 internal error; 130
interrupted.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from byheart.errors import ByheartError, UsageError

if TYPE_CHECKING:
    from byheart.auditing.result import AuditResult

app = typer.Typer(
    name="byheart",
    help="Has a generative model learned its training data by heart?",
    add_completion=True,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
    rich_markup_mode="markdown",
)


# Options that stand in several commands.
Seed = Annotated[int, typer.Option(help="Seed of every random choice.")]
Json = Annotated[bool, typer.Option("--json", help="Print JSON, nothing else.")]
Ignore = Annotated[
    list[str] | None, typer.Option(metavar="COLUMN", help="Table column to leave out.")
]
ImageSize = Annotated[
    int | None, typer.Option(help="Bring images of different sizes to this square.")
]
Device = Annotated[
    str, typer.Option(metavar="cpu|cuda|cuda:N", help="Where a model of --features runs.")
]
TrialEngine = Annotated[
    str, typer.Option(metavar="serial|process|ray", help="Where the trials run.")
]
Workers = Annotated[int | None, typer.Option(help="Trials at a time; by default one a core.")]


class Experiment(StrEnum):
    """Experiments of arXiv 2411.17807; NAME is done by byheart.lab.reproduction.NAME."""

    linear = "linear"
    unet = "unet"


class FailOn(StrEnum):
    """Outcomes that can make the command exit with 1."""

    copies = "copies"
    traces = "traces"
    memorizes = "memorizes"
    inconclusive = "inconclusive"


class Metrics(StrEnum):
    """Which figures stand beside the verdict."""

    tables = "tables"
    all = "all"


@app.command()
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

    folder = _folder(out)
    with _progress() as say:
        say("training two models on 850 digits")
        data = write_demo(folder / "data", seed)
        outcomes = []
        for name in ("memorizing", "generalizing"):
            say(f"auditing the {name} model")
            result = byheart.audit(data["train"], data["heldout"], data[name], seed=seed)
            outcomes.append((name, result, _write(result, _folder(folder / name), examples=True)))
    for name, result, page in outcomes:
        _tell(result, page, title=f"The {name} model")


@app.command()
def audit(
    train: Annotated[str, typer.Option(help="Samples the model was trained on.")],
    generated: Annotated[str, typer.Option(help="Samples that the model generated.")],
    heldout: Annotated[
        str | None, typer.Option(help="Samples of the same origin that the model never saw.")
    ] = None,
    out: Annotated[Path, typer.Option(help="Folder for report.json and report.html.")] = Path(
        "byheart-report"
    ),
    seed: Seed = 0,
    level: Annotated[float, typer.Option(help="Level of the test and of all bounds.")] = 0.05,
    fdr: Annotated[float, typer.Option(help="False discovery rate of the copied points.")] = 0.1,
    tolerance: Annotated[
        float, typer.Option(help="Share of training points that may leave a trace.")
    ] = 0.01,
    resolution: Annotated[
        float, typer.Option(help="Largest undetectable share of copies that still clears a model.")
    ] = 0.05,
    permutations: Annotated[int, typer.Option(help="Random relabellings.")] = 999,
    features: Annotated[
        str,
        typer.Option(
            metavar="raw|hf:FOLDER_OR_NAME|FILE.onnx|MODULE:FUNCTION", help="What to compare."
        ),
    ] = "raw",
    device: Device = "cpu",
    feature_cache: Annotated[
        Path | None, typer.Option(metavar="DIR", help="Keep the vectors of --features here.")
    ] = None,
    groups: Annotated[
        str | None,
        typer.Option(metavar="COLUMN|FILE", help="Rows that belong together."),
    ] = None,
    ignore: Ignore = None,
    image_size: ImageSize = None,
    fail_on: Annotated[
        str,
        typer.Option(metavar="copies,traces,memorizes,inconclusive", help="Exit with 1 on these."),
    ] = "",
    max_memory: Annotated[
        str,
        typer.Option(
            metavar="SIZE",
            help="Memory of the audit, such as 256MiB, beside the pages of mapped .npy files; "
            "the result does not depend on it.",
        ),
    ] = "1GiB",
    engine: Annotated[
        str,
        typer.Option(
            metavar="serial|ray",
            help="Where neighbours are found: here, or on the Ray cluster at RAY_ADDRESS (else a "
            "local one), each task within --max-memory; the result is the same.",
        ),
    ] = "serial",
    approximate: Annotated[
        bool,
        typer.Option(
            "--approximate",
            help="Look for neighbours in an index instead of among all rows, for sets too large "
            "for that: the p-value stays exact, the recall is measured and reported.",
        ),
    ] = False,
    metrics: Annotated[
        Metrics,
        typer.Option(help="Figures beside the verdict: of the audit's own tables, or all."),
    ] = Metrics.tables,
    examples: Annotated[
        bool, typer.Option(help="Show real values and file names in the report.")
    ] = True,
    json: Annotated[bool, typer.Option("--json", help="Print report.json, nothing else.")] = False,
) -> None:
    """Audit generated samples against training and held-out ones.

    **Example:** `byheart audit --train train.npy --heldout heldout.npy --generated samples.npy`

    A set of samples is a .npy, .npz, .csv, .parquet or .safetensors file (FILE::KEY when it holds
    several arrays) or a folder of images.
    """
    import byheart
    from byheart.report.document import without_examples

    conditions = _conditions(fail_on)
    folder = _folder(out)
    with _progress() as say:
        result = byheart.audit(
            train,
            heldout,
            generated,
            seed=seed,
            level=level,
            fdr=fdr,
            tolerance=tolerance,
            resolution=resolution,
            permutations=permutations,
            features=features,
            device=device,
            feature_cache=feature_cache,
            groups=groups,
            ignore=tuple(ignore or ()),
            image_size=image_size,
            max_memory=max_memory,
            engine=engine,
            approximate=approximate,
            metrics=metrics.value,
            progress=say,
        )
        pages = _write(result, folder, examples=examples)
    if json:
        typer.echo((folder / "report.json").read_text(encoding="utf-8"), nl=False)
    else:
        _tell(result if examples else without_examples(result), pages)
    if conditions & {result.verdict, result.kind}:
        raise typer.Exit(1)


@app.command()
def compare(
    reports: Annotated[
        list[Path], typer.Argument(metavar="A.json B.json ...", help="Two report.json or more.")
    ],
    out: Annotated[Path, typer.Option(help="Folder for compare.html.")] = Path("byheart-compare"),
    json: Json = False,
) -> None:
    """Put several audits side by side, and say what makes the comparison unfair.

    **Example:** `byheart compare step-1000/report.json step-2000/report.json`

    For checkpoints, models, or sizes of the training set; sorted as given.
    """
    from byheart.report.comparison import as_json
    from byheart.report.comparison import compare as put_side_by_side
    from byheart.report.comparison_page import render, write_html

    comparison = put_side_by_side(reports)
    page = write_html(comparison, _folder(out) / "compare.html")
    if json:
        typer.echo(as_json(comparison))
    else:
        render(comparison, page)


@app.command()
def card(
    report: Annotated[Path, typer.Argument(help="A report.json.")],
) -> None:
    """Print an audit as Markdown for a model card.

    **Example:** `byheart card byheart-report/report.json`
    """
    from byheart.report.card import model_card

    typer.echo(model_card(report), nl=False)


@app.command()
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
        typer.echo(prediction_json(predictions))
    else:
        prediction_table(predictions)


@app.command()
def forecast(
    data: Annotated[str, typer.Option(help="Samples of the data, in any format of audit.")],
    seed: Seed = 0,
    noise_floor: Annotated[
        float | None,
        typer.Option(help="Variance at which sampling stops, in squared units of the data."),
    ] = None,
    ignore: Ignore = None,
    image_size: ImageSize = None,
    json: Annotated[bool, typer.Option("--json", help="Print the forecast as JSON.")] = False,
) -> None:
    """Say how many rows a linear model needs to learn data of this covariance.

    **Example:** `byheart forecast --data train.npy`

    A floor from second moments, not a promise for a neural network. It predicts from half of the
    data what all of it then shows, and prints both.
    """
    from json import dumps

    from byheart.lab.forecast import forecast_samples
    from byheart.report.forecast import describe

    with _progress() as say:
        say("forecasting")
        made = forecast_samples(
            data,
            seed=seed,
            noise_floor=noise_floor,
            ignore=tuple(ignore or ()),
            image_size=image_size,
        )
    if json:
        typer.echo(dumps(made.to_dict(), indent=2, allow_nan=False))
    else:
        for line in describe(made):
            typer.echo(line)


@app.command()
def sweep(
    plan: Annotated[Path, typer.Argument(metavar="PLAN.toml", help="What to train and measure.")],
    store: Annotated[Path, typer.Option(help="SQLite file of the records; made when missing.")],
    engine: TrialEngine = "process",
    workers: Workers = None,
    retry_errors: Annotated[
        bool, typer.Option("--retry-errors", help="Run trials again that ended in an error.")
    ] = False,
    json: Annotated[bool, typer.Option("--json", help="Print the counts as JSON.")] = False,
) -> None:
    """Train a model many times on training sets of growing size, and keep what comes out.

    **Example:** `byheart sweep plan.toml --store linear.sqlite`

    What the store has is not run again: after Ctrl-C, or worse, the same command goes on.
    `byheart transition linear.sqlite` reads the store.
    """
    from byheart.lab.sweeps.plan import Plan
    from byheart.lab.sweeps.sweep import engine_named
    from byheart.lab.sweeps.sweep import sweep as run_sweep
    from byheart.report.sweep import progress_bar, summary, summary_json

    chosen = Plan.load(plan)
    with progress_bar() as update:
        records = run_sweep(
            chosen,
            store,
            engine=engine_named(engine, workers),
            retry_errors=retry_errors,
            progress=lambda *state: update(plan.name, *state),
        )
    if json:
        typer.echo(summary_json(chosen, records))
    else:
        summary(chosen, records, store)


@app.command()
def transition(
    store: Annotated[Path, typer.Argument(metavar="STORE.sqlite", help="Records of a sweep.")],
    out: Annotated[Path, typer.Option(help="Folder for transition.html.")] = Path(
        "byheart-transition"
    ),
    records: Annotated[
        Path | None, typer.Option(help="Write the records too: a .csv or .parquet file.")
    ] = None,
    level: Annotated[float, typer.Option(help="Probability that an interval misses.")] = 0.05,
    seed: Annotated[int, typer.Option(help="Seed of the bootstrap.")] = 0,
    json: Json = False,
) -> None:
    """Say where a model stops memorizing as its data grow, and whether it gets better there.

    **Example:** `byheart transition linear.sqlite --out linear`

    Reads the store of `byheart sweep`, which need not be finished. If the sweep is over a parameter
    of the model, it says from which value on the verdict is `generalizes`, and at what cost.
    """
    from json import dumps

    from byheart.lab.sweeps.store import Store
    from byheart.lab.transition.analysis import analyse
    from byheart.report.transition import render, write_html

    with Store.read(store) as kept:
        plan = kept.plan
        made = kept.records()
        if records is not None:
            kept.export(records)
    found = analyse(made, plan, level=level, seed=seed)
    page = write_html(found, plan, _folder(out) / "transition.html", source=store.name)
    if json:
        typer.echo(dumps(found.to_dict(), indent=2, allow_nan=False))
    else:
        render(found, plan, page)


@app.command()
def reproduce(
    experiment: Annotated[Experiment, typer.Argument(help="Which experiment.")],
    quick: Annotated[
        bool, typer.Option("--quick", help="Fewer runs and variants: minutes.")
    ] = False,
    out: Annotated[
        Path | None,
        typer.Option(help="Folder; by default byheart-EXPERIMENT, and -quick with --quick."),
    ] = None,
    engine: TrialEngine = "process",
    workers: Workers = None,
    json: Json = False,
) -> None:
    """Repeat an experiment of a paper and put its claims beside what is measured.

    **Example:** `byheart reproduce linear --quick`

    Started again with the same folder it goes on where it was. `unet` and `extraction` need the
    extra `neural`, and so do `phases`, `isolation` and `regularization` without --quick.
    """
    from importlib import import_module

    from byheart.lab.reproduction.reproduction import Laboratory
    from byheart.lab.sweeps.sweep import engine_named
    from byheart.report.reproduction import render, write_html, write_json
    from byheart.report.sweep import progress_bar

    default = f"byheart-{experiment.value}{'-quick' if quick else ''}"
    folder = _folder(out or Path(default))
    with progress_bar() as update:
        laboratory = Laboratory(folder, engine_named(engine, workers), update)
        module = import_module(f"byheart.lab.reproduction.{experiment.name}")
        result = module.reproduce(laboratory, quick=quick)
    data = write_json(result, folder / f"{experiment.value}.json")
    page = write_html(result, folder / f"{experiment.value}.html")
    if json:
        typer.echo(data.read_text(encoding="utf-8"), nl=False)
    else:
        render(result, page)


@app.command()
def verify(
    report: Annotated[Path, typer.Argument(help="A report.json.")],
    features: Annotated[
        str, typer.Option(help="The report's --features; never taken from the report.")
    ] = "raw",
    device: Device = "cpu",
    feature_cache: Annotated[
        Path | None, typer.Option(metavar="DIR", help="The --feature-cache of the audit.")
    ] = None,
    groups: Annotated[
        str | None, typer.Option(help="The report's --groups, when it was a file.")
    ] = None,
    max_memory: Annotated[
        str, typer.Option(help="Memory of the audit; the result does not depend on it.")
    ] = "1GiB",
) -> None:
    """Hash the inputs of a report again, repeat the audit, compare.

    **Example:** `byheart verify byheart-report/report.json`
    """
    from byheart.report.verification import verify as check

    with _progress() as say:
        differences = check(
            report,
            features=features,
            device=device,
            feature_cache=feature_cache,
            groups=groups,
            max_memory=max_memory,
            progress=say,
        )
    if differences:
        for difference in differences:
            typer.echo(difference)
        raise typer.Exit(1)
    typer.echo(f"{report}: the inputs are unchanged and the audit comes out the same")


def main() -> None:
    """Run the command line and exit with its status."""
    debug = "--debug" in sys.argv
    arguments = [a for a in sys.argv[1:] if a != "--debug"]
    sys.exit(run(arguments, debug))


def run(arguments: list[str], debug: bool = False) -> int:
    """Run one command and return its exit status; with `debug` errors keep their traceback."""
    try:
        command = typer.main.get_command(app)
        status = int(command(arguments or ["--help"], "byheart", standalone_mode=False) or 0)
        return _complain("interrupted", 130) if status == 130 else status
    except (typer.Abort, KeyboardInterrupt):  # which of these it is depends on typer's version
        return _complain("interrupted", 130)
    except BrokenPipeError:  # the reader of our output has gone: nothing is wrong here
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    except Exception as error:
        if debug:
            raise
        if isinstance(error, ByheartError):
            return _complain(str(error), 2)
        if hasattr(error, "format_message"):  # a usage error of click, which typer may bundle
            return _complain(f"{error.format_message()} (byheart COMMAND --help)", 2)
        message = f"internal error: {type(error).__name__}: {error} (--debug shows where)"
        return _complain(message, 3)


def _complain(message: str, status: int) -> int:
    typer.echo("byheart: " + " ".join(message.split()), err=True)
    return status


def _conditions(text: str) -> set[str | None]:
    known = [f.value for f in FailOn]
    chosen: set[str | None] = {word.strip() for word in text.split(",") if word.strip()}
    for word in sorted(str(w) for w in chosen - set(known)):
        raise UsageError(f"--fail-on {word}: choose from {', '.join(known)}")
    return chosen


def _sizes(text: str) -> list[int]:
    """Read "300" or "110:2000:1000" (start:stop:count, both ends included)."""
    try:
        parts = [int(part) for part in text.split(":")]
    except ValueError:
        parts = []
    if len(parts) == 1:
        return parts
    if len(parts) != 3 or parts[2] < 2 or parts[1] <= parts[0]:
        raise UsageError(f"-n {text}: write a number, or START:STOP:COUNT such as 110:2000:1000")
    start, stop, count = parts
    return [start + round(i * (stop - start) / (count - 1)) for i in range(count)]


def _folder(path: Path) -> Path:
    try:
        path.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise UsageError(
            f"--out {path}: cannot be made a folder ({error.strerror}); name another one"
        ) from None
    return path


def _write(result: AuditResult, folder: Path, *, examples: bool) -> Path:
    from byheart.report.document import write_json
    from byheart.report.page import write_html

    write_json(result, folder / "report.json", examples=examples)
    return write_html(result, folder / "report.html", examples=examples)


def _tell(result: AuditResult, page: Path, title: str | None = None) -> None:
    from byheart.report.terminal import render

    render(result, page, title)


@contextmanager
def _progress() -> Iterator[Callable[[str], Any]]:
    """Show the current stage on stderr while it is a terminal; otherwise stay quiet."""
    if not sys.stderr.isatty():
        yield lambda stage: None
        return
    from rich.console import Console

    with Console(stderr=True).status("starting") as status:
        yield lambda stage: status.update(stage)
