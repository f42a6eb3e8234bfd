"""Bytewax: one worker, its own source of Kafka read to the end of the topic, the model in a step of batches, a sink that puts a file for each of them."""

import json
from datetime import timedelta

from bytewax import operators as op
from bytewax.connectors.kafka import KafkaSource
from bytewax.dataflow import Dataflow
from bytewax.outputs import DynamicSink, StatelessSinkPartition
from bytewax.run import cli_main
from line import CHUNK, Store, job, table
from ort_model import Model

c = job()
store, model = Store(c), Model(c)


def compute(keyed):
    refs = [json.loads(m.value) for m in keyed[1]]
    uris = [r["uri"] for r in refs]
    return table(c, [r["id"] for r in refs], uris, model.compute(store.prepared(uris, model.prepare)))


class Files(DynamicSink, StatelessSinkPartition):
    def __init__(self):
        self.n = 0

    def build(self, step_id, worker_index, worker_count):
        return self

    def write_batch(self, items):
        for rows in items:
            store.put(f"{self.n:05d}", rows)
            self.n += 1


flow = Dataflow("peer")
messages = op.input("topic", flow, KafkaSource(c["brokers"], [c["topic"]], tail=False, batch_size=CHUNK))
chunks = op.collect("chunks", op.key_on("together", messages, lambda _: ""), timeout=timedelta(seconds=1), max_size=CHUNK)
op.output("files", op.map("model", chunks, compute), Files())
cli_main(flow)
