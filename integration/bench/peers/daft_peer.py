"""Daft: the topic read to its end, objects got by its own client, prepared and computed in batches by classes of ours, Parquet written by itself."""

import json

import daft
from daft import DataType, col
from daft.io import IOConfig, S3Config
from line import CHUNK, FETCHERS, column, job, values_of
from ort_model import Model, Preprocess

c = job()


@daft.func.batch(return_dtype=DataType.struct({"ref_id": DataType.string(), "uri": DataType.string()}), unnest=True)
def parse(values):
    refs = map(json.loads, values)
    return [{"ref_id": r["id"], "uri": r["uri"]} for r in refs]


@daft.cls(max_concurrency=1, use_process=False)
class Prepare:
    def __init__(self):
        self.pre = Preprocess(c)

    @daft.method.batch(return_dtype=DataType.python())
    def __call__(self, bodies):
        return [self.pre.prepare(b) for b in bodies]


@daft.cls(max_concurrency=1, use_process=False)
class Compute:
    def __init__(self):
        self.model = Model(c)

    @daft.method.batch(return_dtype=DataType.string() if c["modality"] == "audio" else DataType.list(DataType.float32()), batch_size=CHUNK)
    def __call__(self, samples):
        return values_of(c, self.model.compute(samples))


prepare, compute = Prepare(), Compute()
store = IOConfig(s3=S3Config(endpoint_url=c["s3"], region_name="us-east-1", key_id="bench", access_key="bench-secret"))
(
    daft.read_kafka(c["brokers"], c["topic"], group_id=c["topic"])
    .select(parse(col("value")))
    .with_column("body", col("uri").download(max_connections=FETCHERS, io_config=store))
    .select("ref_id", "uri", prepare(col("body")).alias("sample"))
    .select("ref_id", "uri", compute(col("sample")).alias(column(c)))
    .write_parquet(f"s3://{c['bucket']}/{c['out']}", compression="zstd", io_config=store)
)
