"""What the state costs: state.py DRIFTD FOLDER {hours,sliding}

Makes a reference and files of few rows and many features in FOLDER, starts the daemon on them and
prints what a file takes, what of it goes into committing, and the sizes of state and memory.

- hours: 10,000 features, 100 files of 15 minutes, windows of an hour with a day's lateness
- sliding: 1,000 features, 400 files of two minutes, windows of a day that slide by five minutes
"""

import json
import os
import shutil
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

# Features, rows of a file at least and at most, files, minutes of a file, window.
SHAPES = {
    "hours": (10_000, 8, 16, 100, 15, 'size = "1h"\nlateness = "24h"'),
    "sliding": (1_000, 112, 128, 400, 2, 'size = "24h"\nslide = "5m"'),
}
REFERENCE_ROWS = 20_000
# 2026-01-01T00:00:00Z in microseconds.
START = 1_767_225_600_000_000

CONFIG = """
[server]
listen = "127.0.0.1:0"
[state]
path = "driftd.db"
memory_max = "4GB"
[[model]]
name = "wide"
[model.columns]
time = "ts"
[model.reference]
path = "reference.parquet"
[[model.source]]
name = "logs"
type = "directory"
path = "logs"
[[model.window]]
name = "w"
type = "time"
"""


def write_data(folder, features, least, most, files, minutes):
    random = np.random.default_rng(1)
    names = [f"f{i:05}" for i in range(features)]
    columns = {name: random.standard_normal(REFERENCE_ROWS) for name in names}
    pq.write_table(pa.table(columns), folder / "reference.parquet", compression="zstd")
    width = minutes * 60_000_000
    for file in range(files):
        rows = int(random.integers(least, most + 1))
        times = np.sort(START + file * width + random.integers(0, width, rows))
        columns = {"ts": times.astype("datetime64[us]")}
        columns |= {name: random.standard_normal(rows) for name in names}
        path = folder / f"logs/{file:05}.parquet"
        options = {"compression": "snappy", "use_dictionary": False, "write_statistics": False}
        pq.write_table(pa.table(columns), path, **options)
    print(f"{files} files of some {path.stat().st_size / 1e6:.2f} MB")


class Run:
    """A daemon, from its start until it is ready or has counted so many files."""

    def __init__(self, driftd, folder):
        command = [driftd, "run", "--config", folder / "driftd.toml", "--log-format", "json"]
        env = os.environ | {"RUST_LOG": "driftd=debug"}
        self.process = subprocess.Popen(command, stderr=subprocess.PIPE, text=True, env=env)
        self.started = self.loaded = time.perf_counter()
        self.seconds = {"committed": 0.0, "waited for a commit": 0.0}
        self.counted = self.closed = 0

    def until_ready(self):
        for line in self.process.stderr:
            message = json.loads(line).get("message", "")
            if message == "reference loaded":
                self.loaded = time.perf_counter()
            if message.startswith("ready"):
                return time.perf_counter() - self.started

    def until_committed(self, files):
        for line in self.process.stderr:
            entry = json.loads(line)
            message = entry.get("message")
            self.counted += message == "counted"
            self.closed += message == "window closed"
            if message in self.seconds:
                self.seconds[message] += entry["seconds"]
            if message == "committed" and self.counted >= files:
                return time.perf_counter() - self.loaded

    def resident_mb(self):
        status = Path(f"/proc/{self.process.pid}/status").read_text().split()
        return int(status[status.index("VmHWM:") + 1]) / 1e3

    def stop(self):
        self.process.terminate()
        self.process.communicate()


def main():
    if len(sys.argv) != 4 or sys.argv[3] not in SHAPES:
        sys.exit("usage: state.py DRIFTD FOLDER {hours,sliding}")
    driftd, folder = sys.argv[1], Path(sys.argv[2])
    features, least, most, files, minutes, window = SHAPES[sys.argv[3]]
    shutil.rmtree(folder, ignore_errors=True)
    (folder / "logs").mkdir(parents=True)
    write_data(folder, features, least, most, files, minutes)
    (folder / "driftd.toml").write_text(CONFIG + window + "\n")
    for _ in range(3):
        for state in folder.glob("driftd.db*"):
            state.unlink()
        run = Run(driftd, folder)
        run.until_ready()
        seconds = run.until_committed(files)
        parts = ", ".join(
            f"{name} {took / files * 1e3:.2f} ms ({took / seconds * 100:.1f} %)"
            for name, took in run.seconds.items()
        )
        print(f"a file {seconds / files * 1e3:.1f} ms: {parts}; {run.closed} windows closed", end="; ")
        print(f"resident {run.resident_mb():.0f} MB", end="; ")
        run.stop()
        state = (folder / "driftd.db").stat().st_size
        run = Run(driftd, folder)
        print(f"state {state / 1e6:.0f} MB; ready again after {run.until_ready():.2f} s")
        run.stop()


if __name__ == "__main__":
    main()
