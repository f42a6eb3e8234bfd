// Package page looks at the live page of a running worker with a real browser.
package page
