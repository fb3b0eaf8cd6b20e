"""Scores of other tools as driftd gives them, beside those of the tools' own packages, on real data.

    python compare.py DRIFTD FIXTURES      needs evidently, nannyml, pyarrow; the tables of README.md

The data: the employment records and the flights of the fixtures, and NannyML's car loans and California houses, which its
package brings along. Each log file, or each fifth of what a package brings, is a window.
"""

import json
import math
import subprocess
import sys
import tempfile
import warnings
from collections import defaultdict
from pathlib import Path

import nannyml
import numpy as np
import pyarrow.parquet as pq

warnings.filterwarnings("ignore")
FIXTURES = Path(sys.argv[2])
sys.path.insert(0, str(FIXTURES / "oracle"))
import measures as oracle  # noqa: E402  (the packages are called as for the oracle)

MEASURES = (
    "psi:evidently js:evidently wasserstein:evidently js:nannyml hellinger:nannyml ks:nannyml wasserstein:nannyml "
    "linf:nannyml psi:azure js:azure wasserstein:azure linf:tfdv linf_robust:deequ"
).split()


def data_sets(folder):
    """(name, reference, windows) as Parquet files."""
    for name in ("employment", "flights"):
        logs = sorted((FIXTURES / name / "logs").rglob("*.parquet"))
        yield name, FIXTURES / name / "reference.parquet", logs[:12]
    for name, load in (
        ("car loans", nannyml.load_synthetic_car_loan_dataset),
        ("California houses", nannyml.load_modified_california_housing_dataset),
    ):
        reference, analysis, *_ = load()
        reference.to_parquet(folder / f"{name}.parquet")
        windows = []
        for part in range(5):
            rows = slice(part * len(analysis) // 5, (part + 1) * len(analysis) // 5)
            windows.append(folder / f"{name} {part}.parquet")
            analysis.iloc[rows].to_parquet(windows[-1])
        yield name, folder / f"{name}.parquet", windows


def report(driftd, reference, window):
    command = [driftd, "check", "--format", "json", "--measures", ",".join(MEASURES)]
    done = subprocess.run([*command, "--reference", reference, window], capture_output=True, text=True)
    if not done.stdout:
        sys.exit(done.stderr)
    return json.loads(done.stdout)["reports"][0]


def values(table, name, is_number):
    column = table[name].to_pandas().dropna()
    if is_number:
        return column.to_numpy(dtype=np.float64 if column.dtype.kind == "f" else None)
    return column.astype(str).to_numpy()


def compare(driftd, folder):
    found = defaultdict(list)
    for data, reference, windows in data_sets(folder):
        before = pq.read_table(reference)
        for window in windows:
            now = pq.read_table(window)
            told = report(driftd, reference, window)["features"]
            for feature in told:
                scores = {name: own["score"] for name, own in feature["measures"].items() if name in MEASURES}
                # The year of the employment records is in the path of the log alone.
                if not scores or feature["name"] not in now.column_names:
                    continue
                name, is_number = feature["name"], feature["kind"] == "numeric"
                x, y = (values(table, name, is_number) for table in (before, now))
                theirs = oracle.evidently_scores(x, y, is_number) | oracle.nannyml_scores(x, y, is_number)
                theirs |= oracle.azure_scores(x, y, is_number) | oracle.deequ_scores(x, y, is_number)
                if not is_number:
                    theirs["linf:tfdv"] = theirs["linf:nannyml"]
                    if before[name].null_count + now[name].null_count:
                        # There a missing category is one of its own, which these values leave out.
                        theirs = {own: score for own, score in theirs.items() if not own.endswith(":azure")}
                for measure, score in theirs.items():
                    if math.isfinite(score):
                        where = f"{data}, {name}, {Path(window).stem}"
                        found[measure].append((scores[measure], float(score), where))
    return found


def main():
    with tempfile.TemporaryDirectory() as folder:
        found = compare(sys.argv[1], Path(folder))
    print("| measure | scores | the same to 1e-9 | the others: median difference | largest | driftd, the package | where |")
    print("|---|---|---|---|---|---|---|")
    for measure in MEASURES:
        rows = [(abs(ours - theirs), ours, theirs, where) for ours, theirs, where in found[measure]]
        rest = sorted((row for row in rows if row[0] > 1e-9), reverse=True)
        same = len(rows) - len(rest)
        print(f"| `{measure}` | {len(rows)} | {same} |", end=" ")
        if rest:
            largest, ours, theirs, where = rest[0]
            print(f"{rest[len(rest) // 2][0]:.1e} | {largest:.1e} | {ours:.5g}, {theirs:.5g} | {where} |")
        else:
            print("– | – | – | – |")


if __name__ == "__main__":
    main()
