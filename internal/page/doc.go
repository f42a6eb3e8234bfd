// Package page serves the live page of a worker: what flows through its pipelines now, where it is held up, and what went wrong.
//
// The page asks /status.json once a second and draws it; totals become rates there, so nothing is sampled while nobody looks. Everything
// it needs is in the binary (uPlot draws the charts, MIT), nothing is fetched from elsewhere, and a Content-Security-Policy says so to the
// browser. What references point to and what models made of it is shown only if [Recent] is given: it may be private.
package page
