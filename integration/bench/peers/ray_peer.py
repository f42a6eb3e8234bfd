"""Ray Data: the topic read to its end, or the objects of a bucket; prepared by a function that Ray puts beside the model, the model in an actor, Parquet written by Ray through Arrow's client of the store."""

import json

import ray
from line import CHUNK, job
from pyarrow import fs
from ray_steps import Actor, fetch, prepare

c = job()
told = json.dumps(c)

ray.init(num_cpus=c["threads"], include_dashboard=False, _node_ip_address="127.0.0.1", log_to_driver=False, _temp_dir=c["scratch"])
ray.data.DataContext.get_current().enable_progress_bars = False
store = fs.S3FileSystem(endpoint_override=c["s3"], region="us-east-1", access_key="bench", secret_key="bench-secret", tls_ca_file_path=c["ca"])
if c.get("prefix"):
    objects = ray.data.read_binary_files(f"{c['bucket']}/{c['prefix']}", filesystem=store, include_paths=True)
    samples = objects.map_batches(prepare, batch_size=CHUNK // 4, fn_args=[told])
else:
    samples = ray.data.read_kafka(c["topic"], bootstrap_servers=c["brokers"]).map_batches(fetch, batch_size=CHUNK // 4, fn_args=[told])
rows = samples.map_batches(Actor, batch_size=CHUNK, fn_constructor_args=[told], compute=ray.data.ActorPoolStrategy(size=1))
rows.write_parquet(f"{c['bucket']}/{c['out']}", filesystem=store, compression="zstd")
ray.shutdown()
