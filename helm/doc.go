// Package helm has no code. The chart is in vecmill, what it renders with vecmill/ci in testdata (make helm-check compares it), and a test plays the autoscaler of
// the rendered ScaledObject over loads that come in bursts.
package helm
