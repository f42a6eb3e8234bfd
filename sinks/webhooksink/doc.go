// Package webhooksink posts rows to an HTTP endpoint, signed, at least once.
//
// A request's body is {"version": 1, "rows": [...], "deletions": [...]} with the objects of sinks/jsonrow. Its headers:
//
//	Vecmill-Signature: t=<seconds since 1970>,v1=<hex HMAC-SHA256 of "<t>." and the body under the secret>
//	Idempotency-Key:   the same for the same rows, also after a crash of the worker that cut the same batch again
//
// [Verify] is what a receiver written in Go checks. An answer of 2xx makes the rows durable. 408, 425, 429 and 5xx are repeated, after Retry-After where it is given;
// 400, 413, 422 and other answers about the content are halved until the one row is found that is refused; 401, 403, 404 and redirects are the system's
// fault and end the pipeline. A receiver that has seen a row_id may drop the row.
package webhooksink
