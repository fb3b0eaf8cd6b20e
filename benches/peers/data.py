"""Generate the data of the peer benchmarks: the same values for the same numpy, in any order.

    data.py OUT [--small] [--codec zstd snappy]     both small sets | also the large and wide ones
    data.py OUT --shape rows40x11 columns500x1 groups5x200
    data.py --evidently1526 OUT

Every set is a folder OUT/SET-CODEC with files part-000.parquet, part-001.parquet and so on. Each
column of each row group has a random stream of its own, so that files can be made in parallel.
"""

import argparse
import multiprocessing
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

SEED = 1526
WORKERS = 2

NULL_RATES = (0.0, 0.01, 0.0, 0.05, 0.0, 0.20, 0.0, 0.10, 0.0, 0.02)
NAN_RATES = {3: 0.01, 17: 0.005, 31: 0.02}

CARDINALITIES = (3, 5, 8, 12, 20, 50, 100, 500, 2_000, 5_000)
STRING_NULL_RATES = (0.0, 0.0, 0.02, 0.0, 0.10, 0.0, 0.05, 0.0, 0.0, 0.01)
ZIPF_EXPONENT = 1.1

# What differs in a drifted set, by the column's number.
DRIFT = {
    0: {"shift": 0.1},
    5: {"shift": 0.5},
    10: {"scale": 1.25},
    11: {"shift": 0.25},
    12: {"scale": 1.5},
    13: {"upper": 0.5},
    14: {"rate": 8.0},
}
DRIFTED_NULL_RATES = {20: 0.15}
DRIFTED_EXPONENTS = {3: 0.7, 6: 0.9}


@dataclass(frozen=True)
class Layout:
    """The size of a set; `stream` keeps its random numbers apart from those of other sets."""

    stream: int
    files: int
    groups: int
    rows: int
    doubles: int
    strings: int = 0
    drifted: bool = False
    normals_only: bool = False


MAIN_SETS = {
    "small_reference": Layout(1, files=1, groups=1, rows=100_000, doubles=40, strings=10),
    "small_current": Layout(
        2, files=1, groups=1, rows=100_000, doubles=40, strings=10, drifted=True
    ),
    "reference": Layout(3, files=1, groups=1, rows=1_000_000, doubles=40, strings=10),
    "current": Layout(4, files=5, groups=2, rows=1_000_000, doubles=40, strings=10, drifted=True),
    "wide_reference": Layout(5, files=1, groups=1, rows=100_000, doubles=500),
    "wide_current": Layout(6, files=1, groups=5, rows=100_000, doubles=500, drifted=True),
}
SHAPES = {
    "rows40x11": Layout(7, files=1, groups=11, rows=200_000, doubles=40),
    "columns500x1": Layout(8, files=1, groups=1, rows=200_000, doubles=500),
    "groups5x200": Layout(9, files=1, groups=200, rows=50_000, doubles=5),
}
EVIDENTLY_1526 = {
    "evidently1526": Layout(
        10, files=30, groups=1, rows=100_000, doubles=1_000, normals_only=True
    ),
}


def normal(random, rows, shift=0.0, scale=1.0):
    return 10.0 + 2.0 * (shift + scale * random.standard_normal(rows))


def lognormal(random, rows, shift=0.0):
    return np.exp(shift + 0.8 * random.standard_normal(rows))


def exponential(random, rows, scale=1.0):
    return 3.0 * scale * random.standard_exponential(rows)


def bimodal(random, rows, upper=0.3):
    return random.standard_normal(rows) + 6.0 * (random.random(rows) < upper)


def poisson(random, rows, rate=6.0):
    return random.poisson(rate, rows).astype(np.float64)


KINDS = (normal, lognormal, exponential, bimodal, poisson)


def nulls(random, rows, rate):
    return random.random(rows) < rate if rate else None


def double_column(random, rows, number, layout):
    if layout.normals_only:
        return pa.array(random.standard_normal(rows))
    drift = DRIFT.get(number, {}) if layout.drifted else {}
    values = KINDS[number % len(KINDS)](random, rows, **drift)
    if number in NAN_RATES:
        values[random.random(rows) < NAN_RATES[number]] = np.nan
    # In other steps than the kinds, so that each kind comes with several rates.
    null_rate = NULL_RATES[number * 7 // 5 % len(NULL_RATES)]
    if layout.drifted:
        null_rate = DRIFTED_NULL_RATES.get(number, null_rate)
    return pa.array(values, mask=nulls(random, rows, null_rate))


def string_column(random, rows, number, layout):
    cardinality = CARDINALITIES[number]
    exponent = ZIPF_EXPONENT
    if layout.drifted:
        exponent = DRIFTED_EXPONENTS.get(number, exponent)
    cumulative = np.cumsum(np.arange(1, cardinality + 1) ** -exponent)
    codes = np.searchsorted(cumulative, random.random(rows) * cumulative[-1], side="right")
    mask = nulls(random, rows, STRING_NULL_RATES[number])
    values = pa.array([f"category_{number}_{code:04d}" for code in range(cardinality)])
    return values.take(pa.array(codes, mask=mask))


def row_group(layout, group):
    columns = {}
    for number in range(layout.doubles + layout.strings):
        entropy = np.random.SeedSequence([SEED, layout.stream, group, number])
        random = np.random.Generator(np.random.PCG64(entropy))
        if number < layout.doubles:
            name, make, index = f"num_{number:03d}", double_column, number
        else:
            index = number - layout.doubles
            name, make = f"cat_{index:03d}", string_column
        columns[name] = make(random, layout.rows, index, layout)
    return pa.table(columns)


def writer_options(layout, codec):
    options = {"compression": codec}
    if layout.normals_only:
        # Random doubles neither repeat nor compress: more effort would only cost time here.
        options |= {"use_dictionary": False}
        options |= {"compression_level": 1} if codec == "zstd" else {}
    return options


def write_file(out, name, layout, codecs, file):
    writers = {}
    for group in range(file * layout.groups, (file + 1) * layout.groups):
        table = row_group(layout, group)
        for codec in codecs:
            if codec not in writers:
                path = Path(out, f"{name}-{codec}", f"part-{file:03d}.parquet")
                path.parent.mkdir(parents=True, exist_ok=True)
                writers[codec] = pq.ParquetWriter(
                    path, table.schema, **writer_options(layout, codec)
                )
            writers[codec].write_table(table, row_group_size=layout.rows)
    for writer in writers.values():
        writer.close()


def write_sets(out, sets, codecs):
    tasks = [
        (out, name, layout, codecs, file)
        for name, layout in sets.items()
        for file in range(layout.files)
    ]
    with multiprocessing.Pool(min(WORKERS, len(tasks))) as pool:
        pool.starmap(write_file, tasks, chunksize=1)


def chosen_sets(arguments):
    if arguments.evidently1526:
        return EVIDENTLY_1526
    if arguments.shape:
        return {name: SHAPES[name] for name in arguments.shape}
    if arguments.small:
        return {name: MAIN_SETS[name] for name in MAIN_SETS if name.startswith("small_")}
    return MAIN_SETS


def main():
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("out", help="folder that gets one folder per set and codec")
    which = parser.add_mutually_exclusive_group()
    which.add_argument("--small", action="store_true", help="only small_reference, small_current")
    which.add_argument("--shape", nargs="+", choices=SHAPES, help="sets for thread scaling")
    which.add_argument(
        "--evidently1526", action="store_true", help="3,000,000 x 1,000 normals, 24 GB"
    )
    parser.add_argument("--codec", nargs="+", default=["zstd"], choices=["zstd", "snappy"])
    arguments = parser.parse_args()
    write_sets(arguments.out, chosen_sets(arguments), arguments.codec)


if __name__ == "__main__":
    main()
