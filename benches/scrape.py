"""What a large page costs: scrape.py DRIFTD FOLDER [FEATURES [PAUSE]]

Makes a reference and files of FEATURES doubles (4,500: over 200,000 series with all families) in
FOLDER, starts the daemon on them, and prints

- how long a scrape takes when a window has just closed, and when nothing changed, in each format,
  plain and gzip;
- how long the same files take to be counted without scrapers, and with ten that each come every
  PAUSE seconds. Every second by default; with 15, as Prometheus comes, each file is counted as
  often as makes the counting last for some pauses.
"""

import gzip
import http.client
import json
import math
import os
import re
import shutil
import statistics
import subprocess
import sys
import threading
import time
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

ROWS = 20_000
FILES = 8
SCRAPERS = 10
REPEATS = 20
# Seconds that the files take to be counted once, about.
ONCE = 4.0
FORMATS = {
    "text": "text/plain",
    "openmetrics": "application/openmetrics-text;version=1.0.0",
    "protobuf": "application/vnd.google.protobuf;"
    "proto=io.prometheus.client.MetricFamily;encoding=delimited",
}

CONFIG = """
[server]
listen = "127.0.0.1:0"
[state]
path = "driftd.db"
[export]
families = ["drift", "quality", "moments", "percentiles", "reference", "p_values"]
series_max = 1_000_000
[[model]]
name = "wide"
[model.reference]
path = "reference.parquet"
[[model.source]]
name = "logs"
type = "directory"
path = "logs"
duplicates = "count"
"""


def write(path, features, seed):
    random = np.random.default_rng(seed)
    table = {f"feature_{i:05}": random.standard_normal(ROWS) for i in range(features)}
    pq.write_table(pa.table(table), path, compression="zstd", use_dictionary=False)


class Daemon:
    def __init__(self, driftd, folder):
        command = [driftd, "run", "--config", str(folder / "driftd.toml")]
        self.process = subprocess.Popen(command, stderr=subprocess.PIPE, text=True)
        for line in self.process.stderr:
            if match := re.search(r"127\.0\.0\.1:\d+", line):
                self.address = match[0]
            if "ready;" in line:
                break
        threading.Thread(target=self.process.stderr.read, daemon=True).start()

    def get(self, path, encoding="identity", accept="*/*"):
        connection = http.client.HTTPConnection(self.address, timeout=60)
        connection.request("GET", path, headers={"Accept-Encoding": encoding, "Accept": accept})
        body = connection.getresponse().read()
        connection.close()
        return body

    def counted(self):
        models = json.loads(self.get("/api/v1/state"))["models"]
        return models[0]["totals"].get("sources", {}).get("logs", {}).get("files_counted", 0)

    def wait_until_counted(self, files):
        while self.counted() < files:
            time.sleep(0.1)

    def peak_mib(self):
        status = Path(f"/proc/{self.process.pid}/status").read_text()
        return int(re.search(r"VmHWM:\s+(\d+)", status)[1]) / 1024

    def stop(self):
        self.process.terminate()
        self.process.wait()


def timed(work):
    started = time.perf_counter()
    result = work()
    return time.perf_counter() - started, result


def scrape(daemon, encoding, format):
    get = lambda: daemon.get("/metrics", encoding, FORMATS[format])
    first, page = timed(get)
    repeated = [timed(get)[0] for _ in range(REPEATS)]
    text = gzip.decompress(page) if encoding == "gzip" else page
    series = sum(not line.startswith(b"#") for line in text.splitlines())
    size = f"{series:,} series, " if format != "protobuf" else ""
    print(
        f"{format}, {encoding}: {size}{len(page) / 1e6:.1f} MB; first {first * 1e3:.0f} ms, "
        f"again {statistics.median(repeated) * 1e3:.0f} ms, at most {max(repeated) * 1e3:.0f} ms"
    )


def counting(driftd, folder, scrapers, pause):
    """Seconds until all files are counted, and scrapes meanwhile."""
    for state in folder.glob("driftd.db*"):
        state.unlink()
    (folder / "logs").mkdir()
    copies = max(1, math.ceil(4 * pause / ONCE))
    daemon = Daemon(driftd, folder)
    stop = threading.Event()
    scrapes = []

    def scraper():
        while not stop.wait(pause):
            daemon.get("/metrics", "gzip")
            scrapes.append(1)

    threads = [threading.Thread(target=scraper) for _ in range(scrapers)]
    for thread in threads:
        thread.start()
        time.sleep(pause / SCRAPERS)
    started = time.perf_counter()
    for file in (folder / "waiting").iterdir():
        for copy in range(copies):
            os.link(file, folder / f"logs/{copy:02}-{file.name}")
    daemon.wait_until_counted(FILES * copies)
    seconds = time.perf_counter() - started
    stop.set()
    for thread in threads:
        thread.join()
    shutil.rmtree(folder / "logs")
    return seconds, len(scrapes), daemon


def main():
    if len(sys.argv) not in (3, 4, 5):
        sys.exit("usage: scrape.py DRIFTD FOLDER [FEATURES [PAUSE]]")
    driftd, folder = sys.argv[1], Path(sys.argv[2])
    features = int(sys.argv[3]) if len(sys.argv) > 3 else 4_500
    pause = float(sys.argv[4]) if len(sys.argv) > 4 else 1.0
    shutil.rmtree(folder, ignore_errors=True)
    (folder / "waiting").mkdir(parents=True)
    write(folder / "reference.parquet", features, 0)
    for file in range(FILES):
        write(folder / f"waiting/{file}.parquet", features, 1 + file)
    (folder / "driftd.toml").write_text(CONFIG)
    alone, _, daemon = counting(driftd, folder, 0, pause)
    for format in FORMATS:
        scrape(daemon, "identity", format)
        scrape(daemon, "gzip", format)
    print(f"peak memory {daemon.peak_mib():.0f} MiB")
    daemon.stop()
    beside, scrapes, daemon = counting(driftd, folder, SCRAPERS, pause)
    daemon.stop()
    print(f"counting alone {alone:.2f} s; with {SCRAPERS} scrapers {beside:.2f} s")
    print(f"{scrapes} scrapes meanwhile")


if __name__ == "__main__":
    main()
