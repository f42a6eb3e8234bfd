"""Answer each line of standard input, {"collection": ..., "near": a vector or null, "using": its name, "filter": a filter of Qdrant's REST interface or null, "most": how
many}, with a line: every point of the collection, {"id": ..., "payload": ..., "vectors": by name}, as Qdrant's own client reads it by gRPC, and the ids of those that it
finds nearest to the vector, the nearest first, among those that meet the filter.

    read_qdrant.py PORT
"""
import json
import sys

from qdrant_client import QdrantClient, models

client = QdrantClient(host="127.0.0.1", grpc_port=int(sys.argv[1]), prefer_grpc=True, check_compatibility=False)

for line in sys.stdin:
    ask = json.loads(line)
    points, at = [], None
    while True:
        page, at = client.scroll(ask["collection"], limit=500, offset=at, with_payload=True, with_vectors=True)
        points += [{"id": str(p.id), "payload": p.payload, "vectors": p.vector or {}} for p in page]
        if at is None:
            break
    nearest = []
    if ask["near"]:
        where = models.Filter(**ask["filter"]) if ask["filter"] else None
        hits = client.query_points(ask["collection"], query=ask["near"], using=ask["using"], query_filter=where, limit=ask["most"])
        nearest = [str(h.id) for h in hits.points]
    print(json.dumps({"points": points, "nearest": nearest}), flush=True)
