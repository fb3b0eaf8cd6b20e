"""A report of Evidently: evidently_report.py REFERENCE_DIR CURRENT_DIR [psi | preset]

psi     the drift preset with its PSI for every column
preset  the drift preset as it comes and the summary preset: missing, mean, stddev, quartiles
"""

import os
import warnings

# Must be set before the import, which otherwise reports the use to the makers.
os.environ["DO_NOT_TRACK"] = "1"

import pandas as pd
from evidently import DataDefinition, Dataset, Report
from evidently.presets import DataDriftPreset, DataSummaryPreset

import reading

SUMMARY_FIGURES = {
    "MissingValueCount": "missing_ratio",
    "MeanValue": "mean",
    "StdValue": "stddev",
    "MinValue": "min",
    "MaxValue": "max",
}


def psi_metrics():
    return [DataDriftPreset(num_method="psi", cat_method="psi")]


def preset_metrics():
    return [DataDriftPreset(), DataSummaryPreset()]


MODES = {"psi": psi_metrics, "preset": preset_metrics}


def main():
    arguments = reading.arguments(__doc__, modes=tuple(MODES))
    warnings.simplefilter("ignore")
    reference, current = pd.read_parquet(arguments.reference), pd.read_parquet(arguments.current)
    numeric, categorical = reading.kinds(reading.pandas_kinds(current))
    definition = DataDefinition(numerical_columns=numeric, categorical_columns=categorical)
    reference, current = (
        Dataset.from_pandas(frame, data_definition=definition) for frame in (reference, current)
    )
    snapshot = Report(MODES[arguments.mode]()).run(current, reference)
    figures = {name: {} for name in [*numeric, *categorical]}
    for metric in snapshot.dict()["metrics"]:
        config = metric["config"]
        if "column" in config:
            add_figure(figures[config["column"]], config, metric["value"])
    reading.print_figures(figures)


def add_figure(figures, config, value):
    kind = config["type"].rpartition(":")[2]
    if kind == "ValueDrift":
        figures[f"drift, {config['method']}"] = value
    elif kind == "QuantileValue":
        figures.setdefault("percentiles", {})[str(round(100 * config["quantile"]))] = value
    elif kind in SUMMARY_FIGURES:
        figures[SUMMARY_FIGURES[kind]] = value["share"] if isinstance(value, dict) else value


if __name__ == "__main__":
    main()
