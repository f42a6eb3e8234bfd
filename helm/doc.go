// Package helm has no code. The chart is in vecmill, what it renders with vecmill/ci in testdata (make helm-check compares it). One test plays the autoscaler of
// the rendered ScaledObject over loads that come in bursts; others hold what an image writes against what a pod lets it, mounts against volumes, the exit codes by which a Job gives up against those of the programs, what the composition of deploy keeps of its log and its rows, and whose names its page answers to.
package helm
