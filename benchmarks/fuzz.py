"""Damaged inputs, plans, reports and stores: none may lead to anything but a result or one line.

    python -m benchmarks.fuzz --minutes 10 [--seed 0]

Every case takes a good file of one format, damages it with a seeded generator (bytes overwritten,
cut out, doubled, or numbers in it made extreme) and reads it as the commands do, in a worker
process with a limit of memory. A case fails if anything but an error of byheart comes out, if it
takes more than 30 s, or if the worker dies.
"""

from __future__ import annotations

import argparse
import io
import json
import multiprocessing
import os
import resource
import sqlite3
import tempfile
import time
import warnings
from collections import Counter
from collections.abc import Callable
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

import numpy as np

import byheart
from byheart.errors import ByheartError
from byheart.lab.sweeps.plan import Plan
from byheart.lab.sweeps.record import Outcome, Record
from byheart.lab.sweeps.store import Store
from byheart.report.card import model_card
from byheart.report.document import write_json
from byheart.samples import encode_alone, read

SECONDS, ROOM = 30, 64 * 2**20
BEYOND = 2 * ROOM + 250 * 2**20  # of the worker, over what it takes to begin with
PLAN = """[data]
kind = "gaussian"
dimension = 4
[model]
kind = "linear"
[sweep]
n = [8, 16]
repeats = 2
"""


def seeds(folder: Path) -> dict[str, bytes]:
    """Return a good file of every format, by the suffix of its name."""
    import pyarrow as pa
    from PIL import Image
    from pyarrow import parquet
    from safetensors.numpy import save

    rng = np.random.default_rng(0)
    values = rng.normal(size=(20, 3))
    table = pa.table({"a": values[:, 0], "b": ["x", "y"] * 10, "c": np.arange(20) // 7})
    streams = {name: io.BytesIO() for name in ("npy", "npz", "parquet", "png", "jpg", "webp")}
    np.save(streams["npy"], values)
    np.savez_compressed(streams["npz"], a=values)
    parquet.write_table(table, streams["parquet"])
    image = Image.fromarray(rng.integers(0, 255, (9, 8, 3)).astype(np.uint8))
    for kind, form in (("png", "PNG"), ("jpg", "JPEG"), ("webp", "WEBP")):
        image.save(streams[kind], form)
    made = {kind: stream.getvalue() for kind, stream in streams.items()}
    made["safetensors"] = save({"a": values})
    made["csv"] = "\n".join(
        ["a,b", *(f"{a:.3f},x{i % 3}" for i, a in enumerate(values[:, 0]))]
    ).encode()
    made["toml"] = PLAN.encode()
    result = byheart.audit(values, values[::-1] + 0.1, values * 2, permutations=99)
    made["json"] = write_json(result, folder / "seed.json").read_bytes()
    plan = Plan.load(_written(folder / "seed.toml", made["toml"]))
    with Store.open(folder / "seed.sqlite", plan, "") as store:
        for n, repeat in ((8, 0), (8, 1), (16, 0)):
            store.add(Record(n, repeat, Outcome(n > 8, -1.5, 0.25, {"x": 1.5, "y": "inf"})))
    connection = sqlite3.connect(folder / "seed.sqlite")
    connection.execute("PRAGMA journal_mode = DELETE")
    connection.close()
    made["sqlite"] = (folder / "seed.sqlite").read_bytes()
    return made


def damaged(content: bytes, rng: np.random.Generator) -> bytes:
    """Return `content` with one to four pieces of damage."""
    data = bytearray(content)
    for _ in range(rng.integers(1, 5)):
        at, length = int(rng.integers(len(data) or 1)), int(rng.integers(1, 17))
        kind = rng.integers(6)
        if kind == 0:
            data[at : at + length] = rng.bytes(length)
        elif kind == 1:
            data[at : at + 1] = rng.choice([b"\0", b"\xff", b"\x7f", b"\x80", b"\x1b", b"-", b"9"])
        elif kind == 2:
            del data[at : at + length ** int(rng.integers(1, 3))]
        elif kind == 3:
            data[at:at] = data[at : at + length] * int(rng.integers(1, 9))
        elif kind == 4:
            digits = [i for i, byte in enumerate(data) if 48 <= byte < 58] or [at]
            place = digits[int(rng.integers(len(digits)))]
            data[place : place + 1] = rng.choice(
                [b"-1", b"1e400", b"9" * 20, b'"x"', b"null", b"[]"]
            )
        else:
            width = int(rng.choice([2, 4, 8]))
            extreme = (
                int(rng.choice([0, 1, 2**15 - 1])) if rng.integers(2) else 2 ** (8 * width) - 1
            )
            data[at : at + width] = extreme.to_bytes(width, "little" if rng.integers(2) else "big")
    return bytes(data)


def use(kind: str, file: Path) -> Any:
    """Read a file as the commands do."""
    if kind == "toml":
        return Plan.load(file)
    if kind == "json":
        return model_card(file)
    if kind == "sqlite":
        with Store.read(file) as store:
            return store.records()
    folder = kind in ("png", "jpg", "webp")
    return encode_alone(read(file.parent if folder else file, "train", max_memory=ROOM))


def case(kind: str, content: bytes, number: int, seed: int, folder: Path) -> str:
    """Run one case; return "read", "refused", or what went wrong."""
    rng = np.random.default_rng([seed, number])
    place = folder / kind
    place.mkdir(exist_ok=True)
    file = _written(place / f"x.{kind}", damaged(content, rng))
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            use(kind, file)
    except ByheartError as error:
        return "refused" if "\n" not in str(error) else f"{kind} {number}: more than one line"
    except Exception as error:
        return f"{kind} {number}: {type(error).__name__}: {str(error)[:200]}"
    return "read"


def _written(path: Path, content: bytes) -> Path:
    path.write_bytes(content)
    return path


def _work(connection: Connection, seed: int) -> None:
    """Run the cases whose numbers come in, and answer each."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        good = seeds(folder)
        kinds = sorted(good)
        size = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
        resource.setrlimit(resource.RLIMIT_AS, (size + BEYOND, -1))
        while (number := connection.recv()) is not None:
            kind = kinds[number % len(kinds)]
            connection.send((kind, case(kind, good[kind], number, seed, folder)))


def run(cases: Callable[[int], bool], seed: int) -> tuple[int, Counter[str], list[str]]:
    """Run cases 0, 1, … while `cases(number)`; return their number, outcomes and failures."""
    context = multiprocessing.get_context("spawn")
    outcomes: Counter[str] = Counter()
    failures: list[str] = []
    number, worker, ours = 0, None, None
    while cases(number):
        if worker is None:
            ours, theirs = context.Pipe()
            worker = context.Process(target=_work, args=(theirs, seed), daemon=True)
            worker.start()
            theirs.close()
        assert ours is not None
        said = ""
        try:
            ours.send(number)
            said = ours.recv()[1] if ours.poll(SECONDS) else "took more than 30 s"
        except (EOFError, OSError):
            said = "the worker died"
        if said not in ("read", "refused"):
            failures.append(f"case {number}: {said}")
            worker.kill()
            worker.join()
            worker = None
        outcomes[said if said in ("read", "refused") else "failed"] += 1
        number += 1
    if worker is not None:
        worker.kill()
    return number, outcomes, failures


def main() -> None:
    """Run for some minutes and print what came out."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--minutes", type=float, default=1.0)
    parser.add_argument("--seed", type=int, default=0)
    given = parser.parse_args()
    end = time.monotonic() + 60 * given.minutes
    number, outcomes, failures = run(lambda _: time.monotonic() < end, given.seed)
    print(f"{number:,} cases, seed {given.seed}: {json.dumps(outcomes)}")
    print("\n".join(failures))
    raise SystemExit(bool(failures))


if __name__ == "__main__":
    os.environ.setdefault("OMP_NUM_THREADS", "1")
    main()
