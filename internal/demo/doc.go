// Package demo is `worker demo`: the whole line in one process. It starts an in-process Kafka-protocol broker and an in-process S3
// server (both for demos and tests only), uploads the bundled samples, publishes references, runs the real worker over them
// with the bundled models, and shows what came out of the Parquet files.
//
// Nothing of the worker is special here: the demo writes an ordinary configuration and hands it to wire. The bundled models are
// small and trained by tools/demo-models; their figures and licences are in docs/demo-models.md.
package demo
