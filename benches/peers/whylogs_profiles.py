"""Profiles of whylogs and their drift scores: whylogs_profiles.py REFERENCE_DIR CURRENT_DIR

Each row group is profiled and merged into its side's profile, so that no side is in memory whole.
"""

import os

# Must be set before the import, which otherwise reports the use to the makers.
os.environ["WHYLOGS_NO_ANALYTICS"] = "True"

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import whylogs
from whylogs.viz.drift.column_drift_algorithms import calculate_drift_scores

import reading

QUANTILES = {1: "q_01", 5: "q_05", 25: "q_25", 50: "median", 75: "q_75", 95: "q_95", 99: "q_99"}


def main():
    arguments = reading.arguments(__doc__)
    reference, current = profile(arguments.reference), profile(arguments.current)
    scores = calculate_drift_scores(target_view=current, reference_view=reference)
    columns = current.get_columns()
    reading.print_figures({name: figures(columns[name], scores[name]) for name in columns})


def profile(paths):
    merged = None
    for path in paths:
        file = pq.ParquetFile(path)
        for group in range(file.num_row_groups):
            # A column of pandas' own string type is not searched for values of other types.
            frame = file.read_row_group(group).to_pandas(
                types_mapper={pa.string(): pd.StringDtype()}.get
            )
            view = whylogs.log(pandas=frame).view()
            merged = view if merged is None else merged.merge(view)
    return merged


def figures(column, score):
    summary = column.to_summary_dict()
    result = {
        "missing_ratio": summary["counts/null"] / summary["counts/n"],
        f"drift, {score['algorithm']} statistic": score["statistic"],
        f"drift, {score['algorithm']} p": score["pvalue"],
    }
    # Strings have an empty distribution.
    if summary["distribution/n"]:
        moments = ("mean", "stddev", "min", "max")
        result |= {name: summary[f"distribution/{name}"] for name in moments}
        result["percentiles"] = {
            str(percent): summary[f"distribution/{name}"] for percent, name in QUANTILES.items()
        }
    return result


if __name__ == "__main__":
    main()
