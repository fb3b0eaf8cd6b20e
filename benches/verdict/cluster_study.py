"""False alarms over rows that come in clusters which a column names, in any order.

Usage: python cluster_study.py DRIFTD FOLDER [--seeds N] [--first]

Windows differ no more than whole clusters drawn one by one do. Prints for every law of the sizes
of clusters how many feature-windows were judged and called, with `columns.cluster` and without;
by default as `driftd check` does, with --first as a daemon's first windows are judged.
"""

import argparse
import collections
import sys
from pathlib import Path

import numpy as np
from null_study import BEFORE_LEARNING, bound, prepare, replay, words, write, zipf

SIZES = [(5_000, 500, 100), (5_000, 2_000, 40), (50_000, 2_000, 40), (50_000, 10_000, 12)]
COPIES = 5

CLUSTERS = {
    "one row": lambda r, n: np.ones(n, int),
    "20 rows": lambda r, n: np.full(n, 20),
    "1 to 19 rows": lambda r, n: r.integers(1, 20, n),
    "geometric, mean 10": lambda r, n: r.geometric(0.1, n),
    "Pareto 1.8, to 1 in 20 rows": lambda r, n: np.minimum(np.ceil(r.pareto(1.8, n) + 1), n / 20).astype(int),
}


def normal(share):
    """Rows of a cluster have a share of their variance in common."""
    return lambda r, of, n: np.sqrt(share) * of(r.normal(size=n)) + np.sqrt(1 - share) * of(None, r.normal)


def alike(draw):
    """All rows of a cluster are the same."""
    return lambda r, of, n: of(draw(r, n))


FEATURES = {
    "normal, alike by 0.7": normal(0.7),
    "normal, alike by 0.1": normal(0.1),
    "normal, alone": normal(0.0),
    "lognormal, alike": alike(lambda r, n: r.lognormal(size=n)),
    "flag of 5 %, alike": alike(lambda r, n: r.random(n) < 0.05),
    "flag of 1 %, alike": alike(lambda r, n: r.random(n) < 0.01),
    "8 values, alike": alike(lambda r, n: words(zipf(r, n, 8))),
    "60 values, alike": alike(lambda r, n: words(zipf(r, n, 60))),
    "1000 values, alike": alike(lambda r, n: words(zipf(r, n, 1_000))),
    "missing 10 %, alike": alike(lambda r, n: np.where(r.random(n) < 0.1, np.nan, r.normal(size=n))),
    "missing 1 %, alike": alike(lambda r, n: np.where(r.random(n) < 0.01, np.nan, r.normal(size=n))),
}


def rows_of(rng, sizes, n):
    """Columns of n rows of clusters, shuffled."""
    own = sizes(rng, n)
    last = int(np.searchsorted(np.cumsum(own), n)) + 1
    cluster = np.repeat(np.arange(last), own[:last])[:n]
    order = rng.permutation(n)
    columns = {"cluster": cluster[order] + rng.integers(0, 1 << 40)}
    for name, draw in FEATURES.items():
        for copy in range(COPIES):
            of = lambda values, alone=None: values[cluster] if alone is None else alone(size=n)
            columns[f"{name} #{copy}"] = draw(rng, of, last)[order]
    return columns


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("driftd")
    parser.add_argument("folder", type=Path)
    parser.add_argument("--seeds", type=int, default=1)
    parser.add_argument("--seed", type=int, default=20_261_127)
    parser.add_argument("--first", action="store_true")
    arguments = parser.parse_args()
    options = [] if arguments.first else ["--variation", "rows"]
    totals, by_feature = collections.defaultdict(lambda: [0, 0, 0]), collections.Counter()
    for law, sizes in CLUSTERS.items():
        for reference_rows, rows, windows in SIZES:
            windows = BEFORE_LEARNING if arguments.first else windows
            for seed in range(arguments.seeds):
                rng = np.random.default_rng([arguments.seed, reference_rows, rows, seed])
                prepare(arguments.folder)
                write(arguments.folder / "reference.parquet", rows_of(rng, sizes, reference_rows))
                for window in range(windows):
                    path = arguments.folder / "logs" / f"{window:04}.parquet"
                    write(path, rows_of(rng, sizes, rows))
                config = arguments.folder / "driftd.toml"
                plain = config.read_text()
                for columns in 'cluster = "cluster"', 'exclude = ["cluster"]':
                    config.write_text(f"{plain}[model.columns]\n{columns}\n")
                    verdicts, _ = replay(arguments.driftd, arguments.folder, options)
                    total = totals[law, columns]
                    total[0] += windows * COPIES * len(FEATURES)
                    for feature, own in verdicts.items():
                        total[1] += len(own)
                        total[2] += sum(called for _, called in own)
                        by_feature[feature, columns] += sum(called for _, called in own)
        for columns in 'cluster = "cluster"', 'exclude = ["cluster"]':
            of, judged, called = totals[law, columns]
            print(f"| {law} | {columns} | {of} | {judged / of:.0%} | {called} | {bound(called, of):.1e} |", flush=True)
    print({" ".join(key): n for key, n in by_feature.items() if n})


if __name__ == "__main__":
    sys.exit(main())
