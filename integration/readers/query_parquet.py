"""Run one SQL query in duckdb over a directory of Parquet files and print the result rows as a JSON list of objects.

    query_parquet.py DIR SQL

The view "rows" is every *.parquet below DIR, with the file's path in the column filename.
"""

import json
import pathlib
import sys

import duckdb


def main(directory, query):
    pattern = str(pathlib.Path(directory) / "**" / "*.parquet").replace("'", "''")
    duckdb.sql(f"CREATE VIEW rows AS SELECT * FROM read_parquet('{pattern}', union_by_name = true, filename = true)")
    result = duckdb.sql(query)
    names = result.columns
    json.dump([dict(zip(names, row)) for row in result.fetchall()], sys.stdout, default=str)


if __name__ == "__main__":
    if len(sys.argv) != 3:
        sys.exit("usage: query_parquet.py DIR SQL")
    main(sys.argv[1], sys.argv[2])
