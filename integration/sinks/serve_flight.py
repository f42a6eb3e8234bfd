"""A server of Arrow Flight that keeps what is put. For each line of standard input, {"path": [...]}, it prints a line: the rows put under that path, as pyarrow has them.

    serve_flight.py PORT
"""
import json
import sys
import threading

import pyarrow as pa
import pyarrow.flight as flight
from plain import plain

port = sys.argv[1]
put = {}


class Server(flight.FlightServerBase):
    def do_put(self, context, descriptor, reader, writer):
        table = reader.read_all()
        table.validate(full=True)
        put.setdefault(tuple(p.decode() for p in descriptor.path), []).append(table)


server = Server(f"grpc://127.0.0.1:{port}")
threading.Thread(target=server.serve, daemon=True).start()
for line in sys.stdin:
    tables = put.get(tuple(json.loads(line)["path"]), [])
    rows = pa.concat_tables(tables).to_pylist(maps_as_pydicts="strict") if tables else []
    print(json.dumps([plain(row) for row in rows]), flush=True)
server.shutdown()
