"""Print the rows of every *.arrows below DIR, as each reader has them, as one JSON object.

    read_arrow.py DIR

Readers: the rows of pyarrow and of polars. (duckdb reads streams by an extension only, and takes no half precision from Arrow.) Metadata: what the first file's schema says.
"""

import json
import pathlib
import sys

import polars
import pyarrow.ipc as ipc

from plain import plain


def main(directory):
    paths = sorted(pathlib.Path(directory).rglob("*.arrows"))
    readers = {"pyarrow": pyarrow_rows, "polars": polars_rows}
    json.dump({
        "Readers": {name: [plain(row) for path in paths for row in read(path)] for name, read in readers.items()},
        "Metadata": {k.decode(): v.decode() for k, v in ipc.open_stream(paths[0]).schema.metadata.items()},
    }, sys.stdout)


def pyarrow_rows(path):
    table = ipc.open_stream(path).read_all()
    table.validate(full=True)
    return table.to_pylist(maps_as_pydicts="strict")


def polars_rows(path):
    return polars.read_ipc_stream(path).to_dicts()


if __name__ == "__main__":
    if len(sys.argv) != 2:
        sys.exit("usage: read_arrow.py DIR")
    main(sys.argv[1])
