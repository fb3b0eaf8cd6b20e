"""Compare two commands as whole processes, in turn: compare.py N 'COMMAND A' 'COMMAND B'

Prints, for wall time, CPU time (user and system) and peak memory, the medians of N runs of each
and the median of the N pairwise ratios, which suffers less from a machine that speeds up and slows
down. Standard output is discarded, standard error is not.
"""

import os
import shlex
import statistics
import sys
import time
from collections import namedtuple
from pathlib import Path

Cost = namedtuple("Cost", ["wall_s", "cpu_s", "peak_mib"])


def run(command):
    words = shlex.split(command)
    discard = [(os.POSIX_SPAWN_OPEN, 1, os.devnull, os.O_WRONLY, 0)]
    started = time.perf_counter()
    try:
        pid = os.posix_spawnp(words[0], words, os.environ, file_actions=discard)
    except OSError as error:
        sys.exit(f"compare.py: cannot start {words[0]}: {error.strerror}")
    _, wait_status, usage = os.wait4(pid, 0)
    wall = time.perf_counter() - started
    status = os.waitstatus_to_exitcode(wait_status)
    if status not in successes(words):
        sys.exit(f"compare.py: failed with status {status}: {command}")
    # Linux counts the peak in KiB.
    return Cost(wall, usage.ru_utime + usage.ru_stime, usage.ru_maxrss / 1024)


def successes(words):
    """`driftd check` has the status 1 when it found drift, also behind `taskset` and the like."""
    return {0, 1} if any(Path(word).name == "driftd" for word in words) else {0}


def report(pairs):
    print(f"{'':9}{'A':>10}{'B':>10}{'A/B':>8}")
    for index, figure in enumerate(Cost._fields):
        a = [pair[0][index] for pair in pairs]
        b = [pair[1][index] for pair in pairs]
        ratios = [x / y for x, y in zip(a, b)]
        medians = [statistics.median(figures) for figures in (a, b, ratios)]
        print("{:9}{:10.2f}{:10.2f}{:8.3f}".format(figure, *medians))


def main():
    if len(sys.argv) != 4 or not sys.argv[1].isdigit() or int(sys.argv[1]) == 0:
        sys.exit("usage: compare.py N 'COMMAND A' 'COMMAND B'")
    count, commands = int(sys.argv[1]), sys.argv[2:]
    report([tuple(run(command) for command in commands) for _ in range(count)])


if __name__ == "__main__":
    main()
