"""All at once, and for long: soak.py DRIFTD FOLDER [--minutes 60] [--reloads N] [--seed 1]

Runs one daemon in FOLDER, and at the same time

- writes a Parquet file every 50 ms, hidden until it is whole and gone after two minutes
- sends up to 5,000 lines per connection over TCP and Unix sockets, some of them garbage
- scrapes /metrics and /-/healthy every 100 ms; each must answer within 10 s, and no counter of a
  source may fall
- reloads the configuration every second, in turn a good and a bad one
- leaves the state no room on its disk for 20 s now and then (as root, since it mounts one)

With --reloads it ends after so many of them, up to four a second, and the disk is never full. At
the end every row must be counted once, with memory and descriptors as after the first quarter: by
then an hour's run has as many windows open as it ever will. Then the daemon is stopped while
clients send, and started again: what was closed without an error before the listener refused must
be counted. Prints "pass: …" or "FAULT: …" with all that failed.
"""

import argparse
import http.client
import itertools
import json
import os
import random
import shutil
import signal
import socket
import struct
import subprocess
import sys
import threading
import time
import urllib.request
from collections import Counter, deque
from contextlib import ExitStack, suppress
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

FEATURES = [f"f{i:02}" for i in range(20)]
WORDS = ["red", "green", "blue", "grey"]
GARBAGE = [b"no row\n", b"[1, 2]\n", b'{"f00": 1\n', b"\xff\xfe\n"]
LINES_MAX = 5_000
# Window and sources of each model; a source is named by its type. The guest comes and goes.
GUEST = "guest"
MODELS = {
    "mixed": ('type = "batch"\nrows = 2000\nevery = "5s"', ["directory", "tcp"]),
    "local": ('type = "rows"\nsize = 5000', ["directory", "unix"]),
    "wire": ('type = "time"\nsize = "1m"', ["tcp"]),
    GUEST: ('type = "batch"', ["directory"]),
}
SOURCES = [(model, name) for model, (_, names) in MODELS.items() for name in names]
SETTINGS = {
    "directory": 'path = "{model}/logs"\nreconcile_interval = "1s"',
    "tcp": 'listen = "127.0.0.1:{address[1]}"',
    "unix": 'path = "{address}"',
}
# In turn good and bad, so that each shows.
RELOADS = ["unchanged", "broken TOML", "another rows_min", "no reference", "another reference"]
RELOADS += ["broken TOML", "model added", "no reference", "model removed", "broken TOML"]
RELOAD_SUCCESSFUL = "driftd_config_last_reload_successful"
RELOAD_TIME = "driftd_config_last_reload_success_timestamp_seconds"
WRITE_ERRORS = "driftd_state_write_errors_total"

# Seconds. After the disk was full nothing is reloaded for a while.
FILE_EVERY, FILE_KEPT = 0.05, 120
SCRAPE_EVERY, ANSWER_WITHIN = 0.1, 10
RELOAD_EVERY, RELOAD_EVERY_FAST, RELOAD_WITHIN = 1, 0.25, 5
FULL_EVERY, FULL_FOR, FULL_REST = 600, 20, 10
SEND_WITHIN, READY_WITHIN, STOP_WITHIN, SUMS_WITHIN = 120, 60, 60, 60


def say(text):
    print(time.strftime("%H:%M:%S"), text, flush=True)


def wait_for(check, seconds):
    end = time.monotonic() + seconds
    while not (is_met := check()) and time.monotonic() < end:
        time.sleep(0.03)
    return is_met


class Setup:
    """What lies in the folder: files, and the configuration as it was last good."""

    def __init__(self, folder, seed):
        self.folder, self.config = folder, folder / "driftd.toml"
        self.draw = np.random.default_rng(seed)
        # Outgoing connections have higher ports, and take none of these while nobody listens.
        self.port, *ports = random.sample(range(10_000, 30_000), 3)
        self.addresses = {("local", "unix"): str(folder / "rows.sock")}
        for model, port in zip(["mixed", "wire"], ports):
            self.addresses[model, "tcp"] = ("127.0.0.1", port)
        self.rows_min, self.has_guest = 500, False
        if (folder / "state").is_mount():
            subprocess.run(["umount", "-l", folder / "state"], check=True)
        for name in ["state", *MODELS]:
            shutil.rmtree(folder / name, ignore_errors=True)
        (folder / "driftd.log").unlink(missing_ok=True)
        (folder / "state").mkdir(parents=True)
        for model in MODELS:
            (folder / model / "logs").mkdir(parents=True)
            self.write_reference(model)
        self.change("unchanged", None)

    def write(self, path, rows, mean):
        columns = {name: self.draw.normal(mean, 1, rows) for name in FEATURES}
        hidden = path.with_name(f".{path.name}")
        pq.write_table(pa.table(columns | {"colour": self.draw.choice(WORDS, rows)}), hidden)
        hidden.rename(path)

    def write_reference(self, model):
        self.write(self.folder / model / "reference.parquet", 2_000, self.draw.normal())

    def write_file(self, model):
        rows = int(self.draw.integers(20, 301))
        path = self.folder / model / "logs" / f"{time.time_ns()}.parquet"
        self.write(path, rows, 0)
        return path, rows

    def change(self, kind, model):
        """Writes the configuration of a reload."""
        if kind == "another reference":
            self.write_reference(model)
        elif kind == "another rows_min":
            self.rows_min += 1
        elif kind.startswith("model"):
            self.has_guest = kind == "model added"
        text = f'[server]\nlisten = "127.0.0.1:{self.port}"\n[state]\npath = "state/driftd.db"\n'
        text += "".join(self.text(own) for own in MODELS if own != GUEST or self.has_guest)
        if kind == "broken TOML":
            text += "broken = [\n"
        elif kind == "no reference":
            text = text.replace(f"{model}/reference.parquet", f"{model}/gone.parquet")
        self.config.write_text(text)

    def text(self, model):
        window, names = MODELS[model]
        text = f'[[model]]\nname = "{model}"\n[model.drift]\nrows_min = {self.rows_min}\n'
        text += f'[model.reference]\npath = "{model}/reference.parquet"\n'
        text += f'[[model.window]]\nname = "w"\n{window}\n'
        for name in names:
            text += f'[[model.source]]\nname = "{name}"\ntype = "{name}"\n'
            address = self.addresses.get((model, name))
            text += SETTINGS[name].format(model=model, address=address) + "\n"
        return text


class Daemon:
    def __init__(self, driftd, setup):
        self.address = f"http://127.0.0.1:{setup.port}"
        with (setup.folder / "driftd.log").open("ab") as log:
            command = [driftd, "run", "--config", setup.config]
            self.process = subprocess.Popen(command, stderr=log)

    def get(self, path):
        with urllib.request.urlopen(self.address + path, timeout=ANSWER_WITHIN) as answer:
            return answer.read().decode()

    def is_ready(self):
        with suppress(OSError):
            return self.get("/-/ready")

    def kill(self):
        self.process.kill()
        self.process.wait()

    def size(self):
        """Resident MiB, and the fewest descriptors of a second, since connections come and go."""
        folder, descriptors = Path(f"/proc/{self.process.pid}"), []
        for _ in range(10):
            descriptors.append(len(os.listdir(folder / "fd")))
            time.sleep(0.1)
        pages = int((folder / "statm").read_text().split()[1])
        return pages * os.sysconf("SC_PAGE_SIZE") >> 20, min(descriptors)


class Soak:
    """One run: what was sent by source, and what went wrong."""

    def __init__(self, driftd, setup, seed):
        self.driftd, self.setup, self.seed = driftd, setup, seed
        self.lock, self.scraping, self.reloading = (threading.Lock() for _ in range(3))
        self.halt, self.threads = threading.Event(), []
        # Only while the daemon is being stopped may connections break.
        self.is_stopping, self.refused = False, set()
        # Rows and garbage that must be counted, and lines that may be.
        self.rows, self.garbage, self.unsure = Counter(), Counter(), Counter()
        self.counters, self.slowest, self.reloads, self.faults = {}, 0.0, 0, Counter()
        threading.excepthook = lambda args: self.fault(f"{args.thread.name}: {args.exc_value!r}")

    def fault(self, text):
        self.faults[text] += 1
        if self.faults[text] == 1:
            say(f"fault: {text}")

    def start_daemon(self, cleanup):
        self.daemon = Daemon(self.driftd, self.setup)
        cleanup.callback(self.daemon.kill)
        if not wait_for(self.daemon.is_ready, READY_WITHIN):
            raise RuntimeError("the daemon does not become ready; see driftd.log")

    def start(self, drive, *args):
        thread = threading.Thread(target=drive, args=(self, *args), daemon=True)
        self.threads.append(thread)
        thread.start()
        return thread

    def start_load(self):
        self.halt.clear()
        self.start(write_files)
        self.start(scrape)
        for source in [*self.setup.addresses] * 2:
            self.start(send_lines, source, random.Random(f"{self.seed} {len(self.threads)}"))

    def end_load(self):
        self.halt.set()
        for thread in self.threads:
            thread.join(SEND_WITHIN)

    def sent(self, source, rows, garbage=0, error=None):
        """Nothing arrived of who was refused; of others that failed nobody knows how much."""
        is_refused = isinstance(error, (ConnectionRefusedError, FileNotFoundError))
        with self.lock:
            if error and not self.is_stopping:
                self.fault("{}/{}: a client met {}".format(*source, error))
            elif is_refused:
                self.refused.add(source)
            if error or source in self.refused:
                self.unsure[source] += 0 if is_refused else rows + garbage
            else:
                self.rows[source] += rows
                self.garbage[source] += garbage

    def answer(self, path):
        begun, text = time.perf_counter(), ""
        try:
            text = self.daemon.get(path)
        except (OSError, http.client.HTTPException) as error:
            if not self.is_stopping:
                self.fault(f"{path}: {error}")
        if not self.is_stopping:
            self.slowest = max(self.slowest, time.perf_counter() - begun)
        return text

    def scrape(self):
        """The samples of /metrics. One page at a time, or an older one could come last."""
        with self.scraping:
            lines = [line for line in self.answer("/metrics").splitlines() if line[0] != "#"]
            samples = {line.rpartition(" ")[0]: float(line.rpartition(" ")[2]) for line in lines}
            for name, value in samples.items():
                if name.startswith("driftd_source_") and "_total{" in name:
                    if value < self.counters.get(name, 0):
                        self.fault(f"{name} fell")
                    self.counters[name] = value
            return samples

    def reload(self, kind):
        is_good = RELOADS.index(kind) % 2 == 0
        before = self.scrape().get(RELOAD_TIME, 0)
        self.setup.change(kind, self.setup.draw.choice([*MODELS][:-1]))
        if kind == "model added":
            self.sent((GUEST, "directory"), self.setup.write_file(GUEST)[1])
        self.daemon.process.send_signal(signal.SIGHUP)

        def is_told():
            samples = self.scrape()
            is_new = samples.get(RELOAD_TIME, 0) > before
            return samples.get(RELOAD_SUCCESSFUL) == is_good == is_new

        if not wait_for(is_told, RELOAD_WITHIN):
            self.fault(f"reload, {kind}: {RELOAD_SUCCESSFUL} is not {is_good:d}")
        self.reloads += 1

    def differences(self):
        models = json.loads(self.answer("/api/v1/state") or '{"models": []}')["models"]
        totals = {model["model"]: model["totals"].get("sources", {}) for model in models}
        for source in SOURCES:
            model, name = source
            garbage, unsure = self.garbage[source], self.unsure[source]
            # The daemon's rows are all that arrived.
            for total, least in [("rows", self.rows[source] + garbage), ("rows_rejected", garbage)]:
                counted = totals.get(model, {}).get(name, {}).get(total, 0)
                if not least <= counted <= least + unsure:
                    yield f"{model}/{name}: {total} {counted}, not {least} to {least + unsure}"

    def compare(self, when):
        wait_for(lambda: not any(self.differences()), SUMS_WITHIN)
        sums = [sum(counts.values()) for counts in (self.rows, self.garbage, self.unsure)]
        say("{}: {} rows, {} lines of garbage, {} lines that broke off".format(when, *sums))
        for text in self.differences():
            self.fault(f"{when}: {text}")

    def watch(self, seconds, reloader):
        """Until the time is over, or all reloads are done."""
        begun, sizes, is_over = time.monotonic(), [], False
        while not is_over:
            time.sleep(0.2)
            if self.daemon.process.poll() is not None:
                return self.fault(f"the daemon ended with {self.daemon.process.returncode}")
            is_over = not reloader.is_alive() or time.monotonic() > begun + seconds
            if is_over or time.monotonic() > begun + 60 * (len(sizes) + 1):
                # Not while the disk is full, when connections pile up.
                with self.reloading:
                    sizes.append(self.daemon.size())
                say("resident {} MiB, {} descriptors; ".format(*sizes[-1]) + self.done())
        (resident, descriptors), (resident_last, descriptors_last) = sizes[len(sizes) // 4], sizes[-1]
        if resident_last > max(resident * 1.2, resident + 50):
            self.fault(f"resident grew from {resident} to {resident_last} MiB")
        if abs(descriptors_last - descriptors) > 10:
            self.fault(f"descriptors went from {descriptors} to {descriptors_last}")

    def done(self):
        rows = sum(self.rows.values())
        return f"{rows} rows, {self.reloads} reloads, slowest answer {self.slowest:.3f} s"

    def restart(self, cleanup):
        """Stops the daemon while clients send, and starts it again."""
        self.start_load()
        time.sleep(3)
        self.is_stopping = True
        process = self.daemon.process
        process.terminate()
        if not wait_for(lambda: process.poll() is not None, STOP_WITHIN) or process.returncode:
            self.daemon.kill()
            self.fault(f"told to stop, the daemon ended with {process.returncode}")
        self.end_load()
        self.start_daemon(cleanup)
        self.is_stopping = False
        self.scrape()
        self.compare("after the restart")


def write_files(soak):
    written = deque()
    for model in itertools.cycle(["mixed", "local"]):
        path, rows = soak.setup.write_file(model)
        soak.sent((model, "directory"), rows)
        written.append((time.monotonic(), path))
        if written[0][0] < time.monotonic() - FILE_KEPT:
            written.popleft()[1].unlink()
        if soak.halt.wait(FILE_EVERY):
            return


def scrape(soak):
    while not soak.halt.wait(SCRAPE_EVERY):
        soak.scrape()
        soak.answer("/-/healthy")


def reload(soak, kinds, every):
    for kind in kinds:
        begun = time.monotonic()
        with soak.reloading:
            soak.reload(kind)
        if soak.halt.wait(max(0, begun + every - time.monotonic())):
            return


def send_lines(soak, source, draw):
    """One connection after the other; while the daemon is being stopped, until one is refused."""
    def line():
        values = {name: round(draw.gauss(0, 1), 6) for name in FEATURES}
        return json.dumps(values | {"colour": draw.choice(WORDS)}).encode() + b"\n"

    pool = [line() for _ in range(LINES_MAX)]
    while not soak.halt.wait(draw.uniform(0, 0.2)) and source not in soak.refused:
        # Few lines as often as many.
        rows = round(LINES_MAX ** draw.random())
        lines, garbage = draw.choices(pool, k=rows), draw.choice([0, 0, 0, 0, draw.randint(1, 5)])
        for _ in range(garbage):
            lines.insert(draw.randint(0, rows), draw.choice(GARBAGE))
        try:
            send(soak.setup.addresses[source], b"".join(lines), draw)
            soak.sent(source, rows, garbage)
        except OSError as error:
            soak.sent(source, rows, garbage, error)


def send(address, data, draw):
    """Some are idle for a second, most likely in the middle of a line."""
    with socket.socket(socket.AF_UNIX if isinstance(address, str) else socket.AF_INET) as client:
        within = struct.pack("ll", SEND_WITHIN, 0)
        client.setsockopt(socket.SOL_SOCKET, socket.SO_SNDTIMEO, within)
        client.connect(address)
        middle = draw.randrange(len(data)) if draw.random() < 0.1 else 0
        if middle:
            client.sendall(data[:middle])
            time.sleep(1)
        client.sendall(data[middle:])
        client.shutdown(socket.SHUT_WR)
        # Shutting down a Unix socket does not tell that the other side has gone.
        if error := client.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR):
            raise OSError(error, os.strerror(error))


def fill_disk(soak, every):
    """Nothing is reloaded meanwhile, since that waits until what was counted is in the state."""
    filler = soak.setup.folder / "state/filler"
    while not soak.halt.wait(every):
        with soak.reloading:
            before, end = soak.scrape().get(WRITE_ERRORS, 0), time.monotonic() + FULL_FOR
            while time.monotonic() < end and not soak.halt.wait(0.2):
                with suppress(OSError), filler.open("ab", buffering=0) as file:
                    while file.write(bytes(4096)):
                        pass
            failed = soak.scrape().get(WRITE_ERRORS, 0) - before
            filler.unlink(missing_ok=True)
            say(f"the disk was full; {failed:.0f} commits failed")
            soak.halt.wait(FULL_REST)


def mount(folder, cleanup):
    """A small disk for the state; false where that is not permitted."""
    command = ["mount", "-t", "tmpfs", "-o", "size=256m", "tmpfs", folder]
    if os.geteuid() != 0 or subprocess.run(command).returncode != 0:
        say("the disk is never full in this run: mounting is not permitted")
        return False
    cleanup.callback(subprocess.run, ["umount", "-l", folder])
    return True


def run(options, cleanup):
    setup = Setup(options.folder.resolve(), options.seed)
    has_disk = not options.reloads and mount(setup.folder / "state", cleanup)
    soak = Soak(options.driftd.resolve(), setup, options.seed)
    soak.start_daemon(cleanup)
    soak.start_load()
    seconds = float("inf") if options.reloads else options.minutes * 60
    if has_disk:
        soak.start(fill_disk, min(FULL_EVERY, seconds / 2))
    kinds = itertools.islice(itertools.cycle(RELOADS), options.reloads)
    every = RELOAD_EVERY_FAST if options.reloads else RELOAD_EVERY
    soak.watch(seconds, soak.start(reload, kinds, every))
    soak.end_load()
    if soak.daemon.process.poll() is None:
        soak.reload("model added")
        soak.compare("at the end")
        soak.restart(cleanup)
    return soak


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("driftd", type=Path)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--minutes", type=float, default=60)
    parser.add_argument("--reloads", type=int)
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    with ExitStack() as cleanup:
        soak = run(options, cleanup)
    faults = [f"{text} ({n} times)" if n > 1 else text for text, n in soak.faults.items()]
    print("FAULT: " + "; ".join(faults) if faults else "pass: " + soak.done())
    sys.exit(bool(faults))


if __name__ == "__main__":
    main()
