// Package secure proves the way of the data under TLS and SASL, under the build tag integration: real certificates of an authority that the
// test makes, a real broker with a listener for client certificates and one for passwords and tokens, and a store that speaks TLS alone.
//
// For each way to log in (a client's certificate, PLAIN, SCRAM-SHA-256, SCRAM-SHA-512, OAUTHBEARER) a worker reads objects and references,
// commits, and writes files and dead letters, the letters to a topic over the same login. What must fail does, with a sentence that says what to
// look at: a password that is wrong, an authority that is not trusted, a certificate that is missing.
//
// Of the rights that a broker can withhold, each that a worker needs is missing once, and worker doctor names it. So is the right to get a bucket's objects.
// A group that is full, of another kind of client, or of shorter sessions than ours says so when it is asked, and takes nobody in for the question.
// A topic that is deleted ends a source that reads it with its name, also where brokers make topics by themselves, and a partition that is added is read from its first record.
//
// What it does not prove: token endpoints (kafkaauth's own tests do).
package secure
