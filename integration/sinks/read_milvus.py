"""Answer each line of standard input, {"collection": ..., "near": a vector or null, "filter": an expression or "", "most": how many, "forget": a property or ""}, with
a line: every entity of the collection, as pymilvus reads it, and the row ids of those that pymilvus finds nearest to the vector, the nearest first, among those that the
expression holds for. The property is dropped.

    read_milvus.py URL
"""
import json
import logging
import sys

from pymilvus import MilvusClient

logging.disable(logging.WARNING)
client = MilvusClient(uri=sys.argv[1])
for line in sys.stdin:
    ask = json.loads(line)
    name = ask["collection"]
    client.load_collection(name)
    if ask["forget"]:
        client.drop_collection_properties(name, [ask["forget"]])
    entities, nearest = [], []
    it = client.query_iterator(collection_name=name, filter="offset >= 0", output_fields=["*"], batch_size=500)
    while batch := it.next():
        for entity in batch:
            entity["vector"] = [float(x) for x in entity["vector"]]
            entities.append(entity)
    it.close()
    if ask["near"]:
        hits = client.search(
            collection_name=name, data=[ask["near"]], filter=ask["filter"], limit=ask["most"], output_fields=["row_id"], consistency_level="Strong"
        )
        nearest = [h["entity"]["row_id"] for h in hits[0]]
    print(json.dumps({"entities": entities, "nearest": nearest}), flush=True)
