"""Answer each line of standard input, {"topic": ..., "format": ..., "registry": URL}, with a line: every message of the topic, its value read by libraries that are not ours.

    read_kafka.py BROKERS
"""
import json
import sys
import uuid

import pyarrow as pa
from confluent_kafka import Consumer, TopicPartition
from confluent_kafka.schema_registry import SchemaRegistryClient
from confluent_kafka.schema_registry.avro import AvroDeserializer
from confluent_kafka.serialization import MessageField, SerializationContext
from plain import plain


def arrow(value, _):
    [row] = pa.ipc.open_stream(value).read_all().to_pylist(maps_as_pydicts="strict")
    return row


for line in sys.stdin:
    ask = json.loads(line)
    topic = ask["topic"]
    if ask["format"] == "avro":
        read = AvroDeserializer(SchemaRegistryClient({"url": ask["registry"]}))
    else:
        read = arrow if ask["format"] == "arrow" else lambda value, _: json.loads(value)
    consumer = Consumer({"bootstrap.servers": sys.argv[1], "group.id": str(uuid.uuid4()), "enable.auto.commit": False})
    partitions = consumer.list_topics(topic, timeout=30).topics[topic].partitions
    out = []
    for p in partitions:
        _, end = consumer.get_watermark_offsets(TopicPartition(topic, p), timeout=30)
        consumer.assign([TopicPartition(topic, p, 0)])
        at = 0
        while at < end:
            m = consumer.poll(30)
            if m is None or m.error():
                raise SystemExit(f"{topic}/{p} at {at} of {end}: {m and m.error()}")
            at = m.offset() + 1
            value = m.value()
            row = None if value is None else plain(read(value, SerializationContext(topic, MessageField.VALUE)))
            out.append({"key": m.key().decode(), "partition": p, "headers": {k: v.decode() for k, v in m.headers() or []}, "row": row})
    consumer.close()
    print(json.dumps(out), flush=True)
