"""What all peers share: the job, the store, rows as Parquet; and the line by hand: references from Kafka or a bucket, rows to the store, offsets committed behind them.

A peer is started with one argument, JSON: brokers, topic, items, or a prefix of objects; s3, ca, bucket, out, modality, model, graph, threads, spinning, batch, budget.
It ends when items references are durable, and committed where it commits; with items 0 as soon as it knows that there are none, which is what start-up costs.
"""

import io
import itertools
import json
import sys
from concurrent.futures import ThreadPoolExecutor

import boto3
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from botocore.config import Config

FETCHERS = 8  # GETs beside the model
CHUNK = 512  # references that are sorted, computed and written together


def job():
    return json.loads(sys.argv[1])


def values_of(c, results):
    """Texts, or vectors of single precision, for a column."""
    if c["modality"] == "audio":
        return pa.array(results, pa.string())
    return pa.array(list(np.asarray(results, np.float32)), pa.list_(pa.float32()))


def column(c):
    return "text" if c["modality"] == "audio" else "vector"


def table(c, ids, uris, results):
    """Rows as all peers write them."""
    return pa.table({"ref_id": ids, "uri": uris, column(c): values_of(c, results)})


class Store:
    """The objects, by boto3, in threads."""

    def __init__(self, c):
        self.c = c
        self.s3 = boto3.client(
            "s3", endpoint_url=c["s3"], region_name="us-east-1", aws_access_key_id="bench", aws_secret_access_key="bench-secret", verify=c["ca"],
            config=Config(max_pool_connections=FETCHERS, s3={"addressing_style": "path"},
                          request_checksum_calculation="when_required", response_checksum_validation="when_required"),
        )  # fmt: skip
        self.pool = ThreadPoolExecutor(FETCHERS)

    def get(self, uri):
        bucket, key = uri.removeprefix("s3://").split("/", 1)
        return self.s3.get_object(Bucket=bucket, Key=key)["Body"].read()

    def prepared(self, uris, prepare):
        """prepare(body) of each object, in order, made in threads ahead of who asks."""
        return self.pool.map(lambda uri: prepare(self.get(uri)), uris)

    def put(self, name, rows):
        body = io.BytesIO()
        pq.write_table(rows, body, compression="zstd")
        self.s3.put_object(Bucket=self.c["bucket"], Key=f"{self.c['out']}/{name}.parquet", Body=body.getvalue())


class Line:
    """A script that somebody writes who has no framework."""

    def __init__(self):
        self.c = job()
        self.store = Store(self.c)

    def listed(self):
        """Lists of references to the objects of a bucket."""
        pages = self.store.s3.get_paginator("list_objects_v2").paginate(Bucket=self.c["bucket"], Prefix=self.c["prefix"])
        uris = (f"s3://{self.c['bucket']}/{o['Key']}" for page in pages for o in page.get("Contents", []))
        for chunk in batched(uris, CHUNK):
            yield [{"id": uri, "uri": uri} for uri in chunk]

    def consumed(self):
        """Lists of references as they arrive; each is durable when the next one is asked for, and is committed then."""
        from confluent_kafka import Consumer

        consumer = Consumer({
            "bootstrap.servers": ",".join(self.c["brokers"]), "group.id": self.c["topic"],
            "auto.offset.reset": "earliest", "enable.auto.commit": False,
        })  # fmt: skip
        assigned = []
        consumer.subscribe([self.c["topic"]], on_assign=lambda _, parts: assigned.extend(parts))
        left = self.c["items"]
        while left or not assigned:
            messages = consumer.consume(CHUNK, timeout=0.2)
            for m in messages:
                if m.error():
                    raise RuntimeError(m.error())
            left -= len(messages)
            if messages:
                yield [json.loads(m.value()) for m in messages]
                consumer.commit(asynchronous=False)
        consumer.close()

    def run(self, model):
        """model.compute(samples) gives a vector or a text for each sample of a chunk."""
        for n, refs in enumerate(self.listed() if self.c.get("prefix") else self.consumed()):
            ids, uris = [r["id"] for r in refs], [r["uri"] for r in refs]
            self.store.put(f"{n:05d}", table(self.c, ids, uris, model.compute(self.store.prepared(uris, model.prepare))))


def batched(samples, n):
    samples = iter(samples)
    while batch := list(itertools.islice(samples, n)):
        yield batch


def unit(vectors):
    return vectors / np.linalg.norm(vectors, axis=-1, keepdims=True)
