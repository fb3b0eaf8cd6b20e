"""What the peer scripts share: their arguments, the files of a folder, kinds of columns, output."""

import argparse
import json
import math
import sys
from pathlib import Path

PERCENTILES = (1, 5, 25, 50, 75, 95, 99)
STRING_TYPES = {"string", "large_string", "varchar"}


def arguments(description, modes=()):
    """The two folders and, for a peer with modes, the mode; the first is the default."""
    parser = argparse.ArgumentParser(description=description.partition("\n")[0])
    parser.add_argument("reference", type=parquet_files, metavar="REFERENCE_DIR")
    parser.add_argument("current", type=parquet_files, metavar="CURRENT_DIR")
    if modes:
        parser.add_argument("mode", nargs="?", choices=modes, default=modes[0])
    return parser.parse_args()


def parquet_files(folder):
    files = sorted(str(path) for path in Path(folder).glob("*.parquet"))
    if not files:
        raise argparse.ArgumentTypeError(f"{folder} has no .parquet files")
    return files


def kinds(types):
    """Numeric and categorical columns of a mapping from names to the peer's names of types."""
    categorical = [name for name, kind in types.items() if str(kind).lower() in STRING_TYPES]
    numeric = [name for name in types if name not in categorical]
    return numeric, categorical


def pandas_kinds(frame):
    """The types of a data frame; before pandas 3 those of strings are called objects."""
    return {name: "string" if kind.kind == "O" else kind for name, kind in frame.dtypes.items()}


def print_figures(figures):
    json.dump(without_nan(figures), sys.stdout, default=float, allow_nan=False, indent=1)
    print()


def without_nan(value):
    """JSON has no NaN and no infinity: null stands for both."""
    if isinstance(value, dict):
        return {key: without_nan(item) for key, item in value.items()}
    if isinstance(value, list):
        return [without_nan(item) for item in value]
    if isinstance(value, float) and not math.isfinite(value):
        return None
    return value
