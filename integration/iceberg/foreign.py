"""foreign.py: make a table that Vecmill has not written, and change it, with pyiceberg and duckdb.

    foreign.py CATALOG-AS-JSON TABLE make|append|delete FILTER|take-away FILTER|names|latest

make takes rows as JSON lines from standard input (name, place, etag, sentence), in as many files as there are blank lines between them and one more; the column place is renamed to location behind the
first. append adds rows. delete has pyiceberg write files anew; take-away has duckdb write which positions are gone. Each prints as JSON the current snapshot, the number of rows, and how many files of
positions belong to data files; names prints the names of the rows. Of a table of
Vecmill, latest prints id, object, state and content of the latest row of each reference.
"""
import importlib
import json
import os
import sys
import urllib.parse

import duckdb
import pyarrow as pa
from pyiceberg.catalog import load_catalog
from pyiceberg.schema import Schema
from pyiceberg.types import DoubleType, ListType, LongType, NestedField, StringType, TimestamptzType

props = json.loads(sys.argv[1])
catalog = load_catalog(props.pop("name", "test"), **props)
name, act = sys.argv[2], sys.argv[3]


def batches():
    rows = []
    for line in sys.stdin:
        if line.strip():
            rows.append(json.loads(line))
        else:
            yield rows
            rows = []
    yield rows


def arrow(table, rows, place):
    schema = table.schema().as_arrow()
    text = lambda key: pa.array([r.get(key) for r in rows], pa.large_string())
    columns = {"name": text("name"), place: text("place"), "etag": text("etag"), "sentence": text("sentence")}
    columns["size"] = pa.array(range(len(rows)), pa.int64())
    columns["made"] = pa.array([1_700_000_000_000_000] * len(rows), pa.timestamp("us", "UTC"))
    columns["tags"] = pa.array([["a", "b"]] * len(rows), pa.list_(pa.large_string()))
    return pa.table({f.name: columns[f.name].cast(f.type) for f in schema if f.name in columns})


def make():
    catalog.create_namespace_if_not_exists(name.split(".")[0])
    schema = Schema(
        NestedField(1, "name", StringType()), NestedField(2, "tags", ListType(8, StringType(), False)), NestedField(3, "place", StringType()), NestedField(4, "etag", StringType()),
        NestedField(5, "sentence", StringType()), NestedField(6, "size", LongType()), NestedField(7, "made", TimestamptzType()),
    )
    table = catalog.create_table(name, schema=schema, properties={"format-version": "2", "write.delete.mode": "merge-on-read"})
    for i, rows in enumerate(batches()):
        if i == 1:
            with table.update_schema() as u:
                u.rename_column("place", "location")
                u.add_column("score", DoubleType())
        table.append(arrow(table, rows, "place" if i == 0 else "location"))


def take_away(where):
    con = duckdb.connect()
    for ext in ["avro", "httpfs", "iceberg"]:
        home = os.path.dirname(importlib.import_module(f"duckdb_extension_{ext}").__file__)
        con.execute(f"LOAD '{home}/extensions/v{duckdb.__version__}/{ext}.duckdb_extension'")
    url = urllib.parse.urlsplit(props["s3.endpoint"])
    con.execute(
        f"""CREATE SECRET (TYPE s3, KEY_ID '{props["s3.access-key-id"]}', SECRET '{props["s3.secret-access-key"]}', REGION '{props["s3.region"]}',
        ENDPOINT '{url.netloc}', URL_STYLE 'path', USE_SSL false)"""
    )
    con.execute(f"ATTACH '' AS lake (TYPE iceberg, ENDPOINT '{props['uri']}', AUTHORIZATION_TYPE 'none', ACCESS_DELEGATION_MODE 'none')")
    con.execute(f"DELETE FROM lake.{name} WHERE {where}")


if act == "make":
    make()
elif act == "append":
    table = catalog.load_table(name)
    for rows in batches():
        table.append(arrow(table, rows, "location"))
elif act == "delete":
    catalog.load_table(name).delete(sys.argv[4])
elif act == "take-away":
    take_away(sys.argv[4])
table = catalog.load_table(name)
if act == "latest":
    rows = table.scan(selected_fields=("ref_id", "uri", "etag", "content_hash", "created_at", "offset", "attributes")).to_arrow().to_pylist()
    found = {r["ref_id"]: r for r in sorted(rows, key=lambda r: (r["created_at"], r["offset"]))}
    print(json.dumps(sorted(" ".join([r["ref_id"], r["uri"], r["etag"], r["content_hash"], dict(r["attributes"])["state"]]) for r in found.values())))
elif act == "names":
    print(json.dumps(sorted(table.scan(selected_fields=("name",)).to_arrow()["name"].to_pylist())))
else:
    files = list(table.scan().plan_files())
    print(json.dumps({
        "snapshot": table.current_snapshot().snapshot_id, "rows": table.scan(selected_fields=(table.schema().fields[0].name,)).to_arrow().num_rows, "files": len(files), "deletes": sum(len(f.delete_files) for f in files),
    }))
