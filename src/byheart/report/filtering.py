"""`byheart filter`: the generated set without the rows that a report lists."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from byheart.errors import InputError
from byheart.report.document import printable, read_json
from byheart.samples import fingerprint
from byheart.samples.without import write_without


@dataclass(frozen=True)
class Filtered:
    """What was written, and what it is not."""

    path: Path
    rows: int  # that the generated set had
    dropped: int
    verbatim: int  # of those dropped, equal to a training row
    tested: bool  # whether the report had a held-out set

    def sentences(self) -> tuple[str, ...]:
        """Return what was done, and what has to follow."""
        kept = self.rows - self.dropped
        what = "copy a training row" if self.tested else "are equal to a training row"
        return (
            f"{self.dropped:,} of {self.rows:,} generated rows {what} "
            f"({self.verbatim:,} verbatim) and were left out; {kept:,} are in {self.path}",
            "This cleans the samples, not the model. The clean set is not certified: the list was "
            "made with these held-out rows, so audit it on new ones before you call it clean: "
            f"byheart audit --train TRAIN --heldout NEW --generated {self.path}",
        )


def filter_generated(report: Path, generated: str, out: Path) -> Filtered:
    """Write the set at `generated` without the copying rows of the report at `report`.

    Raises InputError when the set is not the one that the report was made of, and the errors of
    `read_json` and `write_without`.
    """
    result = read_json(report)
    entry = result.inputs["generated"]
    assert entry is not None  # the schema asks for it
    if entry.path is None:
        raise InputError(
            f"{report}: made of an array in memory; drop its rows in Python: "
            "np.delete(generated, [r.generated_index for r in result.copying_rows], axis=0)"
        )
    if fingerprint(generated) != entry.sha256:
        raise InputError(
            f"generated ({generated}): not the set that {report} was made of, which was "
            f"{printable(entry.path)}; give that one, unchanged"
        )
    if "::" in entry.path and "::" not in generated:
        generated += "::" + entry.path.rpartition("::")[2]
    rows = result.copying_rows
    drop = {row.generated_index for row in rows}
    path = write_without(generated, drop, entry.rows, out)
    return Filtered(
        path, entry.rows, len(drop), sum(row.verbatim for row in rows), result.copies is not None
    )
