"""Print, as a list of {"name", "key", "value", "headers"} with base64 bytes, the Kafka messages that well-known producers make of references.

    produce.py REGISTRY ref.v1.avsc ref.v1.proto
"""
import base64
import importlib
import json
import pathlib
import sys
import tempfile
from datetime import datetime, timezone

import grpc_tools
from cloudevents.core.bindings import kafka
from cloudevents.core.v1.event import CloudEvent
from confluent_kafka.schema_registry import SchemaRegistryClient
from confluent_kafka.schema_registry.avro import AvroSerializer
from confluent_kafka.schema_registry.protobuf import ProtobufSerializer
from confluent_kafka.serialization import MessageField, SerializationContext
from grpc_tools import protoc

registry_url, avsc, proto = sys.argv[1:4]
out = []


def b64(b):
    if isinstance(b, str):
        b = b.encode()
    return None if b is None else base64.b64encode(b).decode()


def add(name, value, key=None, headers=None):
    out.append({"name": name, "key": b64(key), "value": b64(value), "headers": {k: b64(v) for k, v in (headers or {}).items()}})


REF = {"v": 1, "id": "süß/1", "uri": "s3://lake/a b.flac", "modality": "audio", "attributes": {"tenant": "ä"}}


def event(data):
    return CloudEvent(
        attributes={
            "id": "7", "source": "/shop", "type": "com.example.made", "specversion": "1.0", "subject": "ü", "datacontenttype": "application/json",
            "time": datetime(2026, 11, 29, tzinfo=timezone.utc), "partitionkey": "süß/1", "trace": "x",
        },
        data=data,
    )


m = kafka.to_binary_event(event(REF))
add("cloudevents binary", m.value, m.key, m.headers)
m = kafka.to_structured_event(event(REF))
add("cloudevents structured", m.value, m.key, m.headers)

client = SchemaRegistryClient({"url": registry_url})
full = {
    "id": "süß/1", "uri": "s3://lake/a b.flac", "inline": None, "inline_text": None, "modality": "audio", "route": None, "etag": None, "version": None,
    "content_type": None, "range": {"off": 5, "n": 7}, "attributes": {"tenant": "ä"}, "deleted": False, "text_pair": None, "question": None, "choices": None,
}
text = pathlib.Path(avsc).read_text()
add("avro", AvroSerializer(client, text)(full, SerializationContext("avro", MessageField.VALUE)))

mine = json.dumps({"type": "record", "name": "Order", "fields": [{"name": "number", "type": "long"}, {"name": "photo", "type": ["null", "string"]}]})
add("avro of another schema", AvroSerializer(client, mine)({"number": 42, "photo": "photos/42.jpg"}, SerializationContext("orders", MessageField.VALUE)))

with tempfile.TemporaryDirectory() as d:
    include = str(pathlib.Path(grpc_tools.__file__).parent / "_proto")
    path = pathlib.Path(d) / "ref_v1.proto"
    path.write_text(pathlib.Path(proto).read_text())
    if protoc.main(["protoc", f"-I{d}", f"-I{include}", f"--python_out={d}", str(path)]):
        raise SystemExit("protoc")
    sys.path.insert(0, d)
    pb = importlib.import_module("ref_v1_pb2")
    ref = pb.Ref(id="süß/1", uri="s3://lake/a b.flac", modality="audio", attributes={"tenant": "ä"}, range=pb.Range(off=5, n=7))
    serialize = ProtobufSerializer(pb.Ref, client, {"use.deprecated.format": False})
    add("protobuf", serialize(ref, SerializationContext("protobuf", MessageField.VALUE)))
    gone = pb.Ref(id="süß/1", deleted=True)
    add("protobuf deletion", serialize(gone, SerializationContext("protobuf", MessageField.VALUE)))
json.dump(out, sys.stdout)
