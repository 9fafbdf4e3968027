"""The house rules that a test can see: imports go down, heavy parts load late, names are public."""

import ast
import subprocess
import sys
from contextlib import suppress
from importlib import import_module
from pathlib import Path
from pkgutil import walk_packages

import pytest

import byheart
from byheart import pages

SOURCE = Path(byheart.__file__).parent
FLOORS = [  # from the ground up; rooms on one floor do not know each other
    {"errors", "_version", "pages", "escapes"},
    {"_check", "files", "numbers"},
    {"intervals", "progress", "threads"},
    {"cluster"},
    {"distances"},
    {"samples"},
    {"features"},
    {"auditing"},
    {"monitoring"},
    {"plotting"},
    {"lab"},
    {"report", "integrations"},
    {"cli"},
    {"__main__"},
]
FLOOR = {room: height for height, rooms in enumerate(FLOORS) for room in rooms}
MODULES = sorted(SOURCE.rglob("*.py"))


def imported_rooms(path: Path) -> set[str]:
    rooms = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        names = []
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: relative import"
            names = [node.module or ""]
            if node.module == "byheart":
                names = [f"byheart.{alias.name}" for alias in node.names]
                above = {alias.name for alias in node.names} - FLOOR.keys()
                assert not above, f"{path}: {above} of the root, which stands above all rooms"
        for name in names:
            parts = name.split(".")
            if parts[0] == "byheart" and len(parts) > 1 and parts[1] in FLOOR:
                rooms.add(parts[1])
    return rooms


@pytest.mark.parametrize("path", MODULES, ids=lambda p: str(p.relative_to(SOURCE)))
def test_imports_go_down(path):
    relative = path.relative_to(SOURCE).as_posix()
    room = relative.split("/")[0].removesuffix(".py")
    if room == "__init__":
        return
    assert room in FLOOR, f"{relative} has no floor in the design"
    for other in imported_rooms(path) - {room}:
        assert FLOOR[other] < FLOOR[room], f"{relative} imports {other}"


def test_every_writer_stands_where_the_root_says():
    for writer in pages.WRITERS.values():
        module, name = writer.split(":")
        assert callable(getattr(import_module(module), name))


def imported_modules(path: Path) -> set[Path]:
    """Return the files of this package that a file imports, lazily and for types too."""
    files = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            files |= {_file(alias.name) for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            # A name is a module of the package, or it stands in the package's own file.
            parts = {_file(f"{node.module}.{alias.name}") for alias in node.names}
            files |= {_file(node.module)} if None in parts else parts
    return {file for file in files if file is not None}


def _file(name: str) -> Path | None:
    first, *rest = name.split(".")
    place = SOURCE.joinpath(*rest)
    found = [file for file in (place.with_suffix(".py"), place / "__init__.py") if file.exists()]
    return found[0] if first == "byheart" and rest and found else None


def test_no_module_imports_itself_by_a_detour():
    graph = {path: imported_modules(path) - {path} for path in MODULES}
    while leaves := {path for path, others in graph.items() if not others & graph.keys()}:
        for path in leaves:
            del graph[path]
    assert not graph, sorted(str(path.relative_to(SOURCE)) for path in graph)


@pytest.mark.parametrize("path", MODULES, ids=lambda p: str(p.relative_to(SOURCE)))
def test_nothing_unpickles_or_evaluates(path):
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name):
            assert node.func.id not in {"eval", "exec"}, path
        if isinstance(node, (ast.Import, ast.ImportFrom)):
            names = [alias.name for alias in node.names] + [getattr(node, "module", "") or ""]
            assert not {"pickle", "dill", "joblib", "shelve"} & set(names), path
        if isinstance(node, ast.Call):
            for keyword in node.keywords:
                if keyword.arg == "allow_pickle":
                    assert isinstance(keyword.value, ast.Constant)
                    assert keyword.value.value is False, path


def run(code: str) -> str:
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=120
    )
    return done.stdout


def test_the_package_and_its_help_load_no_heavy_part():
    heavy = {"torch", "ray", "altair", "pandas", "sklearn", "pyarrow", "scipy", "numpy", "PIL"}
    assert run(f"import byheart, sys; print({heavy} & set(sys.modules))").strip() == "set()"
    code = f"from byheart.cli import run; import sys; run([]); print({heavy} & set(sys.modules))"
    assert run(code).strip().endswith("set()")


def test_an_audit_loads_no_heavy_part_and_no_report():
    code = (
        "import byheart, numpy as np, sys\n"
        "rng = np.random.default_rng(0)\n"
        "byheart.audit(*(rng.normal(size=(20, 2)) for _ in range(3)), permutations=99)\n"
        "heavy = ('scipy.stats', 'sklearn', 'pydantic', 'torch', 'altair', 'byheart.report')\n"
        "print([name for name in heavy if name in sys.modules])"
    )
    assert run(code).strip() == "[]"


def test_audit_and_monitor_load_nothing_of_the_lab():
    code = (
        "import byheart, numpy as np, sys\n"
        "train, heldout, generated = np.random.default_rng(0).normal(size=(3, 20, 2))\n"
        "byheart.audit(train, heldout, generated, permutations=99)\n"
        "byheart.MemorizationMonitor(train, heldout, samples=20).observe(1, generated)\n"
        "print([name for name in sys.modules if name.startswith('byheart.lab')])"
    )
    assert run(code).strip() == "[]"


def test_diffusion_needs_torch_for_its_networks_only():
    code = (
        "import byheart.lab.diffusion, sys\n"
        "assert 'torch' not in sys.modules\n"
        "sys.modules['torch'] = None\n"  # as if it were not installed
        "for module in ('neural', 'training'):\n"
        "    try:\n"
        "        __import__(f'byheart.lab.diffusion.{module}')\n"
        "    except byheart.MissingExtraError as error:\n"
        "        print(error)\n"
    )
    assert run(code).count('pip install "byheart[neural]"\n') == 2


def test_public_names_exist_and_hide_no_module():
    for module in walk_packages([str(SOURCE)], "byheart."):
        if module.name == "byheart.__main__":  # it runs
            continue
        with suppress(byheart.MissingExtraError):
            import_module(module.name)
    submodules = {m.stem for m in SOURCE.glob("*.py")} | {m.name for m in SOURCE.iterdir()}
    for name in byheart.__all__:
        assert getattr(byheart, name) is not None
        assert name not in submodules
    assert callable(byheart.audit)
    with pytest.raises(AttributeError):
        _ = byheart.nonsense
