"""What driftd calls at which number of rows, by the binary itself.

    python power_study.py DRIFTD FOLDER     numpy, scipy and pyarrow

Per cent of faulty windows that are called: with fifty-one windows without a fault before them, as the first windows of
a daemon, and as `driftd check` has it. The reference has 100,000 rows, and rows are independent.
"""

import collections
import subprocess
import sys
from pathlib import Path

import numpy as np

import null_study
from null_study import VERDICT, gaps, words, write, zipf

COPIES = 10
REFERENCE_ROWS = 100_000
SIZES = [100, 500, 1_000, 10_000]
QUIET, FAULTY = 51, 20
MODES = {"with history": [], "first windows": [], "check": ["--variation", "rows"]}


def shifted(by):
    return lambda r, n: r.normal(size=n) + by


def in_part(share, draw, otherwise):
    """Other rows in a share of all."""
    return lambda r, n: np.where(r.random(n) < share, otherwise(r, n), draw(r, n))


def price(r, n):
    return r.lognormal(3, 0.6, n)


def with_category(share):
    """Nine values share what the tenth leaves them."""
    weights = [share] + [(1 - share) / 9] * 9
    return lambda r, n: words(r.choice(10, n, p=weights))


def missing(share):
    return lambda r, n: gaps(r, r.normal(size=n), share)


def flag(share):
    return lambda r, n: r.random(n) < share


def text(value):
    return lambda r, n: np.full(n, value)


def codes(r, n):
    return words(r.integers(0, 1_000, n))


normal = shifted(0)
sixty = lambda r, n: words(zipf(r, n, 60))
KINDS = {
    "mean + 0.1 σ": (normal, shifted(0.1)),
    "mean + 0.2 σ": (normal, shifted(0.2)),
    "mean + 0.3 σ": (normal, shifted(0.3)),
    "mean + 0.5 σ": (normal, shifted(0.5)),
    "deviation × 1.5": (normal, lambda r, n: 1.5 * r.normal(size=n)),
    "deviation × 0.7": (normal, lambda r, n: 0.7 * r.normal(size=n)),
    "1 % in another unit (× 1000)": (price, in_part(0.01, price, lambda r, n: 1_000 * price(r, n))),
    "5 % in another unit (× 1000)": (price, in_part(0.05, price, lambda r, n: 1_000 * price(r, n))),
    "all × 1.3": (price, lambda r, n: 1.3 * price(r, n)),
    "5 % stuck at the mean": (normal, in_part(0.05, normal, lambda r, n: np.zeros(n))),
    "10 % stuck at the mean": (normal, in_part(0.1, normal, lambda r, n: np.zeros(n))),
    "missing 0 → 2 %": (missing(0), missing(0.02)),
    "missing 0 → 5 %": (missing(0), missing(0.05)),
    "missing 20 → 30 %": (missing(0.2), missing(0.3)),
    "missing 20 → 40 %": (missing(0.2), missing(0.4)),
    "a new category, 1 %": (sixty, in_part(0.01, sixty, text("new"))),
    "a new category, 5 %": (sixty, in_part(0.05, sixty, text("new"))),
    "a category 10 → 15 %": (with_category(0.1), with_category(0.15)),
    "a category 10 → 20 %": (with_category(0.1), with_category(0.2)),
    "a category 10 → 0 %": (with_category(0.1), with_category(0.0)),
    "all of 1,000 codes new": (codes, lambda r, n: np.char.add("n", codes(r, n))),
    "half of 1,000 codes gone": (codes, lambda r, n: words(r.integers(0, 500, n))),
    "a flag 2 → 5 %": (flag(0.02), flag(0.05)),
    "a flag 5 → 20 %": (flag(0.05), flag(0.2)),
}


def share_called(driftd, folder, rng, rows, quiet, options):
    """Per cent of the faulty windows that are called, by kind."""
    null_study.prepare(folder)
    features = [(f"{kind} #{copy}", kind) for kind in KINDS for copy in range(COPIES)]
    reference = {name: KINDS[kind][0](rng, REFERENCE_ROWS) for name, kind in features}
    write(folder / "reference.parquet", reference)
    for window in range(quiet + FAULTY):
        side = int(window >= quiet)
        path = folder / "logs" / f"{window:04}.parquet"
        write(path, {name: KINDS[kind][side](rng, rows) for name, kind in features})
    command = [driftd, "replay", "--config", folder / "driftd.toml", *options]
    page = subprocess.run(command, check=True, capture_output=True, text=True).stdout
    verdicts = collections.defaultdict(list)
    for line in page.splitlines():
        if found := VERDICT.match(line):
            verdicts[found[1]].append((float(found[3]), int(found[2])))
    # Windows that are not judged have no verdict.
    closed = {float(line.split()[-1]) for line in page.splitlines() if line.startswith("driftd_drift_score")}
    faulty = set(sorted(closed)[quiet:])
    called = {kind: sum(verdict for time, verdict in own if time in faulty) for kind, own in verdicts.items()}
    return {kind: 100 * called.get(kind, 0) / (COPIES * FAULTY) for kind in KINDS}


def main():
    driftd, folder = sys.argv[1], Path(sys.argv[2])
    table = collections.defaultdict(dict)
    for rows in SIZES:
        for number, (mode, options) in enumerate(MODES.items()):
            rng = np.random.default_rng([rows, number, 20_261_127])
            quiet = QUIET if mode == "with history" else 0
            for kind, called in share_called(driftd, folder, rng, rows, quiet, options).items():
                table[kind][mode, rows] = called
    columns = [(mode, rows) for mode in MODES for rows in SIZES]
    print("| fault | " + " | ".join(f"{mode}, {rows:,}" for mode, rows in columns) + " |")
    print("|---|" + "---|" * len(columns))
    for kind, called in table.items():
        print(f"| {kind} | " + " | ".join(f"{called[column]:.0f}" for column in columns) + " |")


if __name__ == "__main__":
    main()
