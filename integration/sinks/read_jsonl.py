"""Lines of JSON as duckdb reads them. For each line of standard input, the path of a file, it prints a line: {"lines": [...], "table": {...}}.

lines are the objects, table is what duckdb's own choice of types makes of them: rows, ids, the sum of offsets, and of all numbers of vectors.
"""
import json
import sys

import duckdb

for line in sys.stdin:
    path = json.loads(line)
    lines = [json.loads(text) for (text,) in duckdb.execute("SELECT json FROM read_json_objects(?, format='newline_delimited')", [path]).fetchall()]
    table = duckdb.execute("""SELECT count(*) AS rows, count(DISTINCT row_id) AS ids, sum("offset") AS offsets, sum(list_sum(vector)) AS vectors
        FROM read_json(?, format='newline_delimited', sample_size=-1)""", [path]).fetchone()
    print(json.dumps({"lines": lines, "table": dict(zip(["rows", "ids", "offsets", "vectors"], map(float, table)))}), flush=True)
