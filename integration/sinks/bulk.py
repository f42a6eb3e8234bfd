"""Load the rows of Parquet files by a library that is not ours, and print the seconds that it took; reading the files does not count.

    bulk.py DIR parquet|arrow OUT          pyarrow writes one file, with the codecs of our own
    bulk.py DIR flight PORT                pyarrow puts batches of 500 rows by DoPut, four streams after each other
    bulk.py DIR milvus URL COLLECTION      pymilvus upserts 500 rows at a time
    bulk.py DIR kafka BROKERS TOPIC BYTES  librdkafka produces as many messages of BYTES each, acknowledged by all replicas
"""
import pathlib
import sys
import time

import pyarrow as pa
import pyarrow.parquet as pq

directory, kind, args = sys.argv[1], sys.argv[2], sys.argv[3:]
table = pa.concat_tables([pq.read_table(p) for p in sorted(pathlib.Path(directory).rglob("*.parquet"))]).combine_chunks()


def parquet(out):
    plain = [name for name in table.column_names if name not in ("vector", "vector_f16", "row_id", "offset")]
    begin = time.perf_counter()
    pq.write_table(table, out, compression="zstd", compression_level=1, use_dictionary=plain, write_statistics=plain)
    return time.perf_counter() - begin


def arrow(out):
    begin = time.perf_counter()
    with pa.OSFile(out, "wb") as sink, pa.ipc.new_stream(sink, table.schema, options=pa.ipc.IpcWriteOptions(compression="lz4")) as writer:
        writer.write_table(table)
    return time.perf_counter() - begin


def flight(port):
    import pyarrow.flight

    client = pa.flight.connect(f"grpc://127.0.0.1:{port}")
    begin = time.perf_counter()
    for at in range(0, table.num_rows, 500):
        part = table.slice(at, 500)
        writer, _ = client.do_put(pa.flight.FlightDescriptor.for_path("bulk"), part.schema)
        writer.write_table(part)
        writer.close()
    return time.perf_counter() - begin


def milvus(url, collection):
    from pymilvus import MilvusClient

    client = MilvusClient(uri=url)
    names = ["row_id", "ref_id", "model_digest", "head", "topic", "partition", "offset", "window", "vector", "uri", "content_hash", "modality", "model", "task"]
    rows = table.select(names).to_pylist()
    begin = time.perf_counter()
    for at in range(0, len(rows), 500):
        client.upsert(collection_name=collection, data=rows[at:at + 500])
    return time.perf_counter() - begin


def kafka(brokers, topic, size):
    from confluent_kafka import Producer

    producer = Producer({"bootstrap.servers": brokers, "acks": "all", "linger.ms": 5, "queue.buffering.max.kbytes": 1 << 20})
    value, ids = b"x" * int(size), table["ref_id"].to_pylist()
    begin = time.perf_counter()
    for key in ids:
        producer.produce(topic, value, key)
        producer.poll(0)
    if producer.flush(120):
        raise SystemExit("messages are left")
    return time.perf_counter() - begin


print({"parquet": parquet, "arrow": arrow, "flight": flight, "milvus": milvus, "kafka": kafka}[kind](*args))
