// Package feastsink pushes rows to a feature server of Feast by its HTTP API (/push), at least once.
//
// A batch is one push to a push source: a column of values for each column of [Config.Columns], of which the feature views of the source take those that are their entities' keys, their
// timestamp and their features. Names are those of docs/rows.md; Feast's field_mapping gives them others. Lists of numbers are lists, other lists and maps are JSON in text, bytes are base64. Which key a row has is the view's to say: with ref_id alone the last
// window of the last head stays, so a view has one head, or head and window among its keys.
//
//	F1 Feast checks nothing before it converts: a number of a list that JSON writes without a fraction is an integer to it, and refused; times of one push have to be of one form. So
//	   every fraction has a point, and every time six digits behind the second.
//	F2 It answers 500 to what is wrong in a value and to a store that is away. A value that does not fit its feature's type is known by Feast's words and searched for by halving; what
//	   lacks in the columns ends the pipeline; anything else is tried again.
//
// Feast has no deletion, so tombstones take nothing away. What is repeated after a crash is pushed again; whether an older value can so replace a newer one for that long is the online store's to say.
package feastsink
