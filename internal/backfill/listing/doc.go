// Package listing enumerates a bucket with several requests at once, though a store lists keys in order only and nobody knows how they are spread.
//
// The keys are taken apart into ranges (After, Upto]. Each worker follows one range page by page; one that has nothing to do takes the far part of the range
// that another is in. Where to cut is a guess from the page just read: keys are numbers in base 95 (the printable ASCII characters), so a page has a width, and
// the cut is put a multiple of it ahead. The multiple doubles each time a cut has left keys on its far side, and halves each time it has not: so the cuts find
// the keys, however they are named, at the price of a few empty requests.
//
//	L1 Every key that is there during the whole enumeration is given exactly once: ranges are disjoint, and cutting one changes only its end.
//	L2 What was given and where each range stands are known together ([State]), so an enumeration that was interrupted goes on where it was.
//
// Keys that come or go meanwhile are given or not, as with any listing.
//
// Neighbours: internal/wire gives it a bucket's pages; internal/backfill writes what it gives to a plan.
package listing
