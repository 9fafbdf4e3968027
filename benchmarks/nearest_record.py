"""Distance to the closest record at 5,000 rows, against the DCR measures of SDMetrics.

    BYHEART_PEER_PYTHON=PYTHON python -m benchmarks.nearest_record [--quick]

SDMetrics (which may need other versions of numpy and pandas) runs in the interpreter that
BYHEART_PEER_PYTHON names, or in this one if it is installed here; the seconds are those of its
calls without its imports. Both DCR measures on one numeric table: DCROverfittingProtection (nearest
training and nearest held-out row of every generated row, and the share that is nearer to T) and
DCRBaselineProtection (median distance to the nearest training row, of generated rows and of uniform
random ones). byheart: the same, from the same data frames, with the columns scaled by their range;
it measures Euclidean distances where SDMetrics adds up absolute differences. Then a whole audit of
the same tables, which says more.
"""

from __future__ import annotations

import argparse
import importlib.util
import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np
import pandas as pd

from benchmarks.claims import Claim, Ratio, exponent, in_turn, machine, seconds, show
from byheart.auditing.protocol import audit
from byheart.distances.neighbours import two_way

MODULE = "nearest_record"
VARIABLE = "BYHEART_PEER_PYTHON"
COLUMNS, FASTER = 8, 50.0
ROLES = ("train", "heldout", "generated")

PEER = """
import inspect, json, sys, time, warnings
warnings.simplefilter("ignore")
import pandas as pd
from sdmetrics.single_table import DCRBaselineProtection, DCROverfittingProtection
t, h, g = (pd.read_csv(f"{sys.argv[1]}/{role}.csv") for role in ("train", "heldout", "generated"))
metadata = {"columns": {name: {"sdtype": "numerical"} for name in t}}
more = {}
if "table_name" in inspect.signature(DCRBaselineProtection.compute_breakdown).parameters:
    metadata, more = {"tables": {"rows": metadata}}, {"table_name": "rows"}
start = time.perf_counter()
found = DCROverfittingProtection.compute_breakdown(t, g, h, metadata, **more)
DCRBaselineProtection.compute_breakdown(t, g, metadata, **more)
print(json.dumps([time.perf_counter() - start,
                  found["synthetic_data_percentages"]["closer_to_training"]]))
"""


def peer_python() -> str | None:
    """Return the interpreter that has SDMetrics, or None."""
    if importlib.util.find_spec("sdmetrics") is not None:
        return sys.executable
    return os.environ.get(VARIABLE)


def tables(rows: int) -> dict[str, pd.DataFrame]:
    rng = np.random.default_rng(rows)
    names = [f"c{i}" for i in range(COLUMNS)]
    mixing = rng.normal(size=(COLUMNS, COLUMNS))
    return {
        role: pd.DataFrame(rng.normal(size=(rows, COLUMNS)) @ mixing, columns=names)
        for role in ROLES
    }


def measures(frames: dict[str, pd.DataFrame]) -> tuple[float, float]:
    """Return the share of generated rows nearer to T than to H, and the baseline protection."""
    t, h, g = (frames[role].to_numpy(np.float64) for role in ROLES)
    low, high = t.min(axis=0), t.max(axis=0)
    t, h, g = ((x - low) / (high - low) for x in (t, h, g))
    random = np.random.default_rng(0).random(t.shape)
    to_train = two_way(g, t, 1).forward.distances
    nearer = float(np.mean(to_train < two_way(g, h, 1).forward.distances))
    baseline = np.median(to_train) / np.median(two_way(random, t, 1).forward.distances)
    return nearer, float(baseline)


def run_peer(python: str, folder: Path) -> tuple[float, float]:
    """Return the seconds of both measures of SDMetrics, and its share nearer to T."""
    done = subprocess.run(
        [python, "-W", "ignore", "-c", PEER, str(folder)],
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode:
        raise SystemExit(f"{python} cannot run SDMetrics: {done.stderr.strip().splitlines()[-1]}")
    took, share = json.loads(done.stdout.strip().splitlines()[-1])
    return took, share


def compare(rows: int, python: str, rounds: int) -> tuple[Ratio, Ratio, float]:
    """Return how much longer SDMetrics takes than the measures and than an audit; its seconds."""
    frames = tables(rows)
    three = [frames[role] for role in ROLES]
    ours, audits, theirs = [], [], []
    with tempfile.TemporaryDirectory() as name:
        for role, frame in frames.items():
            frame.to_csv(Path(name) / f"{role}.csv", index=False)
        measures(frames)
        for _ in range(rounds):
            once = in_turn({"measures": lambda: measures(frames)}, 3)["measures"]
            ours.append(float(np.median(once)))
            theirs.append(run_peer(python, Path(name))[0])
            audits.append(seconds(lambda: audit(*three)))
    return Ratio.of(theirs, ours), Ratio.of(theirs, audits), float(np.median(theirs))


def claims(quick: bool) -> list[Claim]:
    python = peer_python()
    if python is None:
        took = float(np.median(in_turn({"": lambda: measures(tables(5_000))}, 3)[""]))
        peer = f"SDMetrics ({VARIABLE} names no interpreter that has it)"
        claim = f"the DCR measures at 5,000 rows at least {FASTER:g} times as fast"
        return [Claim(claim, peer, f"{took:.2f} s", None, MODULE)]
    found = []
    for rows in (500, 1_000) if quick else (1_000, 2_500, 5_000):
        ratio, whole, took = compare(rows, python, 1 if rows > 1_000 or quick else 3)
        peer = f"SDMetrics, {took:.1f} s"
        found.append(
            Claim(
                f"the DCR measures at {rows:,} rows, at least {FASTER:g} times as fast",
                peer,
                f"{ratio} times as fast; a whole audit {whole} times",
                ratio.value >= FASTER,
                MODULE,
            )
        )
    sizes = (1_000, 2_000, 4_000) if quick else (2_500, 5_000, 10_000, 20_000)
    frames = [tables(rows) for rows in sizes]
    grown = exponent(sizes, [[seconds(lambda f=f: measures(f)) for f in frames] for _ in range(3)])
    found.append(
        Claim(
            f"the DCR measures grow at most as n^2.05, n = {sizes[0]:,} to {sizes[-1]:,}",
            "all pairs, n^2",
            f"exponent {grown}",
            grown.value <= 2.05,
            MODULE,
        )
    )
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--quick", action="store_true", help="1,000 rows")
    quick = parser.parse_args().quick
    print(machine())
    show(claims(quick))


if __name__ == "__main__":
    main()
