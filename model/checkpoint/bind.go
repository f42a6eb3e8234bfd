package checkpoint

import (
	"fmt"
	"slices"
	"strings"
)

// Binding is verified access to a checkpoint for one model class. Tensors are asked for by the name that the class gives
// them and by shape; misses are collected, so that one error can name them all. It is not safe for concurrent use.
type Binding struct {
	c       *Checkpoint
	prefix  string // of the backbone in head classes, with the dot: data2vec_audio.
	base    bool   // the class is the backbone itself
	used    map[string]bool
	ignore  []func(name string) bool
	missing []string
	wrong   []string
}

// Bind begins verified access. prefix is the name of the backbone inside head classes, with its dot; base says that the class is
// the backbone alone. Files saved from either kind fit both: a backbone's weights are found with and without the prefix.
func (c *Checkpoint) Bind(prefix string, base bool) *Binding {
	return &Binding{c: c, prefix: prefix, base: base, used: map[string]bool{}}
}

// Backbone is a weight of the backbone, named without the prefix. If it is missing or has another shape, that is
// noted for Verify, and an empty tensor of the wanted shape is returned so that the caller can go on.
func (b *Binding) Backbone(name string, shape ...int) Tensor {
	for _, stored := range spellings(name) {
		for _, full := range []string{b.prefix + stored, stored} {
			if t, ok := b.take(full, shape); ok {
				t.Name = b.stored(name) // one graph, whatever the file calls it
				return t
			}
		}
	}
	return b.miss(b.stored(name), shape)
}

// Head is a weight that lies outside the backbone, with the same contract.
func (b *Binding) Head(name string, shape ...int) Tensor {
	for _, stored := range spellings(name) {
		if t, ok := b.take(stored, shape); ok {
			t.Name = name
			return t
		}
	}
	return b.miss(name, shape)
}

// HasHead says whether the file has a weight outside the backbone, without asking for it.
func (b *Binding) HasHead(name string) bool {
	for _, stored := range spellings(name) {
		if _, ok := b.c.tensors[stored]; ok {
			return true
		}
	}
	return false
}

// HasBackbone says whether the file has a weight of the backbone, without asking for it.
func (b *Binding) HasBackbone(name string) bool {
	for _, stored := range spellings(name) {
		for _, full := range []string{b.prefix + stored, stored} {
			if _, ok := b.c.tensors[full]; ok {
				return true
			}
		}
	}
	return false
}

// Ignore declares surplus weights harmless: those whose name, without the backbone's prefix, f accepts.
func (b *Binding) Ignore(f func(name string) bool) { b.ignore = append(b.ignore, f) }

// Verify fails if a weight that was asked for is missing or has another shape, or if the file has weights that nobody asked for and
// nobody ignores. The error is a [*MismatchError].
func (b *Binding) Verify() error {
	e := &MismatchError{Dir: b.c.dir, Missing: b.missing, Shapes: b.wrong, Surplus: b.surplus()}
	if len(e.Missing)+len(e.Shapes)+len(e.Surplus) == 0 {
		return nil
	}
	return e
}

func (b *Binding) take(full string, shape []int) (Tensor, bool) {
	t, ok := b.c.tensors[full]
	if !ok {
		return Tensor{}, false
	}
	b.used[full] = true
	if !slices.Equal(t.Shape, shape) {
		b.wrong = append(b.wrong, fmt.Sprintf("%s is %v, want %v", full, t.Shape, shape))
		return Tensor{Name: full, DType: F32, Shape: shape}, true
	}
	if err := t.floating(); err != nil {
		b.wrong = append(b.wrong, err.Error())
	}
	return t, true
}

func (b *Binding) miss(full string, shape []int) Tensor {
	b.missing = append(b.missing, full)
	return Tensor{Name: full, DType: F32, Shape: shape}
}

// stored is the name that a file saved from this class gives a backbone weight.
func (b *Binding) stored(name string) string {
	if b.base {
		return name
	}
	return b.prefix + name
}

func (b *Binding) surplus() []string {
	prefixed := false
	for name := range b.used {
		prefixed = prefixed || strings.HasPrefix(name, b.prefix)
	}
	var out []string
	for _, name := range b.c.Names() {
		bare, inside := strings.CutPrefix(name, b.prefix)
		switch {
		case b.used[name]:
		case b.base && prefixed && !inside: // a head's weights in a file that the backbone alone is taken from
		case slices.ContainsFunc(b.ignore, func(f func(string) bool) bool { return f(bare) }):
		case b.tied(name): // torch's own files hold tied weights under each of their names
		default:
			out = append(out, name)
		}
	}
	return out
}

// tied says whether a weight is the same elements of the file as one that was asked for.
func (b *Binding) tied(name string) bool {
	t := b.c.tensors[name]
	for used := range b.used {
		if o := b.c.tensors[used]; t.same(&o) {
			return true
		}
	}
	return false
}

// MismatchError says how the weights of a checkpoint differ from what its class and configuration need.
type MismatchError struct {
	Dir     string   // of the checkpoint
	Missing []string // names that the class needs
	Shapes  []string // sentences: name, shape or type found, shape wanted
	Surplus []string // names that the class does not know
}

// Error lists the differences, the first few of each kind by name.
func (e *MismatchError) Error() string {
	var parts []string
	for _, k := range []struct {
		what  string
		names []string
	}{{"missing", e.Missing}, {"of another shape or type", e.Shapes}, {"surplus", e.Surplus}} {
		if n := len(k.names); n > 0 {
			parts = append(parts, fmt.Sprintf("%d %s: %s", n, k.what, list(k.names)))
		}
	}
	return fmt.Sprintf("the weights in %s do not fit its config.json: %s", e.Dir, strings.Join(parts, "; "))
}

func list(names []string) string {
	const shown = 8
	if len(names) <= shown {
		return strings.Join(names, ", ")
	}
	return fmt.Sprintf("%s and %d more", strings.Join(names[:shown], ", "), len(names)-shown)
}
