#!/usr/bin/env python3
"""Profiles rows with Spark: one driftd per partition, and the sum of what they count.

    spark-submit deploy/spark/driftd_profile.py --driftd driftd --grid train.profile \\
        --input 's3a://logs/2026/*.parquet' --output january.profile
    driftd check --reference train.profile january.profile

Each executor starts `driftd profile -` for each of its partitions, sends it the rows as an Arrow
IPC stream, and hands back the profile, some kilobytes per feature; the driver adds them with
`driftd merge`. Counts are the same whatever the partitions are; how much rows resemble those next to
them is learned within a batch (spark.sql.execution.arrow.maxRecordsPerBatch), as it is within a row
group of a file. On a cluster, send the binary and
the grid along: `--files driftd,train.profile`, and name them without a folder.

Any engine that offers a function over Arrow batches can do the same: Ray's `map_batches`, Dask's
`map_partitions`, Flink's and Beam's Arrow functions.
"""

import argparse
import os
import subprocess
import sys
import tempfile

import pyarrow as pa
from pyspark import SparkFiles
from pyspark.sql import SparkSession


def found(path):
    """The file as the driver named it, or as Spark has sent it to this executor."""
    sent = SparkFiles.get(os.path.basename(path))
    return path if os.path.exists(path) or not os.path.exists(sent) else sent


def profiler(driftd, grid, options):
    """A function from the batches of one partition to its profile; none of a partition without rows."""

    def profile(batches):
        process, writer, errors = None, None, tempfile.TemporaryFile()
        for batch in batches:
            if process is None:
                command = [found(driftd), "profile", "-", "--grid", found(grid), "--output", "-", *options]
                process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=errors)
            # Who has ended before it has read everything says why below.
            try:
                writer = writer or pa.ipc.new_stream(process.stdin, batch.schema)
                writer.write_batch(batch)
            except BrokenPipeError:
                break
        if process is None:
            return
        try:
            writer and writer.close()
        except BrokenPipeError:
            pass
        # It writes only once it has read everything, so that nobody waits for the other.
        out, _ = process.communicate()
        if process.returncode != 0:
            errors.seek(0)
            raise RuntimeError(errors.read().decode(errors="replace").strip())
        yield pa.RecordBatch.from_pydict({"profile": pa.array([out], pa.binary())})

    return profile


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--driftd", default="driftd", help="the binary, on every executor")
    parser.add_argument("--grid", required=True, help="the reference's profile, made with driftd profile")
    parser.add_argument("--input", required=True, help="Parquet, anywhere that Spark reads from")
    parser.add_argument("--output", required=True, help="where the profile goes")
    parser.add_argument("options", nargs="*", help="after --: options of driftd profile, such as --exclude year")
    arguments = parser.parse_args()
    spark = SparkSession.builder.appName("driftd profile").getOrCreate()
    rows = spark.read.parquet(arguments.input)
    profile = profiler(arguments.driftd, arguments.grid, arguments.options)
    # All partitions at once; a profile has some kilobytes for each feature.
    parts = rows.mapInArrow(profile, "profile binary").collect()
    with tempfile.TemporaryDirectory() as folder:
        names = []
        for number, part in enumerate(parts):
            names.append(os.path.join(folder, f"{number}.profile"))
            with open(names[-1], "wb") as file:
                file.write(part.profile)
        if not names:
            sys.exit(f"{arguments.input} holds no rows")
        subprocess.run([found(arguments.driftd), "merge", *names, "--output", arguments.output], check=True)
    spark.stop()


if __name__ == "__main__":
    main()
