"""Queries that read lists of rows: which lists each reads, and the products of both.

For each list, all queries of a chunk that read it are multiplied with its rows at once, tile by
tile as in an exact pass (`tiles`).
"""

from __future__ import annotations

import math
from threading import Lock
from typing import final

import numpy as np
from numpy.typing import NDArray

from byheart.distances.centres import Centres, Scores
from byheart.distances.rows import Rows
from byheart.distances.shortlists import EMPTY, Shortlists, indices, smallest
from byheart.distances.tiles import SPARE, offer_columns, offer_rows, tile_shape

Keys = NDArray[np.int64]


class Grouping:
    """Rows by list: `order` (n,) row numbers, ascending within a list, and where lists `start`."""

    def __init__(self, rows: Rows, lists: NDArray[np.int32], count: int):
        self.rows = rows
        self.order = np.argsort(lists, kind="stable")
        self.sizes = np.bincount(lists, minlength=count)
        self.start = np.concatenate([[0], np.cumsum(self.sizes)])


@final
class Chunk:
    """Some queries and all the lists that they read."""

    def __init__(
        self,
        centres: Centres,
        queries: Rows,
        grouping: Grouping,
        start: int,
        stop: int,
        target: int,
        own: bool,
    ):
        self.centres, self.grouping = centres, grouping
        self.start, self.stop = start, stop
        self.queries, self.target, self.own = queries, target, own
        self.pieces, self.block = tile_shape(queries.shape[1])

    def run(
        self,
        keys: Keys,
        norms: Scores,
        lists: NDArray[np.int32],
        back: Keys | None,
        lock: Lock,
    ) -> None:
        """Fill in short lists, norms and own lists of the queries; add to `back` under the lock.

        The short lists hold places in the grouping's order; those of `back` numbers of queries.
        """
        left = np.empty((self.stop - self.start, self.queries.shape[1] + 2), np.float32)
        readers, read = [], []
        for part, rows, squared in self.centres.prepared(self.queries, self.start, self.stop):
            here = slice(part.start - self.start, part.stop - self.start)
            left[here], norms[here] = rows, squared
            who, which, lists[here] = self._read(rows @ self.centres.right.T)
            readers.append(who + here.start)
            read.append(which)
        which = np.concatenate(read)
        by_list = np.argsort(which, kind="stable")
        who = np.concatenate(readers)[by_list]
        ends = np.concatenate([[0], np.cumsum(np.bincount(which, minlength=self.centres.count))])
        del read, readers, which, by_list
        tile = np.empty(self.pieces * self.block, np.float32)
        mask = np.empty(self.pieces * self.block, bool)
        for number in range(self.centres.count):
            asking = who[ends[number] : ends[number + 1]]
            first, last = self.grouping.start[number : number + 2]
            for at in range(first, last, self.pieces) if len(asking) else ():
                self._meet(
                    at, min(at + self.pieces, last), asking, left, keys, back, lock, tile, mask
                )

    def _read(
        self, scores: Scores
    ) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.int64]]:
        """Return who reads which list, as pairs in two arrays, and the nearest list of each."""
        sizes, count = self.grouping.sizes, scores.shape[1]
        scores = np.where(sizes > 0, scores, np.inf) if (sizes == 0).any() else scores
        nearest = scores.argmin(axis=1)
        guess = min(count, 2 * math.ceil(self.target * count / sizes.sum()) + 8)
        near = np.argpartition(scores, guess - 1, axis=1)[:, :guess]
        if (sizes[near].sum(axis=1) < self.target).any():
            near = np.argsort(scores, axis=1)
        else:
            near = np.take_along_axis(
                near, np.argsort(np.take_along_axis(scores, near, axis=1), axis=1), axis=1
            )
        rows = sizes[near]
        at, place = np.nonzero((np.cumsum(rows, axis=1) - rows < self.target) & (rows > 0))
        return at, near[at, place], nearest

    def _meet(
        self,
        first: int,
        last: int,
        asking: NDArray[np.int64],
        left: Scores,
        keys: Keys,
        back: Keys | None,
        lock: Lock,
        tile_memory: Scores,
        mask_memory: NDArray[np.bool_],
    ) -> None:
        """Meet the queries `asking` with the references first to last of the grouping."""
        members = self.grouping.order[first:last]
        right, _ = self.centres.frame.right(self.grouping.rows[members])
        columns = Shortlists(len(members), 1 + SPARE)
        for at in range(0, len(asking), self.block):
            some = asking[at : at + self.block]
            shape = len(some), len(members)
            tile = tile_memory[: shape[0] * shape[1]].reshape(shape)
            mask = mask_memory[: shape[0] * shape[1]].reshape(shape)
            np.matmul(left[some], right.T, out=tile)
            if self.own:
                rows = some + self.start
                place = np.searchsorted(members, rows)
                place[place == len(members)] = 0
                same = np.flatnonzero(members[place] == rows)
                tile[same, place[same]] = np.inf
            lists = Shortlists(len(some), keys.shape[1])
            lists.load(keys[some])
            lists.prime(tile, 1)
            offer_rows(lists, tile, mask, first)
            keys[some] = lists.keys()
            if back is not None:
                columns.prime(tile, 0)
                offer_columns(columns, tile, mask, at)
        if back is not None:
            met = columns.keys()
            known = met != EMPTY
            met[known] += asking[indices(met[known])] + self.start - indices(met[known])
            with lock:
                back[members] = smallest(
                    np.concatenate([back[members], met], axis=1), back.shape[1]
                )
