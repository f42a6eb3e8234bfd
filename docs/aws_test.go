package docs

import (
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/goccy/go-yaml"
)

// s3Command is aws s3 mb and aws s3 cp, done to the site's store.
func s3Command(t *testing.T, s *site, dir, command string) {
	t.Helper()
	if err := s.aws(t, dir, command); err != nil {
		t.Fatalf("%s: %v", command, err)
	}
}

// aws does aws s3 mb s3://BUCKET, and aws s3 cp FILE s3://BUCKET/KEY, with the endpoint that vecmill.yaml names: without one the command goes to Amazon, whatever the configuration says. The key is that of vecmill.yaml, too, and with its secret in the environment.
func (s *site) aws(t *testing.T, dir, command string) error {
	t.Helper()
	var told struct {
		S3 struct {
			Endpoint  string
			AccessKey string `yaml:"access_key"`
		}
	}
	if err := yaml.Unmarshal([]byte(s.configured), &told); err != nil {
		return err
	}
	f := flag.NewFlagSet("aws", flag.ContinueOnError)
	endpoint := f.String("endpoint-url", "", "")
	words, err := parse(f, shellWords(command)[1:])
	if err != nil {
		return err
	}
	if told.S3.Endpoint == "" || *endpoint != told.S3.Endpoint {
		return fmt.Errorf("it goes to %q, and the configuration names %q", *endpoint, told.S3.Endpoint)
	}
	if key := s.env["AWS_ACCESS_KEY_ID"]; key == "" || key != told.S3.AccessKey || s.env["AWS_SECRET_ACCESS_KEY"] == "" {
		return fmt.Errorf("it has the key %q, and the configuration %q", key, told.S3.AccessKey)
	}
	switch {
	case len(words) == 3 && words[0] == "s3" && words[1] == "mb":
		bucket, ok := strings.CutPrefix(words[2], "s3://")
		if !ok {
			return fmt.Errorf("%s is no bucket", words[2])
		}
		return s.s3.CreateBucket(bucket)
	case len(words) == 4 && words[0] == "s3" && words[1] == "cp":
		object, ok := strings.CutPrefix(words[3], "s3://")
		bucket, key, two := strings.Cut(object, "/")
		if !ok || !two {
			return fmt.Errorf("%s is no object", words[3])
		}
		if there, err := s.s3.BucketExists(bucket); err != nil {
			return err
		} else if !there {
			return fmt.Errorf("there is no bucket %s", bucket)
		}
		b, err := os.ReadFile(filepath.Join(dir, words[2]))
		if err != nil {
			return err
		}
		s.put(t, bucket, key, b)
		return nil
	}
	return fmt.Errorf("nothing here knows what %q does", words)
}

func TestWhatAwsWouldNotDoIsNoticed(t *testing.T) {
	s := newSite(t)
	dir := s.clone(t, document{})
	s.withoutBuckets(t)
	const without = "aws s3 mb s3://calls --endpoint-url https://minio.example.org"
	for _, key := range []string{"", "other"} {
		if s.env["AWS_ACCESS_KEY_ID"], s.env["AWS_SECRET_ACCESS_KEY"] = key, key; s.aws(t, dir, without) == nil {
			t.Errorf("%s with the key %q: nothing is noticed", without, key)
		}
	}
	s.env["AWS_ACCESS_KEY_ID"], s.env["AWS_SECRET_ACCESS_KEY"] = "lake", "secret"
	const at, file = " --endpoint-url https://minio.example.org", "internal/demo/samples/audio/speech-01.wav"
	for _, command := range []string{
		"aws s3 mb s3://calls", "aws s3 mb s3://calls --endpoint-url https://elsewhere.example.org", "aws s3 mb calls" + at,
		"aws s3 cp " + file + " s3://calls/speech-01.wav" + at, "aws s3 ls s3://calls" + at, "aws s3 mb s3://calls --colour" + at,
	} {
		if s.aws(t, dir, command) == nil {
			t.Errorf("%s: nothing is noticed", command)
		}
	}
	for _, command := range []string{"aws s3 mb s3://calls" + at, "aws s3 cp" + at + " " + file + " s3://calls/speech-01.wav"} {
		if err := s.aws(t, dir, command); err != nil {
			t.Errorf("%s: %v", command, err)
		}
	}
	for _, command := range []string{"aws s3 mb s3://calls" + at, "aws s3 cp missing.wav s3://calls/missing.wav" + at, "aws s3 cp " + file + " s3://calls" + at, "aws s3 cp " + file + " calls/a.wav" + at} {
		if s.aws(t, dir, command) == nil {
			t.Errorf("%s: nothing is noticed", command)
		}
	}
}
