"""Print what the footer of a Parquet file says of its row groups, as pyarrow has it, as one JSON object.

    read_footer.py FILE

Groups: for each row group the number of rows and, by the path of each column, its codec, its encodings, whether it has a page with a dictionary, and what its statistics
say: the least and the greatest value and how many are null; null if it has none.
"""

import json
import sys

import pyarrow.parquet as pq

from plain import plain


def main(path):
    footer = pq.read_metadata(path)
    json.dump({"Groups": [group(footer.row_group(i)) for i in range(footer.num_row_groups)]}, sys.stdout)


def group(of):
    chunks = [of.column(i) for i in range(of.num_columns)]
    return {"Rows": of.num_rows, "Columns": {chunk.path_in_schema: describe(chunk) for chunk in chunks}}


def describe(chunk):
    found = chunk.statistics if chunk.is_stats_set else None
    return {
        "Codec": chunk.compression,
        "Encodings": list(chunk.encodings),
        "Dictionary": chunk.has_dictionary_page,
        "Statistics": found and {"Least": plain(found.min), "Greatest": plain(found.max), "Nulls": found.null_count},
    }


if __name__ == "__main__":
    if len(sys.argv) != 2:
        sys.exit("usage: read_footer.py FILE")
    main(sys.argv[1])
