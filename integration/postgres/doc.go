// Package postgres proves sinks/pgvectorsink on a real PostgreSQL with pgvector, under the build tag integration.
//
// One test starts one server. The sink is held to sinks/sinktest, with what it stored read back as the server gives it; a killed server, connections
// that are cut before and after the server sees COMMIT, and writers that compete must lose and repeat nothing, which psql and the audit say, not the sink;
// a table's past is computed again into another one while records come, through kills; shares of a plan, and of a recomputation, that begin at once and of which one is killed are in a table once;
// tables of another model, dimension or metric are refused; the audit finds a loss and a duplicate by their offsets.
//
// The other way round, Debezium watches a table of such a server, and its change events are references by an expression.
package postgres
