"""Figures with DuckDB: duckdb_figures.py REFERENCE_DIR CURRENT_DIR [scan | all]

scan  every column of both sides is read and summed up
all   three queries: percentiles of the reference; counts between them on each side, together with
      missing, mean, stddev and percentiles of current; PSI and KS follow from the counts
"""

import duckdb

import reading
import scores

EDGES = [percent / 100 for percent in range(1, 100)]


def main():
    arguments = reading.arguments(__doc__, modes=tuple(MODES))
    connection = duckdb.connect()
    reference, current = source(arguments.reference), source(arguments.current)
    columns = connection.execute(f"DESCRIBE FROM {current}").fetchall()
    numeric, categorical = reading.kinds({name: kind for name, kind, *_ in columns})
    mode = MODES[arguments.mode]
    reading.print_figures(mode(connection, reference, current, numeric, categorical))


def source(files):
    """Without `can_have_nan` DuckDB takes a column for free of NaN when its statistics are."""
    return f"read_parquet({files}, can_have_nan = true)"


def row(connection, expressions, table):
    """One row of all expressions, a mapping from their names to SQL."""
    columns = ", ".join(f'{sql} AS "{name}"' for name, sql in expressions.items())
    query = connection.execute(f"SELECT {columns} FROM {table}")
    return dict(zip(expressions, query.fetchone()))


def scan(connection, reference, current, numeric, categorical):
    sums = {name: f"sum({name})" for name in numeric}
    sums |= {name: f"sum(strlen({name}))" for name in categorical}
    sides = {"reference_sum": reference, "current_sum": current}
    rows = {figure: row(connection, sums, side) for figure, side in sides.items()}
    return {name: {figure: row[name] for figure, row in rows.items()} for name in sums}


def everything(connection, reference, current, numeric, categorical):
    reference, current = (
        without_nan(side, numeric, categorical) for side in (reference, current)
    )
    percentiles = {name: f"quantile_cont({name}, {EDGES})" for name in numeric}
    edges = row(connection, percentiles, reference)
    histograms = {f"{name} counts": histogram(name, sorted(set(edges[name]))) for name in numeric}
    histograms |= {f"{name} counts": f"histogram({name})" for name in categorical}
    counted_reference = row(connection, histograms | nulls(categorical), reference)
    counted_current = row(
        connection, histograms | nulls(categorical) | statistics(numeric), current
    )
    figures = {
        name: numeric_figures(name, edges[name], counted_reference, counted_current)
        for name in numeric
    }
    for name in categorical:
        sides = [category_counts(name, side) for side in (counted_reference, counted_current)]
        figures[name] = scores.categorical_figures(*sides)
    return figures


def without_nan(table, numeric, categorical):
    columns = [f"nullif({name}, 'nan'::DOUBLE) AS {name}" for name in numeric] + categorical
    return f"(SELECT {', '.join(columns)} FROM {table})"


def histogram(name, edges):
    return f"histogram({name}, {edges})"


def nulls(names):
    return {f"{name} nulls": f"count(*) - count({name})" for name in names}


def statistics(names):
    percentiles = [percent / 100 for percent in reading.PERCENTILES]
    expressions = {"rows": "count(*)"}
    for name in names:
        expressions |= {
            f"{name} present": f"count({name})",
            f"{name} mean": f"avg({name})",
            f"{name} stddev": f"stddev_samp({name})",
            f"{name} min": f"min({name})",
            f"{name} max": f"max({name})",
            f"{name} percentiles": f"quantile_cont({name}, {percentiles})",
        }
    return expressions


def numeric_figures(name, edges, reference, current):
    # The histogram's own last key, infinity, holds what is above the last edge.
    bounds = [*sorted(set(edges)), float("inf")]
    sides = [cumulative(side[f"{name} counts"], bounds) for side in (reference, current)]
    deciles = [bound in edges[9::10] or bound == bounds[-1] for bound in bounds]
    at_deciles = [
        [count for count, is_decile in zip(side, deciles) if is_decile] for side in sides
    ]
    return {
        "missing_ratio": 1 - current[f"{name} present"] / current["rows"],
        "mean": current[f"{name} mean"],
        "stddev": current[f"{name} stddev"],
        "min": current[f"{name} min"],
        "max": current[f"{name} max"],
        "percentiles": {
            str(percent): value
            for percent, value in zip(reading.PERCENTILES, current[f"{name} percentiles"])
        },
        "psi_deciles": scores.psi_at_edges(*at_deciles),
        "ks_percentiles": scores.ks_at_edges(*sides),
    }


def cumulative(counts, bounds):
    total = 0
    return [total := total + counts.get(bound, 0) for bound in bounds]


def category_counts(name, side):
    return side[f"{name} counts"] | {None: side[f"{name} nulls"]}


MODES = {"scan": scan, "all": everything}


if __name__ == "__main__":
    main()
