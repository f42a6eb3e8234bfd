// Package kafkaauth is SASL's OAUTHBEARER mechanism (RFC 7628, as Kafka's KIP-255 uses it) for kafka-go, which has PLAIN and SCRAM only.
//
// A [Tokens] gives the bearer token; it is asked for every connection, since brokers close connections whose token has run out and the client
// simply connects again. There are three: [Static], [File], and [NewClientCredentials], which asks an OAuth 2.0 endpoint (RFC 6749, section 4.4) and keeps the token
// until shortly before it ends. Neither tokens nor client secrets are ever part of an error.
//
// Neighbours: internal/wire builds the mechanism from the configuration and hands it to kafkasource and kafkaletters.
package kafkaauth
