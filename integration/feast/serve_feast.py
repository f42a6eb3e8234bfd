"""Feast's own feature server over a new repository in the working directory: files, SQLite, and the push source rows of two views.

    serve_feast.py PORT

The view rows has a row's id as its key; the view newest has a reference's, so that it keeps the last row of each. In both, offset is an int32, which Feast holds values to.
"""
import sys
from datetime import timedelta

import uvicorn
from feast import Entity, FeatureStore, FeatureView, Field, FileSource, PushSource, RepoConfig, ValueType
from feast.feature_server import get_app
from feast.types import Array, Bool, Float32, Float64, Int32, String

TYPES = {
    "uri": String, "head": String, "task": String, "model_digest": String, "topic": String, "partition": Int32, "offset": Int32, "window": Int32, "window_end": Float64,
    "truncated": Bool, "infer_ms": Float32, "attributes": String, "vector": Array(Float32), "vector_f16": Array(Float32), "text": String, "words": String, "score": Float32,
    "label": String, "labels": String, "mask_width": Int32, "mask_png": String, "perplexity": Float64, "choice": Int32, "probabilities": Array(Float32),
}

store = FeatureStore(config=RepoConfig(
    project="test", provider="local", registry="registry.db", offline_store={"type": "file"}, online_store={"type": "sqlite", "path": "online.db"}, entity_key_serialization_version=3,
))
source = PushSource(name="rows", batch_source=FileSource(name="batch", path="batch.parquet", timestamp_field="created_at"))
row = Entity(name="row", join_keys=["row_id"], value_type=ValueType.STRING)
ref = Entity(name="ref", join_keys=["ref_id"], value_type=ValueType.STRING)
store.apply([row, ref, source] + [
    FeatureView(name=name, entities=[entity], ttl=timedelta(0), online=True, source=source, schema=[Field(name=n, dtype=t) for n, t in TYPES.items()])
    for name, entity in {"rows": row, "newest": ref}.items()
])
uvicorn.run(get_app(store), host="127.0.0.1", port=int(sys.argv[1]), log_level="warning")
