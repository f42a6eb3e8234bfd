package blobfetch

import (
	"crypto/md5"
	"crypto/sha1"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"fmt"
	"hash"
	"hash/crc32"
	"hash/crc64"
	"net/http"
	"strings"
)

// nvme is the reflected polynomial of CRC-64/NVME, which S3 uses by default.
const nvme = 0x9a6c9329ac4bc9b5

// checksums are the checksums that S3 sends, cheapest first.
var checksums = []struct {
	header string
	hash   func() hash.Hash
}{
	{"x-amz-checksum-crc32c", func() hash.Hash { return crc32.New(crc32.MakeTable(crc32.Castagnoli)) }},
	{"x-amz-checksum-crc32", func() hash.Hash { return crc32.NewIEEE() }},
	{"x-amz-checksum-crc64nvme", func() hash.Hash { return crc64.New(crc64.MakeTable(nvme)) }},
	{"x-amz-checksum-sha256", sha256.New},
	{"x-amz-checksum-sha1", sha1.New},
}

// verifier picks what the whole object is checked against; nil if the answer offers nothing.
func verifier(header http.Header, etag string, trustETag bool) func([]byte) error {
	for _, c := range checksums {
		want := header.Get(c.header)
		if want == "" || strings.Contains(want, "-") { // "-3": a checksum of three parts' checksums
			continue
		}
		return func(data []byte) error {
			h := c.hash()
			h.Write(data)
			if got := base64.StdEncoding.EncodeToString(h.Sum(nil)); got != want {
				return fmt.Errorf("%s is %s, the store says %s", c.header, got, want)
			}
			return nil
		}
	}
	if !trustETag || !isMD5(etag) || encrypted(header) {
		return nil
	}
	return func(data []byte) error {
		if sum := md5.Sum(data); hex.EncodeToString(sum[:]) != strings.ToLower(etag) {
			return fmt.Errorf("the MD5 is %x, the ETag says %s", sum, etag)
		}
		return nil
	}
}

func isMD5(etag string) bool {
	b, err := hex.DecodeString(etag)
	return err == nil && len(b) == md5.Size
}

// encrypted says whether the ETag is of the ciphertext.
func encrypted(header http.Header) bool {
	return strings.HasPrefix(header.Get("x-amz-server-side-encryption"), "aws:kms") || header.Get("x-amz-server-side-encryption-customer-algorithm") != ""
}
