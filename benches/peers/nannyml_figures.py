"""Figures with NannyML: nannyml_figures.py REFERENCE_DIR CURRENT_DIR

KS and Jensen-Shannon, chi-squared for categories; missing ratio, mean, stddev and median. Each side
is one chunk, as driftd takes all current files for one window.
"""

import os
import warnings

# Must be set before the import, which otherwise reports the use to the makers.
os.environ["NML_DISABLE_USAGE_LOGGING"] = "1"

import nannyml
import pandas as pd

import reading

DRIFT_FIGURES = {"kolmogorov_smirnov": "ks", "jensen_shannon": "js_doane", "chi2": "chi2"}


def main():
    arguments = reading.arguments(__doc__)
    # One chunk is too few to learn alert thresholds from, it warns; the figures do not need them.
    warnings.simplefilter("ignore")
    reference, current = pd.read_parquet(arguments.reference), pd.read_parquet(arguments.current)
    numeric, categorical = reading.kinds(reading.pandas_kinds(current))
    calculators = {
        "missing_ratio": nannyml.MissingValuesCalculator(
            column_names=[*numeric, *categorical], normalize=True, chunk_number=1
        ),
        "mean": nannyml.SummaryStatsAvgCalculator(column_names=numeric, chunk_number=1),
        "stddev": nannyml.SummaryStatsStdCalculator(column_names=numeric, chunk_number=1),
        "median": nannyml.SummaryStatsMedianCalculator(column_names=numeric, chunk_number=1),
    }
    figures = drift(reference, current, numeric, categorical)
    for figure, calculator in calculators.items():
        values = calculate(calculator, reference, current)
        for name in calculator.column_names:
            figures[name][figure] = values[name, "value"]
    reading.print_figures(figures)


def calculate(calculator, reference, current):
    """The only row of what is calculated on current, by (column, ..., figure)."""
    results = calculator.fit(reference).calculate(current)
    return results.filter(period="analysis").to_df().iloc[0]


def drift(reference, current, numeric, categorical):
    calculator = nannyml.UnivariateDriftCalculator(
        column_names=[*numeric, *categorical],
        treat_as_categorical=categorical,
        continuous_methods=["kolmogorov_smirnov", "jensen_shannon"],
        categorical_methods=["jensen_shannon", "chi2"],
        chunk_number=1,
    )
    values = calculate(calculator, reference, current)
    figures = {name: {} for name in calculator.column_names}
    for name, method, figure in values.index:
        if figure == "value":
            figures[name][DRIFT_FIGURES[method]] = values[name, method, figure]
    return figures


if __name__ == "__main__":
    main()
