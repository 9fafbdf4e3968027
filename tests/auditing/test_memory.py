"""The memory limit of an audit: kept, computed beforehand, and without influence on the result."""

import os
import re
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

import byheart
from byheart import UsageError
from byheart.auditing import delta
from byheart.auditing.memory import Audit, Budget
from byheart.cli import run
from byheart.samples import encoding
from byheart.threads import ENVIRONMENT

ROLES = ("train", "heldout", "generated")
linux = pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")


def save(folder, sets):
    paths = []
    for role, values in zip(ROLES, sets, strict=True):
        np.save(folder / f"{role}.npy", values)
        paths.append(str(folder / f"{role}.npy"))
    return paths


def normal_sets(rows, dimension, seed=0):
    rng = np.random.default_rng(seed)
    return [rng.standard_normal((count, dimension), dtype=np.float32) for count in rows]


def images(seed):
    rng = np.random.default_rng(seed)
    sets = [rng.integers(0, 256, size=(n, 3, 9, 8), dtype=np.uint8) for n in (150, 120, 90)]
    sets[2][:20] = sets[0][:20]
    return sets


def mixed(seed):
    train, heldout, generated = normal_sets((150, 120, 90), 30, seed)
    heldout[:5] = train[:5]
    return [np.asfortranarray(train, dtype=np.float64), heldout, generated.astype(">f4")]


@pytest.mark.parametrize("make", [lambda seed: normal_sets((150, 120, 90), 30), images, mixed])
def test_the_result_does_not_depend_on_the_limit(make, tmp_path, monkeypatch):
    sets = make(3)
    ample = byheart.audit(*sets, permutations=99)
    monkeypatch.setattr(encoding, "_SMALL", 0)  # cast nothing beforehand
    dimension = int(np.prod(sets[0].shape[1:]))
    sizes = Audit(*(len(x) for x in sets), dimension, 4, 32, 99)
    assert Budget.of(sizes.minimum(), sizes).spare == 0  # no row is copied into memory
    tight = byheart.audit(*save(tmp_path, sets), permutations=99, max_memory=sizes.minimum())
    assert replace(tight, inputs=ample.inputs) == ample
    np.testing.assert_array_equal(
        [m.real for m in tight.evidence.train_matches],
        [m.real for m in ample.evidence.train_matches],
    )


def peak(paths, limit, permutations, *, approximate=False):
    """Return the largest anonymous resident memory of an audit in a process of its own, in bytes.

    The peaks that the system keeps (ru_maxrss, VmHWM) count the pages of mapped files, which are
    given back whenever somebody needs them. RssAnon leaves them out and is polled from outside,
    every few milliseconds, so that the audit itself is not disturbed. The process has as many BLAS
    threads as a user's, each with its buffers.
    """
    code = (
        f"import byheart; byheart.audit(*{paths}, max_memory={limit}, permutations={permutations}, "
        f"approximate={approximate})"
    )
    status, highest = 0, 0
    environment = {name: value for name, value in os.environ.items() if name not in ENVIRONMENT}
    with subprocess.Popen([sys.executable, "-c", code], env=environment) as process:
        while process.poll() is None:
            text = Path(f"/proc/{process.pid}/status").read_text(encoding="utf-8")
            found = re.search(r"RssAnon:\s+(\d+) kB", text)
            highest = max(highest, int(found[1]) * 1024 if found else 0)
            time.sleep(0.003)
        status = process.returncode
    assert status == 0
    return highest


@linux
@pytest.mark.slow
def test_an_audit_of_more_than_256_mib_stays_within_256_mib(tmp_path):
    limit = 256 << 20
    paths = save(tmp_path, normal_sets((600, 600, 13_000), 4800))
    assert sum(Path(path).stat().st_size for path in paths) > limit
    assert peak(paths, limit, 99) <= limit


@linux
@pytest.mark.parametrize(
    ("rows", "dimension"),
    [((40, 40, 40), 3), ((300, 300, 300), 4096), ((4000, 2000, 6000), 16)],
)
@pytest.mark.slow
def test_the_stated_minimum_is_enough_and_not_far_above_the_peak(rows, dimension, tmp_path):
    least = Audit(*rows, dimension, 4, 32, 99).minimum()
    highest = peak(save(tmp_path, normal_sets(rows, dimension)), least, 99)
    # What may stay unused: of the 80 MiB for the process all but about 35, the 24 that a search
    # keeps for its candidates, and a short peak that the polling misses.
    assert 0 <= least - highest <= 96 << 20


@linux
@pytest.mark.slow
def test_the_stated_minimum_of_an_approximate_audit_is_enough(tmp_path):
    rows, dimension = (900, 700, 600), 200
    least = Audit(*rows, dimension, 4, 32, 99, approximate=True).minimum()
    assert least > Audit(*rows, dimension, 4, 32, 99).minimum()
    paths = save(tmp_path, normal_sets(rows, dimension))
    assert 0 <= least - peak(paths, least, 99, approximate=True) <= 128 << 20


def test_the_minimum_grows_with_every_size_and_the_budget_adds_up():
    base = Audit(4000, 4000, 4000, 100, 4, 32, 999)
    for name, more in {
        "train_rows": 80_000,
        "heldout_rows": 80_000,
        "generated_rows": 80_000,
        "dimension": 10_000,
        "k": 1000,
        "permutations": 10**5,
        "held": 1 << 20,
    }.items():
        assert replace(base, **{name: more}).minimum() > base.minimum(), name
    for limit in (base.minimum(), 1 << 30):
        budget = Budget.of(limit, base)
        assert budget.search > 0
        assert base.beside_searches() + budget.search + budget.spare == limit


def test_a_limit_too_small_names_one_that_does(tmp_path, capsys):
    paths = save(tmp_path, normal_sets((40, 40, 40), 3))
    with pytest.raises(UsageError, match="too small for 80 real and 40 generated rows") as error:
        byheart.audit(*paths, max_memory="1MiB")
    assert "\n" not in str(error.value)
    least = str(error.value).split("--max-memory ")[1]
    byheart.audit(*paths, max_memory=least, permutations=99)
    options = [x for role, p in zip(ROLES, paths, strict=True) for x in (f"--{role}", p)]
    out = ["--out", str(tmp_path / "report"), "--max-memory", "1MiB"]
    assert run(["audit", *options, *out]) == 2
    told = capsys.readouterr().err
    assert told.count("\n") == 1
    assert f"--max-memory {least}" in told


def test_sets_that_cannot_be_mapped_are_counted_together(tmp_path):
    sets = normal_sets((3000, 3000, 3000), 100)  # 1.2 MB each
    for role, values in zip(ROLES, sets, strict=True):
        np.savez(tmp_path / f"{role}.npz", values)
    paths = [tmp_path / f"{role}.npz" for role in ROLES]
    with pytest.raises(UsageError, match=r"^generated .*takes 1.1 MiB of memory, and 0.6 MiB of"):
        byheart.audit(*paths, max_memory=3_000_000)
    held = sum(values.nbytes for values in sets)
    least = Audit(3000, 3000, 3000, 100, 4, 32, 99, held).minimum()
    with pytest.raises(UsageError, match=r"\(4 MiB for what \.npy files .* --max-memory"):
        byheart.audit(*paths, max_memory=least - 1, permutations=99)


def test_blocks_do_not_change_delta(bench, monkeypatch):
    forward, among = bench.distances.table.forward, bench.distances.among_real
    arguments = forward, among, bench.pool.training, 0.7, 5
    whole = delta.l2_contributions(*arguments)
    monkeypatch.setattr(delta, "_BLOCK", 7)
    # Sums of up to 3,500 positive terms in another order: relative 3500 * 2^-53, cancelled by the
    # difference of two sums of order 1.
    np.testing.assert_allclose(delta.l2_contributions(*arguments), whole, atol=1e-12)
