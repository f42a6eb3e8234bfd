"""Print what pyarrow, duckdb and polars see in a directory of Parquet files, as one JSON object.

    read_parquet.py DIR

Files: every *.parquet below DIR with its rows, schema and footer metadata, as pyarrow reads them. Readers: for each of
the three, from its own reading of all columns: the number of rows, of different row ids, row ids that repeat, and for each
source partition the offsets that have a row, as intervals [first, next). A file that one of them cannot read is an error.
"""

import json
import pathlib
import sys

import duckdb
import polars
import pyarrow
import pyarrow.parquet as pq

MAX_REPEATED = 20


def main(directory):
    root = pathlib.Path(directory)
    paths = sorted(root.rglob("*.parquet"))
    json.dump(
        {
            "Files": [describe(root, path) for path in paths],
            "Readers": {
                "pyarrow": summary(pyarrow.__version__, pyarrow_rows(paths)),
                "duckdb": summary(duckdb.__version__, duckdb_rows(paths)),
                "polars": summary(polars.__version__, polars_rows(paths)),
            },
        },
        sys.stdout,
    )


def describe(root, path):
    with pq.ParquetFile(path) as file:
        metadata = file.schema_arrow.metadata or {}
        footer = file.metadata.metadata or {}
        return {
            "Path": path.relative_to(root).as_posix(),
            "Rows": file.metadata.num_rows,
            "Bytes": path.stat().st_size,
            "Schema": [
                {"Name": f.name, "Type": str(f.type), "Nullable": f.nullable} for f in file.schema_arrow
            ],
            "Metadata": {
                k.decode(): v.decode() for k, v in {**metadata, **footer}.items() if k != b"ARROW:schema"
            },
        }


def pyarrow_rows(paths):
    """Yield (row id, topic, partition, offset) after reading every column, so that a broken one shows."""
    for path in paths:
        with pq.ParquetFile(path) as file:
            table = file.read()
        table.validate(full=True)
        columns = [table.column(name).to_pylist() for name in ("row_id", "topic", "partition", "offset")]
        yield from zip(*columns)


def duckdb_rows(paths):
    for path in paths:
        relation = duckdb.read_parquet(str(path))
        relation.fetchall()
        yield from duckdb.sql(
            "SELECT row_id, topic, partition, \"offset\" FROM read_parquet(?)", params=[str(path)]
        ).fetchall()


def polars_rows(paths):
    for path in paths:
        table = polars.read_parquet(path)
        table.rows()
        yield from table.select("row_id", "topic", "partition", "offset").rows()


def summary(version, rows):
    seen, repeated, sources, count = set(), [], {}, 0
    for row_id, topic, partition, offset in rows:
        count += 1
        if row_id in seen:
            repeated.append(row_id)
        seen.add(row_id)
        sources.setdefault((topic, partition), []).append(offset)
    return {
        "Version": version,
        "Rows": count,
        "RowIDs": len(seen),
        "Repeated": sorted(set(repeated))[:MAX_REPEATED],
        "Sources": [
            {"Topic": topic, "Partition": partition, "Rows": len(offsets), "Spans": spans(offsets)}
            for (topic, partition), offsets in sorted(sources.items())
        ],
    }


def spans(offsets):
    out = []
    for offset in sorted(set(offsets)):
        if out and out[-1][1] == offset:
            out[-1][1] = offset + 1
        else:
            out.append([offset, offset + 1])
    return out


if __name__ == "__main__":
    if len(sys.argv) != 2:
        sys.exit("usage: read_parquet.py DIR")
    main(sys.argv[1])
