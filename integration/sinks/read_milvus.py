"""Answer each line of standard input, {"collection": ..., "near": a vector or null, "filter": an expression or "", "most": how many, "forget": a property or ""}, with
a line: every entity of the collection, as pymilvus reads it, and the row ids of those that pymilvus finds nearest to the vector, the nearest first, among those that the
expression holds for. The property is dropped. {"make": a collection} makes one as this output would, but for references of up to 200 bytes.

    read_milvus.py URL
"""
import json
import logging
import sys

from pymilvus import DataType, MilvusClient

logging.disable(logging.WARNING)
client = MilvusClient(uri=sys.argv[1])


def make(name):
    schema = client.create_schema(enable_dynamic_field=True)
    schema.add_field("vector", DataType.FLOAT_VECTOR, dim=4)
    for field, most in {"row_id": 100, "ref_id": 200, "model_digest": 100, "head": 100, "topic": 1000}.items():
        schema.add_field(field, DataType.VARCHAR, max_length=most, is_primary=field == "row_id")
    for field in ["partition", "offset", "window"]:
        schema.add_field(field, DataType.INT64)
    client.create_collection(name, schema=schema)


for line in sys.stdin:
    ask = json.loads(line)
    if ask["make"]:
        make(ask["make"])
        print("{}", flush=True)
        continue
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
