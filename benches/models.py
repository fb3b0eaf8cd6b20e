"""What many models cost: models.py DRIFTD FOLDER [MODELS]

Makes MODELS models (1,000) in FOLDER, with one reference and a directory for each, starts the
daemon on them, and prints

- how long they take to count a file each, and what threads, memory and descriptors they need;
- what they take of a core while nothing comes;
- how long a file takes to be counted in 20 of them, spread over all: when nothing else comes, and
  while another model has a backlog of 10,000 files;
- how long the daemon takes to stop.
"""

import http.client
import json
import math
import os
import re
import shutil
import signal
import statistics
import subprocess
import sys
import threading
import time
from collections import Counter
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

FEATURES = 20
REFERENCE_ROWS = 5_000
# A window's as well, so that every file closes one.
FILE_ROWS = 200
# Files that differ; models have the same ones, but no model has one of them twice.
FILES = 50
BACKLOG_FILES = 10_000
BACKLOG_ROWS = 20
DROPS = 20
DROP_SECONDS = 0.25
HEAD_START_SECONDS = 0.5
POLL_SECONDS = 0.25
DROP_POLL_SECONDS = 0.05
SETTLE_SECONDS = 5
IDLE_SECONDS = 20
# Longer than this, nothing is waited for.
LIMIT_SECONDS = 300
STOP_SECONDS = 60

CONFIG = """
[server]
listen = "127.0.0.1:0"
[state]
path = "driftd.db"
"""

MODEL = """
[[model]]
name = "{name}"
[model.reference]
path = "reference.parquet"
[[model.source]]
name = "logs"
type = "directory"
path = "logs/{name}"
[[model.window]]
name = "w"
type = "rows"
size = {rows}
"""


def model_name(number):
    return f"m{number:04}"


def write(path, rows, random):
    values = random.standard_normal((FEATURES, rows))
    table = pa.table({f"f{i:02}": column for i, column in enumerate(values)})
    options = {"compression": "snappy", "use_dictionary": False, "write_statistics": False}
    pq.write_table(table, path, **options)


def write_data(folder, models):
    random = np.random.default_rng(1)
    for name in ("files", "backlog", "logs"):
        (folder / name).mkdir(parents=True)
    write(folder / "reference.parquet", REFERENCE_ROWS, random)
    for file in range(FILES):
        write(folder / f"files/{file}.parquet", FILE_ROWS, random)
    for file in range(BACKLOG_FILES):
        write(folder / f"backlog/{file:05}.parquet", BACKLOG_ROWS, random)
    for number in range(models):
        (folder / "logs" / model_name(number)).mkdir()
        move_in(folder, number, 0, copied(folder, number, 0))
    names = map(model_name, range(models))
    config = CONFIG + "".join(MODEL.format(name=name, rows=FILE_ROWS) for name in names)
    (folder / "driftd.toml").write_text(config)


def copied(folder, number, turn):
    """A file that the model has not had before this turn, outside its directory."""
    copy = folder / f"files/{model_name(number)}.copy"
    return shutil.copy(folder / f"files/{(number + turn) % FILES}.parquet", copy)


def move_in(folder, number, turn, file):
    file.rename(folder / f"logs/{model_name(number)}/{turn}.parquet")


class Daemon:
    def __init__(self, driftd, folder):
        command = [driftd, "run", "--config", folder / "driftd.toml", "--log-format", "json"]
        self.started = time.perf_counter()
        self.process = subprocess.Popen(command, stderr=subprocess.PIPE, text=True)
        self.proc = Path(f"/proc/{self.process.pid}")
        self.address, self.warnings, self.threads_peak = None, Counter(), 0
        threading.Thread(target=self.read_log, daemon=True).start()
        threading.Thread(target=self.watch_threads, daemon=True).start()

    def read_log(self):
        for line in self.process.stderr:
            entry = json.loads(line) if line.startswith("{") else {"message": line.strip()}
            if entry.get("message") == "listening":
                self.address = entry["address"]
            elif entry.get("level") not in ("INFO", "DEBUG"):
                self.warnings[entry.get("message")] += 1

    def watch_threads(self):
        while self.process.poll() is None:
            self.threads_peak = max(self.threads_peak, self.entries("task"))
            time.sleep(0.05)

    def entries(self, name):
        try:
            return len(os.listdir(self.proc / name))
        except OSError:
            return 0

    def get(self, path):
        if self.process.poll() is not None:
            told = "\n".join(map(str, self.warnings))
            raise RuntimeError(f"driftd ended with {self.process.returncode}: {told}")
        connection = http.client.HTTPConnection(self.address, timeout=LIMIT_SECONDS)
        connection.request("GET", path)
        response = connection.getresponse()
        body = response.read()
        connection.close()
        if response.status != 200:
            raise RuntimeError(f"{path}: {response.status} {body.decode()}")
        return json.loads(body)

    def rows(self):
        """Rows that were counted, by model."""
        models = self.get("/api/v1/state")["models"]
        logs = {own["model"]: own["totals"].get("sources", {}).get("logs", {}) for own in models}
        return {name: totals.get("rows", 0) for name, totals in logs.items()}

    def windows(self, name):
        return self.get(f"/api/v1/models/{name}/windows?limit=1000")["windows"]

    def memory_mib(self, key):
        return int(re.search(rf"{key}:\s+(\d+)", (self.proc / "status").read_text())[1]) / 1024

    def core_seconds(self):
        fields = (self.proc / "stat").read_text().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")

    def stop(self):
        """Seconds until it has ended when it is asked to."""
        started = time.perf_counter()
        self.process.terminate()
        try:
            self.process.wait(STOP_SECONDS)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
        return time.perf_counter() - started


def is_met_in_time(condition, pause=POLL_SECONDS):
    limit = time.perf_counter() + LIMIT_SECONDS
    while time.perf_counter() < limit:
        if condition():
            return True
        time.sleep(pause)
    return False


def start(daemon, models):
    def are_counted():
        rows = daemon.rows().values() if daemon.address or daemon.process.poll() else []
        return sum(own >= FILE_ROWS for own in rows) == models

    met = is_met_in_time(are_counted)
    print(f"all counted after {seconds_since(daemon.started, met):.2f} s", end="; ")
    print(f"{daemon.threads_peak} threads at most, {daemon.entries('task')} now", end="; ")
    print(f"memory {daemon.memory_mib('VmHWM'):.0f} MiB at most", end=", ")
    print(f"{daemon.memory_mib('VmRSS'):.0f} MiB now; {daemon.entries('fd')} descriptors")


def seconds_since(started, met):
    return time.perf_counter() - started if met else math.inf


def idle(daemon):
    time.sleep(SETTLE_SECONDS)
    before, started = daemon.core_seconds(), time.perf_counter()
    time.sleep(IDLE_SECONDS)
    share = (daemon.core_seconds() - before) / (time.perf_counter() - started)
    print(f"idle: {share * 100:.1f} % of a core")


def drop(daemon, folder, number, turn, due):
    """Seconds from a file's appearance until its window, one for each turn, has closed."""
    name, file = model_name(number), copied(folder, number, turn)
    time.sleep(max(due - time.perf_counter(), 0))
    started = time.perf_counter()
    move_in(folder, number, turn, file)
    met = is_met_in_time(lambda: len(daemon.windows(name)) > turn, pause=DROP_POLL_SECONDS)
    return seconds_since(started, met)


def drops(daemon, folder, models, turn):
    """The seconds that files take in some of the models, all but the first."""
    numbers = range(1, models, max((models - 1) // DROPS, 1))[:DROPS]
    seconds = dict.fromkeys(numbers, math.inf)

    def one(number, due):
        seconds[number] = drop(daemon, folder, number, turn, due)

    now = time.perf_counter()
    dues = {number: now + i * DROP_SECONDS for i, number in enumerate(numbers)}
    threads = [threading.Thread(target=one, args=due, daemon=True) for due in dues.items()]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return list(seconds.values())


def beside_backlog(daemon, folder, models):
    """The same while the first model has a backlog, and the seconds that the backlog takes."""
    started = time.time()
    (folder / "backlog").rename(folder / "logs" / model_name(0) / "backlog")
    time.sleep(HEAD_START_SECONDS)
    seconds = drops(daemon, folder, models, 2)
    all_rows = FILE_ROWS + BACKLOG_FILES * BACKLOG_ROWS
    met = is_met_in_time(lambda: daemon.rows().get(model_name(0), 0) >= all_rows)
    last = daemon.windows(model_name(0))[-1]["window"]["closed"]
    return seconds, last - started if met else math.inf


def show(name, seconds):
    print(f"{name}: median {statistics.median(seconds):.2f} s, worst {max(seconds):.2f} s")


def measure(daemon, folder, models):
    start(daemon, models)
    idle(daemon)
    alone = drops(daemon, folder, models, 1)
    show("a file when nothing else comes", alone)
    beside, backlog = beside_backlog(daemon, folder, models)
    show("a file beside a backlog", beside)
    median = statistics.median(beside) - statistics.median(alone)
    print(f"difference: median {median:.2f} s, worst {max(beside) - max(alone):.2f} s")
    print(f"backlog of {BACKLOG_FILES:,} files counted after {backlog:.1f} s", end="; ")
    print(f"{daemon.threads_peak} threads at most", end=", ")
    print(f"memory {daemon.memory_mib('VmHWM'):.0f} MiB at most")


def main():
    if len(sys.argv) not in (3, 4):
        sys.exit("usage: models.py DRIFTD FOLDER [MODELS]")
    # What asks this to end, ends the daemon.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))
    driftd, folder = sys.argv[1], Path(sys.argv[2])
    models = int(sys.argv[3]) if len(sys.argv) == 4 else 1_000
    shutil.rmtree(folder, ignore_errors=True)
    write_data(folder, models)
    print(f"{models:,} models of {FEATURES} features")
    daemon = Daemon(driftd, folder)
    try:
        measure(daemon, folder, models)
    finally:
        seconds = daemon.stop()
        for message, times in daemon.warnings.items():
            print(f"logged {times} times: {message}")
    print(f"stopped after {seconds:.2f} s with {daemon.process.returncode}")


if __name__ == "__main__":
    main()
