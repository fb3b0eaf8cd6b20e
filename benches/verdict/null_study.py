"""How often driftd calls drift where there is none, by the binary itself.

    python null_study.py DRIFTD FOLDER [--seeds N] [--first | --check]     numpy, scipy and pyarrow

Every family is a way in which rows come about without drift, a column of it is a feature, and a file is a window.
`driftd replay` judges the files in their order, each from those before it. Printed are feature-windows, how many of
them were judged and how many called, with an upper bound of the rate (Clopper and Pearson, one-sided, 95 per cent).
With --first, replays end before anything is learned; with --check, windows are judged as `driftd check` does, by the
order of rows alone, and a line per family follows.
"""

import argparse
import collections
import json
import re
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from scipy import stats
from scipy.signal import lfilter

COPIES = 4  # features of each family
SIZES = [(100_000, 100, 400), (100_000, 500, 400), (100_000, 1_000, 400), (100_000, 10_000, 100)]
SIZES += [(1_000, 100, 200), (1_000, 500, 200), (1_000, 1_000, 200), (1_000, 10_000, 100)]
BEFORE_LEARNING = 20


def autoregressive(rng, n, rho):
    """A series that remembers `rho` of the value before, with variance 1."""
    burn = int(10 / (1 - rho))
    return lfilter([np.sqrt(1 - rho * rho)], [1, -rho], rng.normal(size=n + burn))[burn:]


def requests(rng, n, rows=20, shared=0.8):
    """Rows of one request have most of their variance in common."""
    common = np.repeat(rng.normal(size=-(-n // rows)), rows)[:n]
    return np.sqrt(shared) * common + np.sqrt(1 - shared) * rng.normal(size=n)


def by_day(rng, n, days, sd):
    """A shift for each day."""
    return np.repeat(rng.normal(0, sd, days), -(-n // days))[:n]


def zipf(rng, n, values):
    weights = 1 / np.arange(1, values + 1)
    return np.searchsorted(np.cumsum(weights / weights.sum()), rng.random(n))


def zipf_by_day(rng, n, days, values=20, sd=0.1):
    """Every day has its own odds of each value."""
    logs = -np.log(np.arange(1, values + 1)) + rng.normal(0, sd, (days, values))
    weights = np.exp(logs)
    cumulated = np.cumsum(weights / weights.sum(axis=1, keepdims=True), axis=1)
    u = rng.random(n)
    day = np.repeat(np.arange(days), -(-n // days))[:n]
    return (u[:, None] > cumulated[day]).sum(axis=1)


def gaps(rng, values, share):
    return np.where(rng.random(len(values)) < share, np.nan, values)


def logistic(x):
    return 1 / (1 + np.exp(-x))


INDEPENDENT = {
    "normal": lambda r, n, d: r.normal(size=n),
    "lognormal": lambda r, n, d: r.lognormal(size=n),
    "exponential": lambda r, n, d: r.exponential(size=n),
    "uniform": lambda r, n, d: r.random(n),
    "bimodal": lambda r, n, d: r.normal(size=n) + 6 * (r.random(n) < 0.4),
    "zero-inflated": lambda r, n, d: np.where(r.random(n) < 0.7, 0, r.lognormal(size=n)),
    "integers to 40": lambda r, n, d: r.integers(0, 41, n),
    "integers to 1500": lambda r, n, d: r.integers(0, 1_501, n),
    "one decimal": lambda r, n, d: np.round(r.normal(size=n), 1),
    "Cauchy": lambda r, n, d: r.standard_cauchy(n),
    "boolean 50 %": lambda r, n, d: r.random(n) < 0.5,
    "boolean 5 %": lambda r, n, d: r.random(n) < 0.05,
    "boolean 0.5 %": lambda r, n, d: r.random(n) < 0.005,
    "5 categories": lambda r, n, d: words(zipf(r, n, 5)),
    "60 categories": lambda r, n, d: words(zipf(r, n, 60)),
    "1000 categories": lambda r, n, d: words(zipf(r, n, 1_000)),
    "5000 categories": lambda r, n, d: words(zipf(r, n, 5_000)),
    "missing 20 %": lambda r, n, d: gaps(r, r.normal(size=n), 0.2),
    "missing 0.5 %": lambda r, n, d: gaps(r, r.normal(size=n), 0.005),
}
DEPENDENT = {
    "AR(1) 0.5": lambda r, n, d: autoregressive(r, n, 0.5),
    "AR(1) 0.9": lambda r, n, d: autoregressive(r, n, 0.9),
    "AR(1) 0.99": lambda r, n, d: autoregressive(r, n, 0.99),
    "requests": lambda r, n, d: requests(r, n),
    "requests, boolean 5 %": lambda r, n, d: requests(r, n) > stats.norm.isf(0.05),
    "days differ by 0.1 σ": lambda r, n, d: r.normal(size=n) + by_day(r, n, d, 0.1),
    "days differ, 20 categories": lambda r, n, d: words(zipf_by_day(r, n, d)),
    "days differ, missing": lambda r, n, d: np.where(
        r.random(n) < logistic(-2.2 - by_day(r, n, d, 0.3)), np.nan, r.normal(size=n)
    ),
}
REFERENCE_DAYS = 50


def words(numbers):
    return np.char.add("v", numbers.astype(str))


def column(values):
    array = pa.array(values, from_pandas=values.dtype.kind == "f")
    return array.dictionary_encode() if values.dtype.kind == "U" else array


def write(path, columns):
    pq.write_table(pa.table({name: column(values) for name, values in columns.items()}), path, compression=None)


def prepare(folder):
    """An empty folder with a configuration that makes a window of every file."""
    shutil.rmtree(folder, ignore_errors=True)
    (folder / "logs").mkdir(parents=True)
    (folder / "driftd.toml").write_text(
        """[export]
families = ["drift"]
[[model]]
name = "m"
[model.reference]
path = "reference.parquet"
[[model.source]]
name = "logs"
type = "directory"
path = "logs"
[[model.window]]
name = "w"
type = "batch"
"""
    )


def draw(folder, rng, reference_rows, rows, windows):
    """A reference, and windows of every feature one after the other."""
    prepare(folder)
    features = {
        f"{family} #{copy}": draw
        for family, draw in {**INDEPENDENT, **DEPENDENT}.items()
        for copy in range(COPIES)
    }
    write(
        folder / "reference.parquet",
        {name: draw(rng, reference_rows, REFERENCE_DAYS) for name, draw in features.items()},
    )
    all_rows = {name: draw(rng, rows * windows, windows) for name, draw in features.items()}
    for window in range(windows):
        part = slice(window * rows, (window + 1) * rows)
        path = folder / "logs" / f"{window:04}.parquet"
        write(path, {name: values[part] for name, values in all_rows.items()})


VERDICT = re.compile(r'driftd_drift_detected\{.*?feature="([^"]*) #.*\} ([01]) (\S+)$')
CALLED = re.compile(r'driftd_drift_called\{.*?feature="([^"]*) #.*measure="([a-z_]*)"\} 1 ')


def replay(driftd, folder, options):
    """Verdicts by family, in the order of windows, and what called."""
    command = [driftd, "replay", "--config", folder / "driftd.toml", *options]
    page = subprocess.run(command, check=True, capture_output=True, text=True).stdout
    verdicts, called = collections.defaultdict(list), collections.Counter()
    for line in page.splitlines():
        if found := VERDICT.match(line):
            verdicts[found[1]].append((float(found[3]), int(found[2])))
        elif found := CALLED.match(line):
            called[found[1], found[2]] += 1
    return verdicts, called


def bound(called, of):
    return stats.beta.isf(0.05, called + 1, of - called) if of > called else 1.0


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("driftd")
    parser.add_argument("folder", type=Path)
    parser.add_argument("--seeds", type=int, default=1)
    parser.add_argument("--seed", type=int, default=20_261_127)
    parser.add_argument("--first", action="store_true")
    parser.add_argument("--check", action="store_true")
    arguments = parser.parse_args()
    options = ["--variation", "rows"] if arguments.check else []
    totals = collections.defaultdict(lambda: [0, 0, 0])
    by_family, by_measure = collections.defaultdict(lambda: [0, 0]), collections.Counter()
    for reference_rows, rows, windows in SIZES:
        if arguments.first or arguments.check:
            windows = BEFORE_LEARNING
        for seed in range(arguments.seeds):
            rng = np.random.default_rng([arguments.seed, reference_rows, rows, seed])
            draw(arguments.folder, rng, reference_rows, rows, windows)
            verdicts, called = replay(arguments.driftd, arguments.folder, options)
            by_measure.update(called)
            for kind, families in [("independent", INDEPENDENT), ("dependent", DEPENDENT)]:
                for family in families:
                    own = [verdict for _, verdict in verdicts[family]]
                    for total in totals[kind, reference_rows, rows], totals[kind, "all", "all"]:
                        total[0] += windows * COPIES
                        total[1] += len(own)
                        total[2] += sum(own)
                    by_family[family][0] += len(own)
                    by_family[family][1] += sum(own)
        for kind in "independent", "dependent":
            of, judged, called = totals[kind, reference_rows, rows]
            line = f"| {reference_rows} | {rows} | {kind} | {of} | {judged / of:.0%} | {called} | {bound(called, of):.1e} |"
            print(line, flush=True)
    for kind in "independent", "dependent":
        of, judged, called = totals[kind, "all", "all"]
        print(f"| all | all | {kind} | {of} | {judged / of:.0%} | {called} | {bound(called, of):.1e} |")
    if arguments.check:
        for family, (judged, called) in by_family.items():
            share = called / judged if judged else 0.0
            print(f"| {family} | {judged} | {called} | {share:.2%} |")
    print(json.dumps({family: own for family, own in by_family.items() if own[1]}, ensure_ascii=False))
    print({" ".join(key): n for key, n in by_measure.items()})


if __name__ == "__main__":
    sys.exit(main())
