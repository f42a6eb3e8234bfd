// Package feast proves the output to Feast on Feast's own feature server, under the build tag integration: what is pushed is asked for by its own HTTP API again.
package feast
