"""Print the rows of every *.arrows, or every *.parquet, below DIR, as each reader has them, as one JSON object.

    read_rows.py DIR arrows|parquet

Readers: the rows of pyarrow and of polars, and of duckdb for Parquet. (It reads streams by an extension only, and takes no half precision from Arrow.)
Metadata: what the first file's schema says.
"""

import json
import pathlib
import sys

import duckdb
import polars
import pyarrow.ipc as ipc
import pyarrow.parquet as parquet

from plain import plain


def main(directory, ending):
    paths = sorted(pathlib.Path(directory).rglob("*." + ending))
    readers = {
        "arrows": {"pyarrow": lambda p: pyarrow_rows(ipc.open_stream(p).read_all()), "polars": lambda p: polars.read_ipc_stream(p).to_dicts()},
        "parquet": {"pyarrow": lambda p: pyarrow_rows(parquet.ParquetFile(p).read()), "polars": lambda p: polars.read_parquet(p).to_dicts(), "duckdb": duckdb_rows},
    }[ending]
    schema = ipc.open_stream(paths[0]).schema if ending == "arrows" else parquet.read_schema(paths[0])
    json.dump({
        "Readers": {name: [plain(row) for path in paths for row in read(path)] for name, read in readers.items()},
        "Metadata": {k.decode(): v.decode() for k, v in (schema.metadata or {}).items() if not k.startswith(b"ARROW:")},
    }, sys.stdout)


def pyarrow_rows(table):
    table.validate(full=True)
    return table.to_pylist(maps_as_pydicts="strict")


def duckdb_rows(path):
    connection = duckdb.connect()
    connection.execute("SET TimeZone = 'UTC'")
    cursor = connection.execute("SELECT * FROM read_parquet(?)", [str(path)])
    names = [column[0] for column in cursor.description]
    return [dict(zip(names, row)) for row in cursor.fetchall()]


if __name__ == "__main__":
    if len(sys.argv) != 3:
        sys.exit("usage: read_rows.py DIR arrows|parquet")
    main(sys.argv[1], sys.argv[2])
