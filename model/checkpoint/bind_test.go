package checkpoint

import (
	"errors"
	"slices"
	"strings"
	"testing"
)

func scalar(name string) stored { return f32(name, []int{1}, 1) }

func TestABackboneIsFoundWithAndWithoutItsPrefix(t *testing.T) {
	const prefix = "fam."
	for name, tc := range map[string]struct {
		file    []stored
		base    bool
		missing []string
		surplus []string
	}{
		"a head's own file":                             {[]stored{scalar("fam.x"), scalar("head")}, false, nil, nil},
		"a head over a file without prefix":             {[]stored{scalar("x"), scalar("head")}, false, nil, nil},
		"a head over a backbone's file misses the head": {[]stored{scalar("x")}, false, []string{"head"}, nil},
		"a backbone's own file":                         {[]stored{scalar("x")}, true, nil, nil},
		"a backbone over a head's file leaves the head": {[]stored{scalar("fam.x"), scalar("head")}, true, nil, nil},
		"a backbone with a surplus weight":              {[]stored{scalar("x"), scalar("y")}, true, nil, []string{"y"}},
		"a head's file with a surplus weight inside":    {[]stored{scalar("fam.x"), scalar("fam.y"), scalar("head")}, false, nil, []string{"fam.y"}},
		"the same inside, taken as a backbone":          {[]stored{scalar("fam.x"), scalar("fam.y")}, true, nil, []string{"fam.y"}},
		"an ignored buffer, prefixed":                   {[]stored{scalar("fam.x"), scalar("fam.buffer"), scalar("head")}, false, nil, nil},
		"an ignored buffer, bare":                       {[]stored{scalar("x"), scalar("buffer")}, true, nil, nil},
		"an empty file":                                 {nil, true, []string{"x"}, nil},
	} {
		t.Run(name, func(t *testing.T) {
			b := open(t, tc.file...).Bind(prefix, tc.base)
			b.Ignore(func(name string) bool { return name == "buffer" })
			if x := b.Backbone("x", 1); !slices.Equal(x.Shape, []int{1}) {
				t.Errorf("shape %v", x.Shape)
			}
			if !tc.base {
				b.Head("head", 1)
			}
			err := b.Verify()
			if tc.missing == nil && tc.surplus == nil {
				if err != nil {
					t.Error(err)
				}
				return
			}
			m, ok := errors.AsType[*MismatchError](err)
			if !ok || !slices.Equal(m.Missing, tc.missing) || !slices.Equal(m.Surplus, tc.surplus) {
				t.Errorf("error %v, want missing %v, surplus %v", err, tc.missing, tc.surplus)
			}
		})
	}
}

func TestVerifyNamesEveryFaultAtOnce(t *testing.T) {
	b := open(t, f32("fam.w", []int{2}, 1, 2), stored{"fam.i", "I64", []int{1}, make([]byte, 8)}, scalar("fam.old")).Bind("fam.", false)
	b.Backbone("w", 3)
	b.Backbone("i", 1)
	b.Backbone("v", 1)
	b.Head("head", 1)
	err := b.Verify()
	if err == nil {
		t.Fatal("verified")
	}
	for _, want := range []string{"fam.w is [2], want [3]", "fam.i has element type I64", "fam.v", "head", "fam.old", "2 missing", "1 surplus"} {
		if !strings.Contains(err.Error(), want) {
			t.Errorf("error %q does not say %q", err, want)
		}
	}
}

func TestALongListIsCut(t *testing.T) {
	b := open(t).Bind("", true)
	for _, n := range strings.Split("abcdefghijkl", "") {
		b.Backbone(n, 1)
	}
	if err := b.Verify(); err == nil || !strings.Contains(err.Error(), "12 missing: a, b, c, d, e, f, g, h and 4 more") {
		t.Errorf("error %v", err)
	}
}

func TestOldLayerNormNamesAreRead(t *testing.T) {
	b := open(t, scalar("fam.e.LayerNorm.gamma"), scalar("fam.e.LayerNorm.beta"), scalar("fam.layer_norm.gamma")).Bind("fam.", false)
	if !b.HasBackbone("e.LayerNorm.weight") || b.HasBackbone("layer_norm.weight") {
		t.Error("HasBackbone disagrees with the reference's renaming")
	}
	b.Backbone("e.LayerNorm.weight", 1)
	b.Backbone("e.LayerNorm.bias", 1)
	b.Backbone("layer_norm.weight", 1) // the reference does not rename this spelling
	m, ok := errors.AsType[*MismatchError](b.Verify())
	if !ok || !slices.Equal(m.Missing, []string{"fam.layer_norm.weight"}) || !slices.Equal(m.Surplus, []string{"fam.layer_norm.gamma"}) {
		t.Errorf("error %v", m)
	}
}

func TestSegmentationHeadsOfTransformers5AreFoundByTheirOldNames(t *testing.T) {
	pairs := map[string]string{
		"decode_head.bottleneck.conv.weight":            "decode_head.psp_bottleneck.convolution.weight",
		"decode_head.bottleneck.bn.running_mean":        "decode_head.psp_bottleneck.normalization.running_mean",
		"decode_head.fpn_bottleneck.bn.bias":            "decode_head.fpn_bottleneck.normalization.bias",
		"decode_head.psp_modules.1.1.conv.weight":       "decode_head.psp_modules.blocks.1.conv.convolution.weight",
		"decode_head.psp_modules.0.1.bn.running_var":    "decode_head.psp_modules.blocks.0.conv.normalization.running_var",
		"decode_head.lateral_convs.2.conv.weight":       "decode_head.lateral_convs.2.convolution.weight",
		"decode_head.classifier.weight":                 "decode_head.classifier.weight",
		"auxiliary_head.convs.0.bn.num_batches_tracked": "auxiliary_head.convs.0.normalization.num_batches_tracked",
		"auxiliary_head.conv_cat.conv.weight":           "auxiliary_head.conv_cat.convolution.weight",
		"fpn1.1.weight":                                 "fpn1.1.weight",
	}
	for ours, theirs := range pairs {
		for _, stored := range []string{ours, theirs} {
			b := open(t, scalar(stored)).Bind("fam.", false)
			if !b.HasHead(ours) {
				t.Errorf("%s is not found as %s", ours, stored)
			}
			b.Head(ours, 1)
			if err := b.Verify(); err != nil {
				t.Errorf("%s stored as %s: %v", ours, stored, err)
			}
		}
	}
	if b := open(t, scalar("decode_head.psp_bottleneck.convolution.weight")).Bind("", false); b.HasHead("decode_head.fpn_bottleneck.conv.weight") {
		t.Error("one bottleneck is found as the other")
	}
}

func TestATiedWeightUnderItsSecondNameIsNotSurplus(t *testing.T) {
	c := mustOpen(t, "testdata/formats/bin_zip")
	b := c.Bind("none.", true)
	b.Backbone("tied.a", 4, 5)
	m, ok := errors.AsType[*MismatchError](b.Verify())
	if !ok || slices.Contains(m.Surplus, "tied.b") || !slices.Contains(m.Surplus, "transposed") || !slices.Contains(m.Surplus, "row") {
		t.Errorf("error %v", m)
	}
}
