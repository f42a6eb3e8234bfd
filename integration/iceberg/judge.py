"""judge.py: look at an Iceberg table, or harm it, with pyiceberg, pyarrow and duckdb.

    judge.py CATALOG-AS-JSON TABLE read|delete FILTER|repeat FILTER|copy OTHER|expire

read prints as JSON what a scan of the table finds, what DuckDB's reader of Iceberg tables finds, and what scans with filters find; copy appends the rows to a new table and prints the seconds;
expire leaves the newest snapshot alone.
"""
import importlib
import json
import os
import sys
import time
import urllib.parse

import duckdb
import pyarrow.parquet as pq
from pyiceberg.catalog import load_catalog

props = json.loads(sys.argv[1])
catalog = load_catalog(props.pop("name", "test"), **props)
table = catalog.load_table(sys.argv[2])
act = sys.argv[3]


def ids(tbl):
    return sorted(zip(tbl["pipeline"].to_pylist(), tbl["topic"].to_pylist(), tbl["partition"].to_pylist(), tbl["offset"].to_pylist(), tbl["row_id"].to_pylist()))


def duck():
    """The rows of the table's newest metadata as DuckDB's own Iceberg reader finds them, deleted ones left out."""
    con = duckdb.connect()
    for name in ["avro", "httpfs", "iceberg"]:
        home = os.path.dirname(importlib.import_module(f"duckdb_extension_{name}").__file__)
        con.execute(f"LOAD '{home}/extensions/v{duckdb.__version__}/{name}.duckdb_extension'")
    url = urllib.parse.urlsplit(props["s3.endpoint"])
    con.execute(
        f"""CREATE SECRET (TYPE s3, KEY_ID '{props["s3.access-key-id"]}', SECRET '{props["s3.secret-access-key"]}', REGION '{props["s3.region"]}',
        ENDPOINT '{url.netloc}', URL_STYLE 'path', USE_SSL false)"""
    )
    return sorted(con.execute(f"""SELECT pipeline, topic, partition, "offset", row_id FROM iceberg_scan('{table.metadata_location}')""").fetchall())


def read():
    scan = table.scan().to_arrow()
    files, numbered, missing = [], 0, []
    for task in table.scan().plan_files():
        files.append(task)
        with table.io.new_input(task.file.file_path).open() as f:
            schema = pq.ParquetFile(f).schema_arrow
        for field in schema:
            n = (field.metadata or {}).get(b"PARQUET:field_id")
            if n is None or int(n) != table.schema().find_field(field.name).field_id:
                missing.append(field.name)
            numbered += 1
    pruned = {}
    for filt in [
        "offset >= 30 and offset < 40", "partition == 1", "task == 'embedding'", "created_at < '2100-01-01T00:00:00+00:00'", "created_at < '2000-01-01T00:00:00+00:00'",
        "ref_id == 'ref-topic-0-32'", "ref_id != 'ref-topic-0-32'",
    ]:
        pruned[filt] = table.scan(row_filter=filt).to_arrow().num_rows
    print(json.dumps({
        "rows": [list(r) for r in ids(scan)],
        "duck": [list(r) for r in duck()] if files else [],
        "files": len(files), "numbered": numbered, "wrong": missing,
        "partitions": len({str(t.file.partition) for t in files}),
        "snapshots": len(table.metadata.snapshots),
        "untold": sum("vecmill.progress" not in s.summary.additional_properties or "vecmill.ranges" not in s.summary.additional_properties for s in table.metadata.snapshots),
        "pruned": pruned,
        "columns": [f.name for f in table.schema().fields],
        "vector": [v for v in scan["vector"].to_pylist() if v][:1],
        "half": [v for v in scan["vector_f16"].to_pylist() if v][:1] if "vector_f16" in scan.column_names else [],
        "words": [v for v in scan["words"].to_pylist() if v][:1] if "words" in scan.column_names else [],
        "attributes": [v for v in scan["attributes"].to_pylist() if v][:1],
        "file": files[0].file.file_path if files else "",
        "deletes": sum(len(t.delete_files) for t in files),
    }))


if act == "read":
    read()
elif act == "delete":
    table.delete(sys.argv[4])
elif act == "expire":
    now = table.current_snapshot().snapshot_id
    table.maintenance.expire_snapshots().by_ids([s.snapshot_id for s in table.metadata.snapshots if s.snapshot_id != now]).commit()
    assert len(table.refresh().metadata.snapshots) == 1
elif act == "copy":
    rows, other = table.scan().to_arrow(), catalog.create_table(sys.argv[4], schema=table.schema())
    begin = time.perf_counter()
    other.append(rows)
    print(time.perf_counter() - begin)
elif act == "repeat":
    table.append(table.scan(row_filter=sys.argv[4]).to_arrow())
