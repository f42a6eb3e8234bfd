#!/usr/bin/env python3
"""golden.py: write the golden Avro and Protobuf encodings of schemas/testdata/ref with Python's own libraries.

    pip install -r tools/refs/requirements.txt; tools/refs/golden.py

Each v1-*.json becomes v1-*.avro (one datum of schemas/ref.v1.avsc by fastavro) and v1-*.pb (schemas/ref.v1.proto compiled by
protoc and written by google.protobuf). They are read for ever; this script is how new ones are made.
"""
import base64
import importlib.util
import io
import json
import pathlib
import sys
import tempfile

import fastavro
from grpc_tools import protoc

root = pathlib.Path(__file__).resolve().parents[2] / "schemas"


def proto_module():
    """Compile ref.v1.proto. Its name has a dot too many for an import, hence the copy."""
    out = pathlib.Path(tempfile.mkdtemp())
    (out / "ref_v1.proto").write_text((root / "ref.v1.proto").read_text())
    if protoc.main(["protoc", f"-I{out}", f"--python_out={out}", "ref_v1.proto"]) != 0:
        sys.exit("protoc failed")
    spec = importlib.util.spec_from_file_location("ref_v1_pb2", out / "ref_v1_pb2.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def fields(name):
    ref = json.loads((root / "testdata/ref" / name).read_text())
    assert ref.pop("v") == 1
    if "inline" in ref:
        ref["inline"] = base64.b64decode(ref["inline"])
    return ref


def main():
    avro = fastavro.parse_schema(json.loads((root / "ref.v1.avsc").read_text()))
    pb = proto_module()
    for path in sorted((root / "testdata/ref").glob("*.json")):
        ref = fields(path.name)
        buf = io.BytesIO()
        fastavro.schemaless_writer(buf, avro, ref)
        path.with_suffix(".avro").write_bytes(buf.getvalue())
        m = pb.Ref()
        for name, value in ref.items():
            if name == "range":
                m.range.off, m.range.n = value["off"], value["n"]
            elif name == "attributes":
                m.attributes.update(value)
            elif name == "choices":
                m.choices.extend(value)
            else:
                setattr(m, name, value)
        path.with_suffix(".pb").write_bytes(m.SerializeToString(deterministic=True))


main()
