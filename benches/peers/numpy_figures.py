"""All figures by hand with numpy, exactly as driftd defines them: numpy_figures.py REF CUR

Each numeric column is read and sorted once; everything else is looked up in the sorted values.
Both numpy's sort and pyarrow's decoder release the interpreter's lock, so threads share columns.
"""

import os
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

import reading
import scores


@dataclass
class Files:
    """Parquet files whose footers are parsed once, though every thread opens them anew."""

    paths: list
    footers: list

    @classmethod
    def open(cls, paths):
        return cls(paths, [pq.read_metadata(path) for path in paths])

    def schema(self):
        return self.footers[0].schema.to_arrow_schema()

    def column(self, name, as_dictionary=False):
        chunks = []
        for path, footer in zip(self.paths, self.footers):
            dictionary = [name] if as_dictionary else None
            file = pq.ParquetFile(path, metadata=footer, read_dictionary=dictionary)
            chunks += file.read(columns=[name], use_threads=False).column(0).chunks
        return pa.chunked_array(chunks)


def sorted_values(column):
    """The values that are not missing: a null becomes NaN, and NaN sorts behind all values."""
    values = np.sort(column.to_numpy())
    return values[: np.searchsorted(values, np.nan)]


def percentile(values, percent):
    """Linear between the two nearest ranks, which integers find without rounding."""
    rank, hundredths = divmod(percent * (len(values) - 1), 100)
    if hundredths == 0:
        return values[rank]
    return values[rank] + hundredths / 100 * (values[rank + 1] - values[rank])


def psi_cuts(reference):
    """Deciles, but a value with a tenth of the rows or more is a bin between two cuts."""
    deciles = np.array([percentile(reference, percent) for percent in range(10, 100, 10)])
    heavy = heavy_values(reference)
    light = deciles[~np.isin(deciles, heavy)]
    return np.unique(np.concatenate([light, np.nextafter(heavy, -np.inf), heavy]))


def heavy_values(reference):
    # So long a run of equal values cannot pass between the two ranks beside every decile.
    ranks = np.arange(11) * (len(reference) - 1)
    candidates = np.unique(reference[np.concatenate([ranks // 10, -(-ranks // 10)])])
    runs = counts_up_to(reference, candidates) - np.searchsorted(reference, candidates)
    return candidates[10 * runs >= len(reference)]


def counts_up_to(values, cuts):
    return np.searchsorted(values, cuts, side="right")


def psi(reference, current):
    cuts = psi_cuts(reference)
    sides = [[*counts_up_to(side, cuts).tolist(), len(side)] for side in (reference, current)]
    return scores.psi_at_edges(*sides)


def ks(reference, current):
    """Exact: the functions differ most at a value of the reference or just below it."""
    last = np.flatnonzero(np.append(reference[1:] != reference[:-1], True))
    distinct = reference[last]
    below = np.searchsorted(current, distinct)
    at = below.copy()
    # Few values occur on both sides of a continuous column, and only they need a second search.
    shared = current[np.minimum(below, len(current) - 1)] == distinct
    at[shared] = counts_up_to(current, distinct[shared])
    reference_at = (last + 1) / len(reference)
    reference_below = np.append(0.0, reference_at[:-1])
    return max(
        np.abs(reference_at - at / len(current)).max(),
        np.abs(reference_below - below / len(current)).max(),
    )


def numeric_figures(reference_files, current_files, name):
    reference = sorted_values(reference_files.column(name))
    column = current_files.column(name)
    current = sorted_values(column)
    mean = current.mean()
    return {
        "missing_ratio": (len(column) - len(current)) / len(column),
        "mean": mean,
        "stddev": current.std(ddof=1, mean=mean),
        "min": current[0],
        "max": current[-1],
        "percentiles": {str(p): percentile(current, p) for p in reading.PERCENTILES},
        "psi": psi(reference, current),
        "ks": ks(reference, current),
    }


def category_counts(column):
    counts = Counter()
    for chunk in column.chunks:
        codes = chunk.indices.drop_null().to_numpy()
        values = chunk.dictionary.to_pylist()
        counts.update(dict(zip(values, np.bincount(codes, minlength=len(values)).tolist())))
        counts[None] += chunk.indices.null_count
    return +counts


def categorical_figures(reference_files, current_files, name):
    sides = (reference_files, current_files)
    return scores.categorical_figures(
        *(category_counts(files.column(name, as_dictionary=True)) for files in sides)
    )


def main():
    arguments = reading.arguments(__doc__)
    reference, current = Files.open(arguments.reference), Files.open(arguments.current)
    schema = current.schema()
    numeric, categorical = reading.kinds(dict(zip(schema.names, schema.types)))
    with ThreadPoolExecutor(os.cpu_count()) as threads:
        features = [threads.submit(numeric_figures, reference, current, name) for name in numeric]
        features += [
            threads.submit(categorical_figures, reference, current, name) for name in categorical
        ]
        names = [*numeric, *categorical]
        reading.print_figures({n: feature.result() for n, feature in zip(names, features)})


if __name__ == "__main__":
    main()
