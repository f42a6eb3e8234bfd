package objectstore

// throttling are the codes of S3's errors of a store that is asked too much, of any object.
var throttling = map[string]bool{
	"SlowDown": true, "SlowDownRead": true, "SlowDownWrite": true, "Throttling": true, "ThrottlingException": true, "RequestThrottled": true,
	"RequestLimitExceeded": true, "BandwidthLimitExceeded": true, "TooManyRequests": true,
}

// Throttling says whether an error code of S3 is of a store that is asked too much, and so of none of its objects.
func Throttling(code string) bool { return throttling[code] }

// Passing says whether a store that answers with an error code of S3 may answer otherwise soon, although the status is below 500. It is so for whoever writes and for whoever reads.
func Passing(code string) bool {
	return throttling[code] || code == "RequestTimeout" || code == "OperationAborted"
}
