// Package iceberg proves sinks/icebergsink and sinks/icebergcatalog on real catalogs and a real S3 server, under the build tag integration.
//
// One test starts Iceberg's own REST catalog, PostgreSQL and versitygw. The sink is held to sinks/sinktest on the REST catalog; commits whose answers are lost
// and writers that compete, there and on SQL catalogs in SQLite and PostgreSQL, must lose and repeat nothing and carry tombstones out, which pyiceberg, DuckDB's reader of Iceberg tables and
// the audit say, not the sink; the audit finds a loss, a duplicate and a
// missing file, made by pyiceberg and S3, by their offsets; a worker that is killed at work goes on where the table ends; a table that pyiceberg has
// made and DuckDB has deleted rows of is the source of a backfill that is killed, and a plan that is killed goes on with the snapshot that it began with; shares of a plan, and of a recomputation, that begin at once and of which one is killed are in a table once.
package iceberg
