"""judge.py: look at an Iceberg table, or harm it, with pyiceberg, pyarrow and duckdb.

    judge.py CATALOG-AS-JSON TABLE read|delete FILTER|repeat FILTER|copy OTHER

read prints as JSON what a scan of the table finds, what duckdb finds in the files that pyiceberg lists, and what scans with filters find; copy appends the rows to a new table and prints the seconds.
"""
import json
import os
import sys
import tempfile
import time

import duckdb
import pyarrow.compute as pc
import pyarrow.parquet as pq
from pyiceberg.catalog import load_catalog

props = json.loads(sys.argv[1])
catalog = load_catalog(props.pop("name", "test"), **props)
table = catalog.load_table(sys.argv[2])
act = sys.argv[3]


def ids(tbl):
    return sorted(zip(tbl["pipeline"].to_pylist(), tbl["topic"].to_pylist(), tbl["partition"].to_pylist(), tbl["offset"].to_pylist(), tbl["row_id"].to_pylist()))


def read():
    scan = table.scan().to_arrow()
    files, numbered, missing = [], 0, []
    with tempfile.TemporaryDirectory() as tmp:
        for i, task in enumerate(table.scan().plan_files()):
            path = os.path.join(tmp, f"{i}.parquet")
            with table.io.new_input(task.file.file_path).open() as f, open(path, "wb") as out:
                out.write(f.read())
            files.append(path)
            schema = pq.ParquetFile(path).schema_arrow
            for field in schema:
                n = (field.metadata or {}).get(b"PARQUET:field_id")
                if n is None or int(n) != table.schema().find_field(field.name).field_id:
                    missing.append(field.name)
                numbered += 1
        duck = []
        if files:
            duck = sorted(duckdb.sql(f'SELECT pipeline, topic, partition, "offset", row_id FROM read_parquet({files}, union_by_name = true)').fetchall())
    pruned = {}
    for filt in ["offset >= 30 and offset < 40", "partition == 1", "task == 'embedding'", "created_at < '2100-01-01T00:00:00+00:00'"]:
        pruned[filt] = table.scan(row_filter=filt).to_arrow().num_rows
    print(json.dumps({
        "rows": [list(r) for r in ids(scan)],
        "duck": [list(r) for r in duck],
        "files": len(files), "numbered": numbered, "wrong": missing,
        "partitions": len({str(t.file.partition) for t in table.scan().plan_files()}),
        "snapshots": len(table.metadata.snapshots),
        "pruned": pruned,
        "columns": [f.name for f in table.schema().fields],
        "vector": [v for v in scan["vector"].to_pylist() if v][:1],
        "half": [v for v in scan["vector_f16"].to_pylist() if v][:1] if "vector_f16" in scan.column_names else [],
        "words": [v for v in scan["words"].to_pylist() if v][:1] if "words" in scan.column_names else [],
        "attributes": [v for v in scan["attributes"].to_pylist() if v][:1],
        "file": files and next(iter(table.scan().plan_files())).file.file_path or "",
    }))


if act == "read":
    read()
elif act == "delete":
    table.delete(sys.argv[4])
elif act == "copy":
    rows, other = table.scan().to_arrow(), catalog.create_table(sys.argv[4], schema=table.schema())
    begin = time.perf_counter()
    other.append(rows)
    print(time.perf_counter() - begin)
elif act == "repeat":
    table.append(table.scan(row_filter=sys.argv[4]).to_arrow())
