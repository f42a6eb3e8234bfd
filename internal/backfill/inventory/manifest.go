package inventory

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
)

// ManifestName is how the object that describes an inventory is called, whatever its prefix.
const ManifestName = "manifest.json"

// Manifest is what a manifest.json says.
type Manifest struct {
	Bucket  string // whose objects are listed
	At      string // the bucket that the files lie in
	Format  string // CSV or Parquet
	Files   []File
	Sum     string   // of the manifest.json: hex of its SHA-256
	columns []string // of CSV
}

// File is one file of an inventory.
type File struct {
	Key  string `json:"key"`
	Size int64  `json:"size"`
	MD5  string `json:"MD5checksum"` // hex; "" if it is not said
}

// Parse reads a manifest.json.
func Parse(body []byte) (*Manifest, error) {
	var m struct {
		SourceBucket      string `json:"sourceBucket"`
		DestinationBucket string `json:"destinationBucket"`
		FileFormat        string `json:"fileFormat"`
		FileSchema        string `json:"fileSchema"`
		Files             []File `json:"files"`
	}
	if err := json.Unmarshal(body, &m); err != nil {
		return nil, fmt.Errorf("it is not an inventory's: %w", err)
	}
	sum := sha256.Sum256(body)
	out := &Manifest{Bucket: m.SourceBucket, Format: m.FileFormat, Files: m.Files, Sum: hex.EncodeToString(sum[:])}
	out.At = m.DestinationBucket[strings.LastIndex(m.DestinationBucket, ":")+1:] // arn:aws:s3:::bucket
	switch {
	case out.Bucket == "" || out.At == "" || out.Format == "":
		return nil, errors.New("it is not an inventory's: sourceBucket, destinationBucket or fileFormat is missing")
	case out.Format != "CSV" && out.Format != "Parquet":
		return nil, fmt.Errorf("the inventory is in %s; CSV and Parquet are read", out.Format)
	}
	for _, f := range out.Files {
		if f.Key == "" || f.Size < 0 {
			return nil, fmt.Errorf("it names a file %q of %d bytes", f.Key, f.Size)
		}
	}
	if out.Format == "CSV" {
		for name := range strings.SplitSeq(m.FileSchema, ",") {
			out.columns = append(out.columns, plain(name))
		}
		if !slices.Contains(out.columns, "key") {
			return nil, fmt.Errorf("its fileSchema %q has no Key", m.FileSchema)
		}
	}
	return out, nil
}

// plain is a column's name as both formats have it: IsLatest and is_latest.
func plain(name string) string {
	return strings.ToLower(strings.ReplaceAll(strings.TrimSpace(name), "_", ""))
}
