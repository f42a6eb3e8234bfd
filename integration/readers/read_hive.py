"""Print what pyarrow.dataset, duckdb and polars see in a hive-partitioned directory of Parquet files, as one JSON object.

    read_hive.py DIR

For each reader: rows, different row ids, rows by topic, rows whose directory's source or part is not that of the row (Misplaced), rows of
a day before 2000 (Undated: the first file of a chain has that day, and no rows), and rows that a filter on source=refs finds (Pruned).
"""

import collections
import json
import sys

import duckdb
import polars
import pyarrow.compute as pc
import pyarrow.dataset as ds


def main(directory):
    json.dump({"pyarrow": by_pyarrow(directory), "duckdb": by_duckdb(directory), "polars": by_polars(directory)}, sys.stdout)


def by_pyarrow(directory):
    dataset = ds.dataset(directory, format="parquet", partitioning="hive")
    rows = dataset.to_table(columns=["row_id", "topic", "partition", "source", "part", "day"]).to_pylist()
    pruned = dataset.count_rows(filter=pc.field("source") == "refs")
    return summary([tuple(r.values()) for r in rows], pruned)


def by_duckdb(directory):
    files = f"read_parquet('{directory}/**/*.parquet', hive_partitioning = true)"
    rows = duckdb.sql(f'SELECT row_id, topic, "partition", source, part, day FROM {files}').fetchall()
    pruned = duckdb.sql(f"SELECT count(*) FROM {files} WHERE source = 'refs'").fetchall()[0][0]
    return summary(rows, pruned)


def by_polars(directory):
    files = polars.scan_parquet(directory, hive_partitioning=True)
    rows = files.select("row_id", "topic", "partition", "source", "part", "day").collect().rows()
    pruned = files.filter(polars.col("source") == "refs").select(polars.len()).collect().item()
    return summary(rows, pruned)


def summary(rows, pruned):
    return {
        "Rows": len(rows),
        "RowIDs": len({r[0] for r in rows}),
        "ByTopic": collections.Counter(r[1] for r in rows),
        "Misplaced": sum(r[1] != r[3] or int(r[2]) != int(r[4]) for r in rows),
        "Undated": sum(str(r[5]) < "2000" for r in rows),
        "Pruned": pruned,
    }


if __name__ == "__main__":
    if len(sys.argv) != 2:
        sys.exit("usage: read_hive.py DIR")
    main(sys.argv[1])
