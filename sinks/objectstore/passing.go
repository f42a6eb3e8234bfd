package objectstore

// passing are the codes of S3's errors that pass although their status is below 500.
var passing = map[string]bool{
	"RequestTimeout": true, "SlowDown": true, "SlowDownRead": true, "SlowDownWrite": true, "Throttling": true, "ThrottlingException": true, "RequestThrottled": true,
	"RequestLimitExceeded": true, "BandwidthLimitExceeded": true, "TooManyRequests": true, "OperationAborted": true,
}

// Passing says whether a store that answers with an error code of S3 may answer otherwise soon, although the status is below 500. It is so for whoever writes and for whoever reads.
func Passing(code string) bool { return passing[code] }
