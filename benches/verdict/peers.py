"""How other tools score a column, written from the definitions in their documentation.

Each is given what it needs: thresholds are its own, raised where it would call more than one in a thousand undrifted
windows of the same reference, which no user could know.

* Evidently 0.7 at its defaults for references of over 1,000 rows: the Wasserstein distance over the standard deviation
  for numbers, the Jensen-Shannon distance for categories, from 0.1.
* NannyML 0.13: the Jensen-Shannon distance (base 2) over Doane's bins and over categories; its threshold is the mean
  plus three standard deviations over undrifted chunks.
* PSI over deciles of the reference or categories, from 0.2, a share of at least 0.0001.

All leave missing values out of the distribution, as these tools do; the last two are asked for the share of missing
values as well, NannyML with its threshold of three standard deviations.
"""

import numpy as np
import pandas as pd


class Column:
    """A reference as the tools see it."""

    def __init__(self, values):
        values, self.missing = present(values)
        self.is_number = values.dtype.kind in "fi"
        if not self.is_number:
            counts = pd.Series(values).value_counts(normalize=True)
            self.names, self.shares = counts.index, counts.to_numpy()
            return
        self.sorted = np.sort(values.astype(float))
        self.deviation = values.std()
        self.edges = np.histogram_bin_edges(values, bins="doane")
        self.doane = np.histogram(values, self.edges)[0] / len(values)
        cuts = np.unique(np.quantile(values, np.arange(1, 10) / 10))
        self.cuts = cuts
        self.tenths = np.bincount(np.searchsorted(cuts, values), minlength=len(cuts) + 1) / len(values)

    def scores(self, window):
        """Evidently, NannyML, PSI, and the change of the missing share."""
        values, missing = present(window)
        change = abs(missing - self.missing)
        if len(values) == 0:
            return np.inf, np.inf, np.inf, change
        if not self.is_number:
            counts = pd.Series(values).value_counts()
            known = counts.reindex(self.names, fill_value=0).to_numpy() / len(values)
            p, q = np.append(self.shares, 0), np.append(known, max(0.0, 1 - known.sum()))
            return distance(p, q, np.e), distance(p, q, 2), psi(p, q), change
        values = np.sort(values.astype(float))
        at = ((np.arange(len(values)) + 0.5) * len(self.sorted) / len(values)).astype(int)
        wasserstein = np.abs(values - self.sorted[at]).mean() / max(self.deviation, 0.001)
        inside = np.histogram(values, self.edges)[0] / len(values)
        p, q = np.append(self.doane, 0), np.append(inside, max(0.0, 1 - inside.sum()))
        tenths = np.bincount(np.searchsorted(self.cuts, values), minlength=len(self.tenths)) / len(values)
        return wasserstein, distance(p, q, 2), psi(self.tenths, tenths), change


def present(values):
    if values.dtype.kind == "f":
        is_there = ~np.isnan(values)
        return values[is_there], 1 - is_there.mean()
    return (values.astype(str) if values.dtype.kind == "b" else values), 0.0


def distance(p, q, base):
    """The root of the Jensen-Shannon divergence."""
    m = (p + q) / 2

    def half(a):
        with np.errstate(divide="ignore", invalid="ignore"):
            return np.where(a > 0, a * np.log(a / m), 0).sum()

    return np.sqrt(max(0.0, (half(p) + half(q)) / 2 / np.log(base)))


def psi(p, q):
    p, q = np.maximum(p, 1e-4), np.maximum(q, 1e-4)
    return ((q - p) * np.log(q / p)).sum()


PEERS = ["Evidently", "NannyML", "PSI"]


class Thresholds:
    """Of one reference and one size of windows, from undrifted windows."""

    def __init__(self, reference, draw, rng, rows, windows):
        scores = np.array([reference.scores(draw(rng, rows)) for _ in range(windows)])
        one_in_1000 = np.quantile(scores, 0.999, axis=0, method="higher")
        own = scores.mean(axis=0) + 3 * scores.std(axis=0)
        self.scores = np.maximum([0.1, own[1], 0.2], one_in_1000[:3])
        self.missing = max(own[3], one_in_1000[3])

    def calls(self, scores):
        """By peer."""
        called = np.array(scores[:3]) > self.scores
        called[1:] |= scores[3] > self.missing
        return called
