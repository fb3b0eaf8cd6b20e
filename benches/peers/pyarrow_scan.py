"""The cost of reading alone, with pyarrow: pyarrow_scan.py REFERENCE_DIR CURRENT_DIR

Every column of every row group of both sides is decoded, one row group at a time.
"""

from collections import Counter

import pyarrow.parquet as pq

import reading


def main():
    arguments = reading.arguments(__doc__)
    schema = pq.read_schema(arguments.current[0])
    _, strings = reading.kinds(dict(zip(schema.names, schema.types)))
    scan(arguments.reference, strings)
    rows, nulls = scan(arguments.current, strings)
    reading.print_figures({name: {"null_ratio": nulls[name] / rows} for name in schema.names})


def scan(paths, strings):
    rows, nulls = 0, Counter()
    for path in paths:
        # Strings are mostly stored as dictionaries, and stay so.
        file = pq.ParquetFile(path, read_dictionary=strings)
        for group in range(file.num_row_groups):
            table = file.read_row_group(group)
            rows += table.num_rows
            nulls.update({name: table[name].null_count for name in table.column_names})
    return rows, nulls


if __name__ == "__main__":
    main()
