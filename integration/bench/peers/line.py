"""What all peers share: references from Kafka, objects from S3, rows to Parquet, offsets committed behind them.

A peer is started with one argument, JSON: brokers, topic, items, s3, ca, bucket, out, modality, model, graph, threads, spinning, batch, budget.
It ends when items references are durable and committed; with items 0 as soon as it has its partitions, which is what start-up costs.
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
from confluent_kafka import Consumer

FETCHERS = 8  # GETs beside the model


class Line:
    def __init__(self):
        self.c = json.loads(sys.argv[1])
        self.consumer = Consumer({
            "bootstrap.servers": ",".join(self.c["brokers"]), "group.id": self.c["topic"],
            "auto.offset.reset": "earliest", "enable.auto.commit": False,
        })  # fmt: skip
        self.s3 = boto3.client(
            "s3", endpoint_url=self.c["s3"], region_name="us-east-1", aws_access_key_id="bench", aws_secret_access_key="bench-secret", verify=self.c["ca"],
            config=Config(max_pool_connections=FETCHERS, s3={"addressing_style": "path"},
                          request_checksum_calculation="when_required", response_checksum_validation="when_required"),
        )  # fmt: skip
        self.pool = ThreadPoolExecutor(FETCHERS)

    def get(self, ref):
        bucket, key = ref["uri"].removeprefix("s3://").split("/", 1)
        return self.s3.get_object(Bucket=bucket, Key=key)["Body"].read()

    def chunks(self):
        """Lists of references as they arrive, 512 at most."""
        assigned = []
        self.consumer.subscribe([self.c["topic"]], on_assign=lambda _, parts: assigned.extend(parts))
        left = self.c["items"]
        while left or not assigned:
            messages = self.consumer.consume(512, timeout=0.2)
            for m in messages:
                if m.error():
                    raise RuntimeError(m.error())
            left -= len(messages)
            if messages:
                yield [json.loads(m.value()) for m in messages]

    def prepared(self, refs, prepare):
        """prepare(body) of each reference, in order, made in threads ahead of who asks."""
        return self.pool.map(lambda ref: prepare(self.get(ref)), refs)

    def run(self, prepare, compute):
        """compute(samples) gives a vector or a text for each sample of a chunk."""
        for n, refs in enumerate(self.chunks()):
            self.write(n, refs, compute(self.prepared(refs, prepare)))
            self.consumer.commit(asynchronous=False)
        self.consumer.close()

    def write(self, n, refs, values):
        column = pa.array(values, pa.string()) if isinstance(values[0], str) else pa.array(list(np.asarray(values, np.float32)), pa.list_(pa.float32()))
        table = pa.table({"ref_id": [r["id"] for r in refs], "uri": [r["uri"] for r in refs], "text" if isinstance(values[0], str) else "vector": column})
        body = io.BytesIO()
        pq.write_table(table, body, compression="zstd")
        self.s3.put_object(Bucket=self.c["bucket"], Key=f"{self.c['out']}/{n:05d}.parquet", Body=body.getvalue())


def batched(samples, n):
    samples = iter(samples)
    while batch := list(itertools.islice(samples, n)):
        yield batch


def unit(vectors):
    return vectors / np.linalg.norm(vectors, axis=-1, keepdims=True)
