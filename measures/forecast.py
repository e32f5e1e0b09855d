"""How long measuring will take: a model of the engine's costs, fitted to small runs of the engine on this machine.

The runs are of made-up layers, under the very measures that are asked for. What tiles cost is then a sum: of words read
and multiplied, of layers prepared, of pairs compared, each with the powers of its widths that its algebra has.
"""

from __future__ import annotations

import itertools
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from layeratlas.measures.declaration import Measure
from layeratlas.measures.tiles import Pair
from layeratlas.store.progress import Progress

if TYPE_CHECKING:
    from layeratlas.measures.engine import How

Clock = Callable[[], float]
_MEDIUM, _LARGE = 512, 1024  # neurons from which a run is made three times, or once: it wavers less the longer it takes
_CUBIC = 3.3  # the power of decompositions: a little more than 3, since large matrices leave the cache

#: Small runs: layers, neurons, words. The largest take a few seconds on one core.
RUNS = (
    (2, 64, 1024), (8, 64, 1024), (32, 64, 2048), (24, 96, 4096), (16, 128, 4096), (2, 256, 1024), (6, 256, 1024),
    (6, 256, 8192), (2, 512, 2048), (4, 512, 2048), (3, 512, 8192), (2, 1024, 2048), (3, 1024, 4096), (2, 2048, 4096),
)  # fmt: skip


@dataclass(frozen=True)
class Work:
    """One tile: layers of these widths, pairs of places among them, and how many words each layer has."""

    units: Sequence[int]
    pairs: Sequence[Pair]
    words: int

    def terms(self) -> npt.NDArray[np.float64]:  # [terms]
        """Return what its seconds are a sum of, each to be multiplied by a rate that is the machine's.

        A layer's own squares take as long as a product with another: half the operations, in float64. Told apart, and
        with a term more a layer, the runs' own wavering decided which term got what.
        """
        own = np.array(self.units, np.float64)
        a, b = (own[[pair[end] for pair in self.pairs]] for end in (0, 1))
        small = np.minimum(a, b)
        return np.array([
            1, self.words * own.sum(), self.words * ((own**2).sum() + (a * b).sum()), (own**_CUBIC).sum(),
            len(self.pairs), (a * b).sum(), (a * b * small ** (_CUBIC - 2)).sum(),
        ])  # fmt: skip


@dataclass(frozen=True)
class Rates:
    """Seconds of each term, on this machine and under some measures."""

    seconds: npt.NDArray[np.float64]  # [terms]

    def of(self, work: Work) -> float:
        """Return how many seconds a tile takes."""
        return float(self.seconds @ work.terms())


def calibrate(measures: Sequence[Measure], how: How, progress: Progress, *, clock: Clock = time.perf_counter) -> Rates:
    """Time small runs, and fit the rates to them, so that each run is met by about the same share of its time.

    Of several times of a run the second shortest counts: what disturbs a run only makes it longer.
    """
    from scipy.optimize import nnls

    terms, taken = [], []
    with progress.task("calibrating on this machine", len(RUNS)) as advance:
        run(measures, how, *RUNS[0])  # what is imported and set up once
        for layers, neurons, words in RUNS:
            terms.append(work_of(layers, neurons, words).terms())
            times = 1 if neurons >= _LARGE else 3 if neurons >= _MEDIUM else 7
            found = sorted(run(measures, how, layers, neurons, words, clock=clock) for _ in range(times))
            taken.append(found[min(1, times - 1)])
            advance(1)
    weighed = np.array(terms) / np.array(taken)[:, None]
    largest = np.abs(weighed).max(axis=0)
    rates, _ = nnls(weighed / largest, np.ones(len(taken)))
    return Rates(rates / largest)


def work_of(layers: int, neurons: int, words: int) -> Work:
    """Return the work of all pairs of some layers of one width."""
    return Work([neurons] * layers, list(itertools.combinations(range(layers), 2)), words)


def run(
    measures: Sequence[Measure], how: How, layers: int, neurons: int, words: int, *, clock: Clock = time.perf_counter
) -> float:
    """Return the seconds that the engine takes for all pairs of made-up layers, whose spectra fall as real ones do."""
    from layeratlas.measures.engine import compare_pairs
    from layeratlas.measures.sources.activations import ArrayRows

    rng = np.random.default_rng(0)
    scale = np.arange(1, neurons + 1, dtype=np.float32) ** -0.8
    common = rng.standard_normal((words, neurons), dtype=np.float32) * scale
    turns = rng.standard_normal((layers, neurons, neurons), dtype=np.float32) / np.float32(neurons) ** 0.5
    noise = np.float32(0.05)
    sources = [
        ArrayRows(str(index), common @ turn + noise * rng.standard_normal((words, neurons), dtype=np.float32))
        for index, turn in enumerate(turns)
    ]
    began = clock()
    for _ in compare_pairs("activations", sources, list(itertools.combinations(range(layers), 2)), measures, how):
        pass
    return clock() - began
