package config

import "testing"

// What a size or a duration prints reads back as the same.
func FuzzBytes(f *testing.F) {
	for _, s := range []string{"512MiB", "1.5GiB", "0", "1e3KB", "9223372036854775807", "-1", "NaN", "InfKiB", "0x10"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		var b, again Bytes
		if b.UnmarshalText([]byte(s)) != nil {
			return
		}
		if b < 0 || again.UnmarshalText([]byte(b.String())) != nil {
			t.Fatalf("%q is %d, which prints as %q", s, b, b)
		}
		if exact := b < 1<<53; exact && again != b {
			t.Fatalf("%q is %d, prints as %q and reads back as %d", s, b, b, again)
		}
	})
}
