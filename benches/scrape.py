"""What a large page costs: scrape.py DRIFTD FOLDER [FEATURES]

Makes a reference and files of FEATURES doubles (4,500: over 200,000 series with all families) in
FOLDER, starts the daemon on them, and prints

- how long a scrape takes when a window has just closed, and when nothing changed, plain and gzip;
- how long the same files take to be counted without scrapers, and with ten that each come every
  second, fifteen times as often as Prometheus does by default with one.
"""

import gzip
import http.client
import json
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
PAUSE_SECONDS = 1.0
REPEATS = 20

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

    def get(self, path, encoding="identity"):
        connection = http.client.HTTPConnection(self.address, timeout=60)
        connection.request("GET", path, headers={"Accept-Encoding": encoding})
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


def scrape(daemon, encoding, name):
    first, page = timed(lambda: daemon.get("/metrics", encoding))
    repeated = [timed(lambda: daemon.get("/metrics", encoding))[0] for _ in range(REPEATS)]
    text = gzip.decompress(page) if encoding == "gzip" else page
    series = sum(not line.startswith(b"#") for line in text.splitlines())
    print(
        f"{name}: {series:,} series, {len(page) / 1e6:.1f} MB; first {first * 1e3:.0f} ms, "
        f"again {statistics.median(repeated) * 1e3:.0f} ms, at most {max(repeated) * 1e3:.0f} ms"
    )


def counting(driftd, folder, scrapers):
    """Seconds until all files are counted, and scrapes meanwhile."""
    for state in folder.glob("driftd.db*"):
        state.unlink()
    (folder / "logs").rename(folder / "waiting")
    (folder / "logs").mkdir()
    daemon = Daemon(driftd, folder)
    stop = threading.Event()
    scrapes = []

    def scraper():
        while not stop.wait(PAUSE_SECONDS):
            daemon.get("/metrics", "gzip")
            scrapes.append(1)

    threads = [threading.Thread(target=scraper) for _ in range(scrapers)]
    for thread in threads:
        thread.start()
    started = time.perf_counter()
    for file in (folder / "waiting").iterdir():
        file.rename(folder / "logs" / file.name)
    (folder / "waiting").rmdir()
    daemon.wait_until_counted(FILES)
    seconds = time.perf_counter() - started
    stop.set()
    for thread in threads:
        thread.join()
    return seconds, len(scrapes), daemon


def main():
    if len(sys.argv) not in (3, 4):
        sys.exit("usage: scrape.py DRIFTD FOLDER [FEATURES]")
    driftd, folder = sys.argv[1], Path(sys.argv[2])
    features = int(sys.argv[3]) if len(sys.argv) == 4 else 4_500
    shutil.rmtree(folder, ignore_errors=True)
    (folder / "logs").mkdir(parents=True)
    write(folder / "reference.parquet", features, 0)
    for file in range(FILES):
        write(folder / f"logs/{file}.parquet", features, 1 + file)
    (folder / "driftd.toml").write_text(CONFIG)
    alone, _, daemon = counting(driftd, folder, 0)
    scrape(daemon, "identity", "plain")
    scrape(daemon, "gzip", "gzip")
    print(f"peak memory {daemon.peak_mib():.0f} MiB")
    daemon.stop()
    beside, scrapes, daemon = counting(driftd, folder, SCRAPERS)
    daemon.stop()
    print(f"{FILES} files alone {alone:.2f} s; with {SCRAPERS} scrapers {beside:.2f} s")
    print(f"{scrapes} scrapes meanwhile")


if __name__ == "__main__":
    main()
