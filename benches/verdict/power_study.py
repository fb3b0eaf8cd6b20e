"""What driftd calls at which number of rows, by the binary itself, and what other tools call.

    python power_study.py DRIFTD FOLDER [--sizes 100,500]     numpy, scipy, pandas and pyarrow

Per cent of faulty windows that are called: with fifty-one windows without a fault before them, as the first windows of
a daemon, and as `driftd check` has it; then by the definitions of other tools (`peers.py`), their thresholds raised to
one false alarm in a thousand windows where they give more. The reference has 100,000 rows.
"""

import argparse
import collections
import re
import subprocess
from pathlib import Path

import numpy as np

import null_study
from kinds import kinds
from null_study import write
from peers import PEERS, Column, Thresholds

COPIES = 5
REFERENCE_ROWS = 100_000
QUIET, FAULTY = 51, 20
UNDRIFTED = 1_000
MODES = {"with history": [], "first windows": [], "check": ["--variation", "rows"]}
KINDS = kinds()
VERDICT = re.compile(r'driftd_drift_detected\{.*?feature="([^"]*) #.*\} ([01]) (\S+)$')


def share_called(driftd, folder, rng, rows, quiet, options):
    """Per cent of the faulty windows that are called, by kind."""
    null_study.prepare(folder)
    features = [(f"{kind} #{copy}", kind) for kind in KINDS for copy in range(COPIES)]
    write(folder / "reference.parquet", {name: KINDS[kind][1](rng, REFERENCE_ROWS) for name, kind in features})
    for window in range(quiet + FAULTY):
        draw = 2 if window >= quiet else 1
        columns = {name: KINDS[kind][draw](rng, rows) for name, kind in features}
        write(folder / "logs" / f"{window:04}.parquet", columns)
    command = [driftd, "replay", "--config", folder / "driftd.toml", *options]
    page = subprocess.run(command, check=True, capture_output=True, text=True).stdout
    verdicts, closed = collections.defaultdict(list), set()
    for line in page.splitlines():
        if found := VERDICT.match(line):
            verdicts[found[1]].append((float(found[3]), int(found[2])))
        elif line.startswith("driftd_drift_score"):
            closed.add(float(line.rsplit(" ", 1)[1]))
    # Windows that are not judged have no verdict.
    faulty = set(sorted(closed)[quiet:])
    called = {kind: sum(verdict for time, verdict in own if time in faulty) for kind, own in verdicts.items()}
    return {kind: 100 * called.get(kind, 0) / (COPIES * FAULTY) for kind in KINDS}


def share_called_by_peers(rng, rows):
    """The same by the rules of the peers."""
    found, known = {}, {}
    for kind, (base, draw, fault) in KINDS.items():
        if base not in known:
            reference = Column(draw(rng, REFERENCE_ROWS))
            known[base] = reference, Thresholds(reference, draw, rng, rows, UNDRIFTED)
        reference, thresholds = known[base]
        called = [thresholds.calls(reference.scores(fault(rng, rows))) for _ in range(COPIES * FAULTY)]
        found[kind] = dict(zip(PEERS, 100 * np.mean(called, axis=0)))
    return found


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("driftd")
    parser.add_argument("folder", type=Path)
    parser.add_argument("--sizes", default="100,500,1000,10000")
    arguments = parser.parse_args()
    for rows in map(int, arguments.sizes.split(",")):
        table = collections.defaultdict(dict)
        for number, (mode, options) in enumerate(MODES.items()):
            rng = np.random.default_rng([rows, number, 20_261_127])
            quiet = QUIET if mode == "with history" else 0
            for kind, called in share_called(arguments.driftd, arguments.folder, rng, rows, quiet, options).items():
                table[kind][mode] = called
        for kind, called in share_called_by_peers(np.random.default_rng([rows, 9, 20_261_127]), rows).items():
            table[kind].update(called)
        columns = [*MODES, *PEERS]
        print(f"\nWindows of {rows:,} rows:\n")
        print("| fault | " + " | ".join(columns) + " |")
        print("|---|" + "---|" * len(columns))
        for kind, called in table.items():
            print(f"| {kind} | " + " | ".join(f"{called[column]:.0f}" for column in columns) + " |")
        faults = [called for kind, called in table.items() if not kind.startswith("no drift")]
        means = [np.mean([called[column] for called in faults]) for column in columns]
        print(f"| **mean of {len(faults)}** | " + " | ".join(f"{mean:.1f}" for mean in means) + " |", flush=True)


if __name__ == "__main__":
    main()
