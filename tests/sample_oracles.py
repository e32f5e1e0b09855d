"""Every measure of a sample of words in float64, written the slow, obvious way."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import numpy.typing as npt
import scipy.linalg
import scipy.stats
from scipy.spatial.distance import pdist, squareform

Matrix = npt.NDArray[np.float64]
_MASK = 2**64 - 1


def mixed(x: int) -> int:
    """The last step of SplitMix64 in whole numbers."""
    x = ((x ^ (x >> 30)) * 0xBF58476D1CE4E5B9) & _MASK
    x = ((x ^ (x >> 27)) * 0x94D049BB133111EB) & _MASK
    return x ^ (x >> 31)


def draw(total: int, words: int, seed: int) -> list[int]:
    """The words whose mixed numbers are least, in their order."""
    gold = 0x9E3779B97F4A7C15
    start = mixed((seed + gold) & _MASK)
    keys = {index: mixed((((index + 1) * gold) & _MASK) ^ start) for index in range(total)}
    return sorted(sorted(keys, key=lambda index: keys[index])[:words])


def sampled(a: Matrix, b: Matrix, words: int, seed: int) -> tuple[Matrix, Matrix]:
    chosen = draw(len(a), words, seed)
    return a.astype(np.float64)[chosen], b.astype(np.float64)[chosen]


def dissimilarities(x: Matrix, metric: str, centred: bool = False) -> Matrix:  # [pairs of words]
    return pdist(x - x.mean(axis=0) if centred and metric in ("cosine", "correlation") else x, metric)


def cosine(x: Matrix, y: Matrix) -> float:
    return float((x * y).sum() / np.sqrt((x * x).sum() * (y * y).sum()))


def doubly_centred(matrix: Matrix) -> Matrix:
    words = len(matrix)
    centring = np.eye(words) - 1 / words
    return centring @ matrix @ centring


def u_centred(matrix: Matrix) -> Matrix:
    words = len(matrix)
    matrix = matrix - np.diag(np.diag(matrix))
    sums, found = matrix.sum(axis=0), np.zeros_like(matrix)
    for i in range(words):
        for_all = matrix[i] - sums[i] / (words - 2) - sums / (words - 2)
        found[i] = for_all + matrix.sum() / ((words - 1) * (words - 2))
        found[i, i] = 0
    return found


def rsa(
    a: Matrix, b: Matrix, words: int = 1000, seed: int = 0, metric: str = "cosine", centred: bool = True,
    compare_by: str = "spearman",
) -> float:  # fmt: skip
    x, y = (dissimilarities(layer, metric, centred) for layer in sampled(a, b, words, seed))
    n = len(x)
    if compare_by == "rho_a":
        ranks = [scipy.stats.rankdata(v) - (n + 1) / 2 for v in (x, y)]
        return float(12 * ranks[0] @ ranks[1] / (n**3 - n))
    if compare_by == "tau_a":
        assert len(set(x)) == len(set(y)) == n, "without ties it is tau-b"
        return float(scipy.stats.kendalltau(x, y).statistic)
    if compare_by in ("corr_cov", "cosine_cov"):
        less = [v - v.mean() if compare_by == "corr_cov" else v for v in (x, y)]
        return cosine(*(doubly_centred(squareform(v)) for v in less))
    return {
        "spearman": lambda: float(scipy.stats.spearmanr(x, y).statistic),
        "pearson": lambda: float(scipy.stats.pearsonr(x, y).statistic),
        "kendall": lambda: float(scipy.stats.kendalltau(x, y).statistic),
        "cosine": lambda: cosine(x, y),
    }[compare_by]()


def rsm_difference(
    a: Matrix, b: Matrix, words: int = 1000, seed: int = 0, metric: str = "euclidean", norm: str = "vector",
    rescale: str = "none",
) -> float:  # fmt: skip
    x, y = (dissimilarities(layer, metric) for layer in sampled(a, b, words, seed))
    by: dict[str, Callable[[Matrix], float]] = {
        "none": lambda v: 1.0, "median": np.median, "rms": lambda v: np.sqrt((v**2).mean()),
    }  # fmt: skip
    difference = x / by[rescale](x) - y / by[rescale](y)
    if norm == "spectral":
        return float(np.linalg.norm(squareform(difference), 2))
    return float(np.linalg.norm(difference) / (np.sqrt(len(difference)) if norm == "rms" else 1))


def distance_correlation(a: Matrix, b: Matrix, words: int = 1000, seed: int = 0, biased: bool = False) -> float:
    distances = [squareform(pdist(layer)) for layer in sampled(a, b, words, seed)]
    if biased:
        return float(np.sqrt(cosine(*(doubly_centred(each) for each in distances))))
    return cosine(*(u_centred(each) for each in distances))


def cka_rbf(
    a: Matrix, b: Matrix, words: int = 1000, seed: int = 0, sigma: float = 0.5, bandwidth: str = "median",
    debiased: bool = True, unit_rows: bool = False,
) -> float:  # fmt: skip
    kernels = []
    for layer in sampled(a, b, words, seed):
        rows = layer / np.linalg.norm(layer, axis=1, keepdims=True) if unit_rows else layer
        squared = squareform(pdist(rows, "sqeuclidean"))
        width = {"median": np.median(squared), "median_pairs": np.median(pdist(rows)) ** 2, "fixed": 1.0}[bandwidth]
        kernels.append(np.exp(-squared / (2 * sigma**2 * width)))
    return cosine(*(u_centred(each) if debiased else doubly_centred(each) for each in kernels))


def nearest(layer: Matrix, k: int, near: str = "cosine", clip: float = 1.0) -> tuple[list[list[int]], Matrix]:
    """Each word's neighbours, nearest first, of equals the first; and similarities [words, words]."""
    if clip < 1:
        far = np.sort(np.abs(layer), axis=None)[int(clip * layer.size)]
        layer = layer.clip(-far, far)
    if near == "dot":
        similarity = np.array([[float((x * y).sum()) for y in layer] for x in layer])
    else:
        similarity = -squareform(pdist(layer, "sqeuclidean" if near == "euclidean" else near))
        similarity += near == "cosine"
    found = []
    for word, row in enumerate(similarity):
        others = sorted((other for other in range(len(layer)) if other != word), key=lambda other: (-row[other], other))
        found.append(others[:k])
    return found, similarity


def mutual_knn(
    a: Matrix, b: Matrix, words: int = 1000, seed: int = 0, k: int = 10, near: str = "cosine", clip: float = 1.0
) -> float:
    x, y = (nearest(layer, k, near, clip)[0] for layer in sampled(a, b, words, seed))
    return float(np.mean([len(set(p) & set(q)) / k for p, q in zip(x, y, strict=True)]))


def jaccard(x: list[int], y: list[int]) -> float:
    return len(set(x) & set(y)) / len(set(x) | set(y))


def jaccard_knn(a: Matrix, b: Matrix, words: int = 1000, seed: int = 0, k: int = 10, near: str = "cosine") -> float:
    x, y = (nearest(layer, k, near)[0] for layer in sampled(a, b, words, seed))
    return float(np.mean([jaccard(p, q) for p, q in zip(x, y, strict=True)]))


def rank_similarity(
    a: Matrix, b: Matrix, words: int = 1000, seed: int = 0, k: int = 10, near: str = "cosine", joint: bool = False
) -> float:
    x, y = (nearest(layer, k, near)[0] for layer in sampled(a, b, words, seed))
    values = []
    for p, q in zip(x, y, strict=True):
        common = set(p) & set(q)
        agreement = 0.0
        for word in common:
            r, s = p.index(word) + 1, q.index(word) + 1
            agreement += 2 / ((1 + abs(r - s)) * (r + s))
        value = agreement / sum(1 / i for i in range(1, len(common) + 1)) if common else 0.0
        values.append(value * jaccard(p, q) if joint else value)
    return float(np.mean(values))


def second_order_cosine(
    a: Matrix, b: Matrix, words: int = 1000, seed: int = 0, k: int = 10, of: str = "similarities"
) -> float:
    (x, far_x), (y, far_y) = (nearest(layer, k) for layer in sampled(a, b, words, seed))
    values = []
    for word, (p, q) in enumerate(zip(x, y, strict=True)):
        either = sorted(set(p) | set(q))
        u, v = far_x[word, either], far_y[word, either]
        if of == "distances":
            u, v = 1 - u, 1 - v
        lengths = np.linalg.norm(u) * np.linalg.norm(v)
        values.append(u @ v / lengths if lengths else float(not u.any() and not v.any()))
    return float(np.mean(values))


def unbiased_dependence(k: Matrix, m: Matrix) -> float:
    """HSIC by Song et al. 2012, eq. 5; Huh et al. transpose one of the matrices in the first term."""
    n = len(k)
    ones = np.ones(n)
    first = np.trace(k @ m)
    sums = ones @ k @ ones * (ones @ m @ ones) / ((n - 1) * (n - 2))
    return float((first + sums - 2 * (ones @ k @ m @ ones) / (n - 2)) / (n * (n - 3)))


def cknna(a: Matrix, b: Matrix, words: int = 1000, seed: int = 0, k: int = 10, clip: float = 1.0) -> float:
    kernels, masks = [], []
    for layer in sampled(a, b, words, seed):
        lists, similarity = nearest(layer, k, "cosine", clip)
        kernels.append(similarity)
        masks.append(np.array([[float(word in near) for word in range(len(layer))] for near in lists]))

    def alignment(i: int, j: int) -> float:
        both = masks[i] * masks[j]
        return unbiased_dependence(kernels[i] * both, kernels[j] * both)

    return alignment(0, 1) / np.sqrt(alignment(0, 0) * alignment(1, 1))


def imd(a: Matrix, b: Matrix, words: int = 1000, seed: int = 0, k: int = 5) -> float:
    t = np.logspace(-1, 1, 256)
    traces = []
    for layer in sampled(a, b, words, seed):
        joined = np.zeros((len(layer), len(layer)))
        for word, near in enumerate(nearest(layer, k, "euclidean")[0]):
            joined[word, near] = joined[near, word] = 1
        degree = np.diag(joined.sum(axis=0) ** -0.5)
        values = scipy.linalg.eigvalsh(np.eye(len(layer)) - degree @ joined @ degree)
        traces.append(1e6 / len(layer) * np.exp(-t[:, None] * values).sum(axis=1))
    return float((np.exp(-2 * (t + 1 / t)) * np.abs(traces[0] - traces[1])).max())


#: By the measure's name.
def uniformity(x: Matrix, t: float = 2, unit_rows: bool = True, with_self: bool = False) -> float:
    x = x / np.linalg.norm(x, axis=1, keepdims=True) if unit_rows else x
    pairs = np.exp(-t * pdist(x, "sqeuclidean"))
    pairs = np.concatenate([pairs, pairs, np.ones(len(x))]) if with_self else pairs
    return float(np.log(np.mean(pairs)))


def uniformity_difference(
    a: Matrix, b: Matrix, words: int = 1000, seed: int = 0, t: float = 2, unit_rows: bool = True,
    with_self: bool = False,
) -> float:  # fmt: skip
    left, right = sampled(a, b, words, seed)
    return abs(uniformity(left, t, unit_rows, with_self) - uniformity(right, t, unit_rows, with_self))


ORACLES: dict[str, Callable[..., float]] = {
    "rsa": rsa, "rsm_difference": rsm_difference, "distance_correlation": distance_correlation, "cka_rbf": cka_rbf,
    "mutual_knn": mutual_knn, "jaccard_knn": jaccard_knn, "rank_similarity": rank_similarity,
    "second_order_cosine": second_order_cosine, "cknna": cknna, "imd": imd,
    "uniformity_difference": uniformity_difference,
}  # fmt: skip
