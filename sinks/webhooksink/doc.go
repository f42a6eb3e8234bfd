// Package webhooksink posts rows to an HTTP endpoint, signed, at least once.
//
// A request's body is {"version": 1, "rows": [...], "deletions": [...]} with the objects of sinks/jsonrow. Its headers:
//
//	Vecmill-Signature: t=<seconds since 1970>,v1=<hex HMAC-SHA256 of "<t>." and the body under the secret>
//	Idempotency-Key:   the same for the same rows, also after a crash of the worker that cut the same batch again
//
// [Verify] is what a receiver written in Go checks. An answer of 2xx makes the rows durable. 408, 409, 423, 424, 425, 429 and 5xx are repeated under the same key, after
// Retry-After where it is given: a receiver may answer 409 while it still works on the first request of a key. 400, 413 and 422 are about the rows: the request is halved until the one row is
// found that is refused. Everything else, such as 401, 403, 404 and redirects, is the system's fault and ends the pipeline. A receiver that has seen a row_id may drop the row.
package webhooksink
