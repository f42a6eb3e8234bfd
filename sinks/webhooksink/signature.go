package webhooksink

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"
)

// The headers of a request.
const (
	SignatureHeader   = "Vecmill-Signature"
	IdempotencyHeader = "Idempotency-Key"
)

// Sign is the value of the signature's header.
func Sign(secret, body []byte, at time.Time) string {
	t := strconv.FormatInt(at.Unix(), 10)
	return "t=" + t + ",v1=" + hex.EncodeToString(mac(secret, t, body))
}

func mac(secret []byte, t string, body []byte) []byte {
	h := hmac.New(sha256.New, secret)
	h.Write([]byte(t + "."))
	h.Write(body)
	return h.Sum(nil)
}

// ErrSignature says that a request is not from who has the secret, or is old.
var ErrSignature = errors.New("the signature does not fit")

// Verify says whether a request was signed with the secret, no longer ago than tolerance, which keeps a captured request from being sent again later.
func Verify(secret, body []byte, header string, now time.Time, tolerance time.Duration) error {
	var t string
	fits := false
	for part := range strings.SplitSeq(header, ",") {
		switch name, value, _ := strings.Cut(part, "="); name {
		case "t":
			t = value
		case "v1":
			sum, err := hex.DecodeString(value)
			fits = fits || err == nil && hmac.Equal(sum, mac(secret, t, body))
		}
	}
	seconds, err := strconv.ParseInt(t, 10, 64)
	switch {
	case err != nil || !fits:
		return ErrSignature
	case now.Sub(time.Unix(seconds, 0)).Abs() > tolerance:
		return fmt.Errorf("%w: it is of %s", ErrSignature, time.Unix(seconds, 0).UTC())
	}
	return nil
}
