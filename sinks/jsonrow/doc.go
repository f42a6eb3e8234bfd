// Package jsonrow writes rows as JSON objects whose fields are the columns of docs/rows.md, and reads them back.
//
// Columns without a value are left out. Lists of structures are lists of objects, times are RFC 3339 in UTC, mask_png is base64, vector_f16 is written
// as the numbers that the halves stand for. JSON has no infinity: a number that is not finite is null, and a row with one in a vector is refused by [Check].
// Invalid UTF-8 becomes U+FFFD. A deletion is an object with ref_id, "deleted": true, pipeline, topic, partition and offset.
package jsonrow
