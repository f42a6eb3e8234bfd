package hub

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestParse(t *testing.T) {
	for in, want := range map[string]Ref{
		"hf://facebook/data2vec-audio-base-960h": {"facebook", "data2vec-audio-base-960h", "main"},
		"hf://a/b@v1.0":                          {"a", "b", "v1.0"},
		"hf://a/b@refs/pr/1":                     {"a", "b", "refs/pr/1"},
	} {
		if got, err := Parse(in); err != nil || got != want {
			t.Errorf("%s gives %v (%v), want %v", in, got, err, want)
		}
	}
	for _, in := range []string{
		"", "a/b", "hf://", "hf://a", "hf://a/", "hf://a/b/c", "hf://../b", "hf://a/..", "hf://a--b/c", "hf://a/b@", "hf://a/b@../x", "hf://a/b@/x", "hf://a/b@x/../y", "s3://a/b", "hf://a b/c",
	} {
		if got, err := Parse(in); err == nil {
			t.Errorf("%q gives %v, want an error", in, got)
		}
	}
}

func FuzzParse(f *testing.F) {
	f.Add("hf://facebook/data2vec-audio-base@main")
	f.Add("hf://a/b@../../c")
	f.Fuzz(func(t *testing.T, s string) {
		r, err := Parse(s)
		if err != nil {
			return
		}
		if again, err := Parse(r.String()); err != nil || again != r {
			t.Errorf("%q gives %v, which gives %v (%v)", s, r, again, err)
		}
		for _, name := range []string{r.folder(), r.Revision} {
			if !filepath.IsLocal(name) || strings.Contains(name, `\`) {
				t.Errorf("%q names %q, outside the cache", s, name)
			}
		}
	})
}

func FuzzListing(f *testing.F) {
	f.Add([]byte(`{"sha":"abc","siblings":[{"rfilename":"config.json"},{"rfilename":"../x"},{"rfilename":"a/b"}]}`))
	f.Add([]byte(`{"sha":"../x"}`))
	f.Fuzz(func(t *testing.T, b []byte) {
		l, err := parseListing(b)
		if err != nil {
			return
		}
		for _, n := range append(l.files, l.commit) {
			if !filepath.IsLocal(n) || strings.Contains(n, `\`) {
				t.Errorf("%q is outside the cache", n)
			}
		}
	})
}

func FuzzShards(f *testing.F) {
	f.Add([]byte(`{"weight_map":{"w":"model-1.safetensors"}}`))
	f.Add([]byte(`{"weight_map":{"w":"../x"}}`))
	f.Fuzz(func(t *testing.T, b []byte) {
		got, err := shards(b, []string{"model-1.safetensors"})
		if err == nil && (len(got) != 1 || got[0] != "model-1.safetensors") {
			t.Errorf("%q names %v", b, got)
		}
	})
}

func TestEnvironment(t *testing.T) {
	home := t.TempDir()
	if err := os.WriteFile(filepath.Join(home, "token"), []byte("of-the-file\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	type env = map[string]string
	for name, tc := range map[string]struct {
		env                    env
		endpoint, cache, token string
		offline                bool
	}{
		"only a home":        {env{"HOME": "/h"}, publicEndpoint, "/h/.cache/huggingface/hub", "", false},
		"a cache directory":  {env{"HOME": "/h", "XDG_CACHE_HOME": "/x"}, publicEndpoint, "/x/huggingface/hub", "", false},
		"HF_HOME":            {env{"HF_HOME": home}, publicEndpoint, home + "/hub", "of-the-file", false},
		"a home in HF_HOME":  {env{"HOME": "/h", "HF_HOME": "~/hf"}, publicEndpoint, "/h/hf/hub", "", false},
		"a file named ~x":    {env{"HOME": "/h", "HF_HUB_CACHE": "~x"}, publicEndpoint, "~x", "", false},
		"a token in both":    {env{"HF_HOME": home, "HF_TOKEN": "t"}, publicEndpoint, home + "/hub", "t", false},
		"a token file":       {env{"HF_HUB_CACHE": "/c", "HF_TOKEN_PATH": home + "/token"}, publicEndpoint, "/c", "of-the-file", false},
		"a mirror, offline":  {env{"HF_HUB_CACHE": "/c", "HF_ENDPOINT": "http://mirror/", "HF_HUB_OFFLINE": "1"}, "http://mirror", "/c", "", true},
		"offline is a no":    {env{"HF_HUB_CACHE": "/c", "HF_HUB_OFFLINE": "0"}, publicEndpoint, "/c", "", false},
		"offline by another": {env{"HF_HUB_CACHE": "/c", "TRANSFORMERS_OFFLINE": "yes"}, publicEndpoint, "/c", "", true},
	} {
		t.Run(name, func(t *testing.T) {
			s, err := Environment(func(n string) string { return tc.env[n] })
			if err != nil || s.Endpoint != tc.endpoint || s.Cache != tc.cache || s.Token != tc.token || s.Offline != tc.offline {
				t.Errorf("got %+v (%v), want %+v", s, err, tc)
			}
		})
	}
	if _, err := Environment(func(string) string { return "" }); err == nil {
		t.Error("an empty environment has a cache")
	}
}

func TestNewRefusesSettingsThatCannotWork(t *testing.T) {
	for name, s := range map[string]Settings{
		"no endpoint":              {Cache: "/c"},
		"a password in the URL":    {Cache: "/c", Endpoint: "https://user:pass@mirror"},
		"no cache":                 {Endpoint: publicEndpoint},
		"a token with a line feed": {Endpoint: publicEndpoint, Cache: "/c", Token: "a\nb"},
	} {
		if _, err := New(s); err == nil || strings.Contains(err.Error(), "pass@") {
			t.Errorf("%s: got %v", name, err)
		}
	}
}

func ExampleParse() {
	ref, err := Parse("hf://facebook/data2vec-audio-base-960h")
	fmt.Println(ref, err)
	// Output: hf://facebook/data2vec-audio-base-960h@main <nil>
}
