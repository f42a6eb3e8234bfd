// Package refcodec reads the references that a record holds, in the formats that platforms emit: Vecmill's own JSON ([Ref]), any JSON through an expression
// ([JSON]), notifications of S3 and its kin ([S3Event]) and CloudEvents 1.0 ([CloudEvents]). Avro and Protobuf are in refcodec/registry, the expressions in
// refcodec/celmap, so that this package needs the standard library alone.
//
// Every decoder is a [vecmill/stream.Decoder]: what cannot be read is a Rejection of class schema whose sentence names the field, an unknown field of a
// foreign format is passed over, and what a record means never depends on another record. A format is chosen by the operator and never guessed.
//
// Fields from anywhere become a reference in one place, [FromFields], which holds them to the rules of schemas.ParseRef.
//
// Neighbours: stream asks, internal/wire chooses.
package refcodec
