"""The three sets of an audit as they were read: their rows, their origin, their memory."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from byheart.auditing.memory import Audit
from byheart.auditing.result import InputSet
from byheart.auditing.settings import Settings
from byheart.distances.rows import Rows, Source
from byheart.errors import InputError
from byheart.samples import ArraySamples, Encoded, Samples, fingerprint, read

MINIMUM_ROWS = 10


@dataclass(frozen=True)
class Sets:
    """The three sets as they were read."""

    train: Samples
    heldout: Samples | None
    generated: Samples

    @classmethod
    def read(
        cls,
        train: Any,
        heldout: Any,
        generated: Any,
        settings: Settings,
    ) -> Sets:
        """Read the sets; what cannot be mapped has to fit into `max_memory` bytes together.

        Rows of tables are named by the column `id` where there is one.
        """

        def load(source: Any, role: str, taken: int) -> Samples:
            room = settings.max_memory - taken
            samples = read(source, role, image_size=settings.image_size, max_memory=room)
            return samples if settings.id is None else samples.named_by(settings.id)

        first = load(train, "train", 0)
        second = None if heldout is None else load(heldout, "heldout", first.held)
        taken = first.held + (0 if second is None else second.held)
        return cls(first, second, load(generated, "generated", taken))

    def require_rows(self) -> None:
        """Refuse sets that are too small for any answer."""
        for samples in (self.train, self.heldout, self.generated):
            if samples is not None and samples.rows < MINIMUM_ROWS:
                raise InputError(
                    f"{samples.role}: {samples.rows} rows in {samples.path or 'the array'}; an "
                    f"audit needs at least {MINIMUM_ROWS} rows in each set, some hundreds to decide"
                )

    def require_unchanged(self) -> None:
        """Refuse an audit of files that were written to while it ran."""
        for samples in (self.train, self.heldout, self.generated):
            if samples is None or samples.path is None:
                continue
            if fingerprint(samples.path) != samples.sha256:
                raise InputError(
                    f"{samples.where}: has changed while it was audited; audit a copy that nothing "
                    f"writes to"
                )

    def sizes(self, encoded: Encoded, neighbours: int, permutations: int) -> Audit:
        """Return what decides the memory of an audit of these sets, as encoded."""
        heldout_rows = 0 if encoded.heldout is None else len(encoded.heldout)
        return Audit(
            len(encoded.train),
            heldout_rows,
            len(encoded.generated),
            encoded.train.shape[1],
            encoded.train.dtype.itemsize,
            neighbours,
            permutations,
            sum(
                samples.held + _beside(samples, rows)
                for samples, rows in (
                    (self.train, encoded.train),
                    (self.heldout, encoded.heldout),
                    (self.generated, encoded.generated),
                )
                if samples is not None and rows is not None
            ),
            columns=len(encoded.spans) if heldout_rows else 0,
        )

    def described(self, dimension: int) -> dict[str, InputSet | None]:
        """Return where each set came from; `dimension` is that of the feature vectors."""
        return {
            role: None
            if samples is None
            else InputSet(samples.path, samples.sha256, samples.rows, dimension, samples.dtype)
            for role, samples in (
                ("train", self.train),
                ("heldout", self.heldout),
                ("generated", self.generated),
            )
        }


def _beside(samples: Samples, rows: Rows) -> int:
    """Bytes that encoded rows take beside the set as it was read."""
    if isinstance(rows, Source):
        return 0
    same = isinstance(samples, ArraySamples) and np.may_share_memory(rows, samples.values)
    return 0 if same else rows.nbytes
