"""The reference of the Python interface, from signatures, fields and docstrings."""

from __future__ import annotations

import dataclasses
import inspect
import re
from importlib import import_module
from types import ModuleType
from typing import Any, NamedTuple

from docsite.markdown import docstring, escaped


class Page(NamedTuple):
    """A page: its title, what stands above, and (module, names) in order; () for all public."""

    title: str
    opening: str
    parts: tuple[tuple[str, tuple[str, ...]], ...]


PAGES = {
    "reference/python.md": Page(
        "Python: audit and monitor",
        "`import byheart` loads nothing heavy; each name is loaded when it is first used. Roles "
        "always come in the order train, heldout, generated.",
        (
            (
                "byheart",
                (
                    "audit",
                    "AuditResult",
                    "MemorizationMonitor",
                    "ByheartError",
                    "InputError",
                    "UsageError",
                    "MissingExtraError",
                ),
            ),
            (
                "byheart.auditing.result",
                (
                    "InputSet",
                    "Test",
                    "Delta",
                    "DeltaCurve",
                    "Copies",
                    "CopiedPair",
                    "Membership",
                    "Controls",
                    "ControlTest",
                    "Comparability",
                    "Independence",
                    "Duplicates",
                    "Planted",
                    "Approximation",
                    "Recall",
                    "Metric",
                    "Evidence",
                    "Match",
                ),
            ),
            ("byheart.auditing.metrics.phases", ("phases", "Phases")),
            ("byheart.auditing.metrics.extraction", ("extraction_scores", "ExtractionScores")),
            (
                "byheart.auditing.metrics.memorization_divergence",
                ("memorization_divergence", "separated_divergence"),
            ),
            ("byheart.monitoring.result", ()),
        ),
    ),
    "reference/lab.md": Page(
        "Python: transition lab",
        "What `byheart sweep`, `transition`, `forecast` and `reproduce` call.",
        (
            ("byheart.lab.sweeps.plan", ("Plan", "Measure")),
            ("byheart.lab.sweeps.sweep", ("sweep", "engine_named")),
            ("byheart.lab.sweeps.engines", ("Engine", "SerialEngine", "ProcessEngine", "Trial")),
            ("byheart.lab.sweeps.ray_engine", ("RayEngine",)),
            ("byheart.lab.sweeps.store", ("Store",)),
            ("byheart.lab.sweeps.record", ()),
            ("byheart.progress", ()),
            ("byheart.lab.transition.analysis", ("analyse",)),
            ("byheart.lab.transition.result", ()),
            ("byheart.lab.sweeps.parameter", ("Parameter", "parameter_of")),
            ("byheart.lab.transition.thresholds", ()),
            (
                "byheart.lab.transition.phase_curve",
                ("phase_curve", "PhaseCurve", "PhasePoint", "MeanShare"),
            ),
            ("byheart.lab.forecast", ()),
            ("byheart.lab.measures.halves", ()),
            ("byheart.lab.measures.training_time", ()),
            ("byheart.lab.measures.coverage_score", ("coverage_score", "CoverageScore", "Area")),
            ("byheart.lab.attacks.extraction", ("extract", "held_out_radius")),
            ("byheart.lab.attacks.extraction_result", ()),
        ),
    ),
    "reference/theory.md": Page(
        "Python: theory",
        "Closed forms. The derivations are on the pages "
        "[the solvable model](../explanation/solvable-model.md) and "
        "[the forecast](../explanation/forecast.md).",
        tuple(
            (f"byheart.lab.theory.{name}", ())
            for name in (
                "solvable_model",
                "transition",
                "gaussians",
                "random_matrix",
                "linear_model",
                "forecast",
                "spectrum",
                "effective_noise",
                "agreement",
                "associative_memory",
            )
        ),
    ),
    "reference/diffusion.md": Page(
        "Python: diffusion models",
        "Denoisers with a formula, schedules and samplers. A sampler knows a denoiser and a "
        "schedule, nothing else.",
        (
            ("byheart.lab.diffusion.denoisers", ()),
            ("byheart.lab.diffusion.regularised", ()),
            ("byheart.lab.diffusion.isotropic_mixture", ()),
            ("byheart.lab.diffusion.guidance", ()),
            ("byheart.lab.diffusion.one_step", ()),
            ("byheart.lab.diffusion.samplers", ()),
            ("byheart.lab.diffusion.schedules", ()),
            ("byheart.lab.diffusion.start", ()),
            (
                "byheart.lab.diffusion.dimension",
                ("flipd", "DimensionCurve", "normal_bundle", "NormalBundle"),
            ),
            ("byheart.lab.diffusion.hessian", ("spectral_dimension", "SpectralDimension")),
            ("byheart.lab.diffusion.circle", ()),
            ("byheart.lab.measures.geometry", ()),
            ("byheart.auditing.metrics.geometry", ("judge", "PointVerdict")),
        ),
    ),
    "reference/samples.md": Page(
        "Python: samples and distances",
        "How sets are read and made comparable, and how distances are computed. See also "
        "[precision](../explanation/precision.md).",
        (
            (
                "byheart.samples",
                (
                    "read",
                    "encode",
                    "encode_alone",
                    "fingerprint",
                    "Samples",
                    "ArraySamples",
                    "TableSamples",
                    "Encoded",
                ),
            ),
            ("byheart.distances.neighbours", ()),
            ("byheart.distances.kernels", ()),
            ("byheart.lab.measures.isolation", ()),
            ("byheart.lab.measures.relative", ()),
            ("byheart.distances.dimension", ()),
            ("byheart.intervals", ()),
        ),
    ),
    "reference/plotting.md": Page(
        "Python: charts",
        "",
        (
            ("byheart.plotting", ()),
            ("byheart.plotting.graph", ("Graph", "Series")),
            ("byheart.plotting.table", ()),
        ),
    ),
}


def pages() -> dict[str, str]:
    """Return path -> Markdown of every page of the Python reference."""
    return {path: _page(page) for path, page in PAGES.items()}


def _page(page: Page) -> str:
    # Who searches wants the guides first.
    out = ["---\nsearch:\n  boost: 0.5\n---\n", f"# {page.title}\n", page.opening + "\n"]
    for module_name, names in page.parts:
        module = import_module(module_name)
        out.append(f"## {module_name}\n")
        if not names:
            names = public_names(module)
            out.append(docstring(module.__doc__ or "") + "\n")
        out += [_entry(name, getattr(module, name)) for name in names]
    return "\n".join(out)


def public_names(module: ModuleType) -> tuple[str, ...]:
    """Return the documented classes and functions that are the module's own, in its order.

    >>> import byheart.errors
    >>> public_names(byheart.errors)[:2]
    ('ByheartError', 'InputError')
    """
    if hasattr(module, "__all__"):
        names = [n for n in module.__all__ if callable(getattr(module, n))]
    else:
        names = [
            name
            for name, value in vars(module).items()
            if not name.startswith("_")
            and (inspect.isclass(value) or inspect.isfunction(value))
            and value.__module__ == module.__name__
        ]
    return tuple(names)


def _entry(name: str, value: Any, prefix: str = "", level: int = 3) -> str:
    out = [f"{'#' * level} {prefix}{name}\n", f"```python\n{_signature(name, value)}\n```\n"]
    out.append(docstring(value.__doc__ or "") + "\n")
    if inspect.isclass(value):
        out.append(_fields(value))
        for member_name, member in vars(value).items():
            if member_name.startswith("_"):
                continue
            if isinstance(member, property):
                text = docstring(member.__doc__ or "").replace("\n", "\n    ")
                out.append(f"`{prefix}{name}.{member_name}` *property*\n:   {text}\n")
            elif isinstance(member, staticmethod | classmethod) or inspect.isfunction(member):
                function = getattr(value, member_name)
                out.append(_entry(member_name, function, f"{prefix}{name}.", level + 1))
    return "\n".join(out)


def _signature(name: str, value: Any) -> str:
    try:
        signature = inspect.signature(value)
    except (TypeError, ValueError):
        return name
    if inspect.isclass(value) and issubclass(value, Exception):
        return f"class {name}({', '.join(base.__name__ for base in value.__bases__)})"
    empty = inspect.Parameter.empty
    words = []
    star = False
    for parameter in signature.parameters.values():
        if parameter.name == "self":
            continue
        if parameter.kind is parameter.KEYWORD_ONLY and not star:
            words.append("*")
            star = True
        kinds = {parameter.VAR_POSITIONAL: "*", parameter.VAR_KEYWORD: "**"}
        word = kinds.get(parameter.kind, "") + parameter.name
        star = star or parameter.kind is parameter.VAR_POSITIONAL
        if parameter.annotation is not empty:
            word += f": {_annotation(parameter.annotation)}"
        if parameter.default is not empty:
            default = repr(parameter.default)
            word += f" = {'...' if '<' in default else default}"
        words.append(word)
    keyword = "class " if inspect.isclass(value) else "def "
    back = ""
    if not inspect.isclass(value) and signature.return_annotation is not empty:
        back = f" -> {_annotation(signature.return_annotation)}"
    line = f"{keyword}{name}({', '.join(words)}){back}"
    if len(line) <= 80:
        return line
    return f"{keyword}{name}(\n    " + ",\n    ".join(words) + f",\n){back}"


def _annotation(annotation: Any) -> str:
    text = annotation if isinstance(annotation, str) else inspect.formatannotation(annotation)
    return re.sub(r"\b(byheart|numpy|collections)(\.\w+)*\.(?=\w)", "", text)


def _fields(value: Any) -> str:
    """Return the fields of a dataclass with the comments that stand beside them."""
    if not dataclasses.is_dataclass(value):
        return ""
    comments = dict(
        re.findall(r"^    (\w+): [^#\n]*#\s*(.+)$", inspect.getsource(value), re.MULTILINE)
    )
    noted = [f for f in dataclasses.fields(value) if f.name in comments]
    return "".join(f"`{f.name}`\n:   {escaped(comments[f.name])}\n\n" for f in noted)
