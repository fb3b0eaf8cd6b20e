"""Figures with polars: polars_figures.py REFERENCE_DIR CURRENT_DIR [scan | psi | all]

scan  every column of both sides is read and summed up, so that none can be dropped from the plan
psi   ten bins between the reference's deciles, and categories; missing, mean, stddev
all   the same with KS and exact percentiles, from one sort of each column
"""

import os
from concurrent.futures import ThreadPoolExecutor

import polars as pl

import reading
import scores

KS_CELLS = 1_000


def main():
    arguments = reading.arguments(__doc__, modes=tuple(MODES))
    reference, current = pl.scan_parquet(arguments.reference), pl.scan_parquet(arguments.current)
    numeric, categorical = reading.kinds(current.collect_schema())
    reading.print_figures(MODES[arguments.mode](reference, current, numeric, categorical))


def streamed_row(frame, expressions):
    return frame.select(expressions).collect(engine="streaming").row(0, named=True)


def scan(reference, current, numeric, categorical):
    sums = [pl.col(name).sum() for name in numeric]
    sums += [pl.col(name).str.len_bytes().sum() for name in categorical]
    sides = {"reference_sum": reference, "current_sum": current}
    rows = {figure: streamed_row(side, sums) for figure, side in sides.items()}
    return {
        name: {figure: row[name] for figure, row in rows.items()}
        for name in [*numeric, *categorical]
    }


def without_nan(frames, numeric):
    return [frame.with_columns(pl.col(numeric).fill_nan(None)) for frame in frames]


def psi(reference, current, numeric, categorical):
    reference, current = without_nan((reference, current), numeric)
    cuts = deciles(reference, numeric)
    counted_reference = streamed_row(reference, list(counts(cuts)))
    counted_current = streamed_row(current, [pl.len(), *counts(cuts), *moments(numeric)])
    figures = {}
    for name in numeric:
        sides = [
            [side[f"{name} up to {index}"] for index in range(len(cuts[name]))]
            + [side[f"{name} present"]]
            for side in (counted_reference, counted_current)
        ]
        figures[name] = {
            "missing_ratio": 1 - counted_current[f"{name} present"] / counted_current["len"],
            "mean": counted_current[f"{name} mean"],
            "stddev": counted_current[f"{name} stddev"],
            "psi_deciles": scores.psi_at_edges(*sides),
        }
    return figures | categorical_figures(reference, current, categorical)


def deciles(frame, names):
    shares = [tenth / 10 for tenth in range(1, 10)]
    row = frame.select(pl.col(name).quantile(shares, "linear") for name in names).collect().row(0)
    return {name: sorted(set(cuts)) for name, cuts in zip(names, row)}


def counts(cuts):
    for name, values in cuts.items():
        for index, value in enumerate(values):
            yield (pl.col(name) <= value).sum().alias(f"{name} up to {index}")
        yield pl.col(name).count().alias(f"{name} present")


def moments(names):
    for name in names:
        yield pl.col(name).mean().alias(f"{name} mean")
        yield pl.col(name).std().alias(f"{name} stddev")


def categorical_figures(reference, current, names):
    sides = [category_counts(side, names) for side in (reference, current)]
    return {
        name: scores.categorical_figures(*pair) for name, *pair in zip(names, *sides, strict=True)
    }


def category_counts(frame, names):
    queries = [frame.group_by(name).len() for name in names]
    return [dict(result.iter_rows()) for result in pl.collect_all(queries, engine="streaming")]


def everything(reference, current, numeric, categorical):
    rows = current.select(pl.len()).collect().item()
    reference, current = without_nan((reference, current), numeric)
    with ThreadPoolExecutor(os.cpu_count()) as threads:
        figures = threads.map(lambda name: numeric_figures(reference, current, rows, name), numeric)
        figures = dict(zip(numeric, figures))
    return figures | categorical_figures(reference, current, categorical)


def numeric_figures(reference, current, rows, name):
    """Sorting costs as much as a histogram, and gives percentiles and any count for nothing."""
    reference, current = sorted_values(reference, name), sorted_values(current, name)
    cuts = pl.Series(reference.quantile(tenth / 10, "linear") for tenth in range(1, 10)).unique()
    ranks = [cell * (len(reference) - 1) // KS_CELLS for cell in range(1, KS_CELLS)]
    edges = reference.gather(ranks)
    return {
        "missing_ratio": (rows - len(current)) / rows,
        "mean": current.mean(),
        "stddev": current.std(),
        "min": current[0],
        "max": current[-1],
        "percentiles": {
            str(percent): current.quantile(percent / 100, "linear")
            for percent in reading.PERCENTILES
        },
        "psi_deciles": scores.psi_at_edges(
            counts_up_to(reference, cuts), counts_up_to(current, cuts)
        ),
        "ks": scores.ks_at_edges(counts_up_to(reference, edges), counts_up_to(current, edges)),
    }


def sorted_values(frame, name):
    return frame.select(pl.col(name).drop_nulls().sort()).collect().to_series()


def counts_up_to(values, edges):
    return [*values.search_sorted(edges, side="right"), len(values)]


MODES = {"scan": scan, "psi": psi, "all": everything}


if __name__ == "__main__":
    main()
