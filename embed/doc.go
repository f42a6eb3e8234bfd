// Package embed computes: bytes in, rows out. It knows tensors and nothing of Kafka or of storage.
//
// One [Engine] serves one model. A fetched object becomes samples in the preprocess pool ([Preprocessor]); samples
// wait in the [Batcher], a pure state machine that forms micro-batches under a cost budget, by what the [CostModel] has learnt that batches take, those of live records
// before those of a backfill; an executor per session, or as many as shall run one at once,
// pulls a batch whenever it is idle, collates it into padded tensors, runs the [Session], applies every [Head], and
// when all windows of an object (which a [Streamer] hands over one by one) are through, its rows are handed back: one per window and head, or per object where the head is a [Joiner]. Batch composition never changes a result (I7):
// padding is masked inside the model's graph, and a failing batch is bisected until the poison item is alone. If
// the session then fails in a batch too that it has computed before, the item is not to blame, and the engine stops.
//
// With EngineConfig.Packing items lie one behind the other in rows of a constant length ([Packer] in place of the Batcher): the layout for devices that want
// the same shape again and again. Heads then get each item's output alone.
//
// With EngineConfig.Reuse an object whose bytes come again under another name gets the rows that they gave before.
//
// Decoding and preprocessing live in embed/audio, embed/image and embed/text; the ONNX Runtime in embed/ortsession, the only
// package that touches cgo; what becomes of the model's output in embed/heads. Fakes and conformance suites are in
// embed/embedtest.
package embed
