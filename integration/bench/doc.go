// Package bench measures what the pipeline costs beside the model: `make bench-pipeline` prints, for each modality, items per CPU-second
// of the whole pipeline divided by those of the bare ONNX session on the same tensors. 1.0 would mean that consuming, fetching,
// decoding, batching, heads and Parquet are free.
//
// How it is measured
//
//   - The pipeline is the worker's own (internal/wire) in this process: kafka-go's consumer, S3 GETs over TLS, the
//     preprocessors, one session of all cores (against peers: what the worker chooses), heads, Parquet files in S3, commits. Broker and store are in-process servers in a child
//     process, so that their CPU time is not counted; the client's is.
//   - The bare session runs the same graph with the same number of threads on the same samples, made and collated
//     beforehand, sorted by length and cut where it is cheapest under the same cost budget.
//   - CPU time is that of the process (getrusage). A round is session, pipeline, session, and its ratio is the mean of the two
//     sessions' over the pipeline's; the figure of merit is the median of several rounds in one run. Loading and compiling is
//     outside.
//   - Models have random weights and base width (hidden 768, 12 heads; the audio convolutions of data2vec-audio-base) and
//     VECMILL_BENCH_LAYERS layers, 4 by default where base has 12: the model is cheaper than the real one, so the ratio is on the
//     low side.
//   - Corpora are made from a seed (corpus_test.go). VECMILL_BENCH_TEXTS, _CLIPS and _PICTURES say how many there are of each, for every benchmark that is about a corpus; those of a few batches or starts, which
//     are Passes, Reduction, Packing and Start, have their own.
//   - Before each round the parts are measured, each alone and on one goroutine: GETs by minio-go, preprocessing, the session warm and fresh, heads; and all of them beside each other. The
//     pipeline over their sum is what our own code costs, batches that are less well divided among it; with the fresh session in the sum, as a pipeline's session is one, what it costs beside that.
//
// BenchmarkCallers measures ways to divide the cores in the pipeline, BenchmarkStart measures a worker's start up to the first rows, BenchmarkPasses what each of the compiler's passes is worth, BenchmarkReduction whether a head's reduction belongs into the graph.
//
// BenchmarkPeers* (`make bench-peers`) run the worker's program and the lines of peers/, in Python, on the same topics, objects and weights:
//
//   - onnxruntime by hand runs the graph that our compiler made, or torch's export of the same weights (tools/exports/export.py) at the runtime's highest level, with as many threads as there are cores, no spinning (VECMILL_BENCH_SPINNING=1 turns it on), sorted
//     samples and our budgets; decoding is soundfile, soxr, Pillow and tokenizers, with no transformers to start.
//   - Bytewax, Daft and Ray Data run that same model, in a step, a class and an actor, with their own ways to read a topic to its end and, the last two, to write Parquet; Daft gets objects by
//     its own client.
//   - transformers and torch take batches in arrival order, with the reference's processors; of 1, 8, 16 or 32, which are tried first (clips: not 32), whatever costs least.
//   - Recordings are WAV, FLAC, MP3 and Ogg Vorbis in turns (peers/encode.py).
//   - By hand is: confluent-kafka, boto3 in eight threads ahead of the model, Parquet by pyarrow, one commit for 512 references. The frameworks commit no offsets: Ray's and Daft's readers have
//     none, and Bytewax' recovery is off.
//   - CPU time is that of the process and all that descend from it, also in sessions of their own (watched), start-up included; start-up is a run that ends when
//     it knows that there is nothing. Ours ends when all is committed. Contestants take turns, and change who begins. VECMILL_BENCH_ONLY=Ray leaves out all but ours and those in whose name that is.
//   - Vectors must agree to a cosine of 0.9999 and transcripts must be equal, or the benchmark fails. It is only told for int8, and for torch's
//     transcripts of batches and those of its export, where the reference's padding leaks into them; clip by clip they must be equal, too.
//
// BenchmarkBackfill* (`make bench-backfill-peers`) do the same from a bucket to Parquet: `backfill run --source` against scripts that list by boto3, and Ray's reader of objects. There is no run without work.
//
// BenchmarkPoison is about something else: what one item costs that makes every batch fail that it is in.
//
// With -short each takes one round of models of one layer and of a few items (least): it shows that it runs to its end (make docs-benches), and nothing of how fast.
//
// These are benchmarks, never tests: nothing here fails because a machine is slow. The tests TestRatiosHold and TestGraphsHold (make integration) hold ratios, not times, to wide bounds.
// Results are kept in docs/benchmarks.md.
package bench
