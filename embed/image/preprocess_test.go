package image

import (
	"context"
	"encoding/binary"
	"errors"
	"runtime"
	"strings"
	"sync"
	"testing"

	"vecmill/embed"
	"vecmill/model"
	"vecmill/schemas"
)

var _ embed.Preprocessor = (*Preprocessor)(nil)

// hugePNG is a header that claims w x h pixels, and nothing else.
func hugePNG(w, h uint32) []byte {
	b := []byte("\x89PNG\r\n\x1a\n\x00\x00\x00\x0dIHDR")
	b = binary.BigEndian.AppendUint32(b, w)
	b = binary.BigEndian.AppendUint32(b, h)
	return append(b, 8, 2, 0, 0, 0, 0, 0, 0, 0)
}

func hugeJPEG(w, h uint16) []byte {
	b := []byte{0xFF, 0xD8, 0xFF, 0xC0, 0, 17, 8}
	b = binary.BigEndian.AppendUint16(b, h)
	b = binary.BigEndian.AppendUint16(b, w)
	return append(b, 3, 1, 0x11, 0, 2, 0x11, 0, 3, 0x11, 0)
}

func hugeGIF(w, h uint16) []byte {
	b := binary.LittleEndian.AppendUint16([]byte("GIF89a"), w)
	return append(binary.LittleEndian.AppendUint16(b, h), 0, 0, 0)
}

func hugeBMP(w, h int32) []byte {
	b := make([]byte, 54)
	copy(b, "BM")
	b[14], b[26], b[28] = 40, 1, 24
	binary.LittleEndian.PutUint32(b[18:], uint32(w))
	binary.LittleEndian.PutUint32(b[22:], uint32(h))
	return b
}

func hugeTIFF(w, h uint32) []byte {
	b := []byte("II*\x00\x08\x00\x00\x00\x02\x00")
	for i, v := range []uint32{w, h} {
		b = binary.LittleEndian.AppendUint16(b, uint16(tagWidth+i))
		b = append(b, 4, 0, 1, 0, 0, 0)
		b = binary.LittleEndian.AppendUint32(b, v)
	}
	return b
}

func hugeWebP() []byte {
	return []byte("RIFF\x16\x00\x00\x00WEBPVP8X\x0a\x00\x00\x00\x00\x00\x00\x00\x2f\x75\x00\x2f\x75\x00") // 30,000 x 30,000
}

func TestAHugePictureIsRefusedBeforeAnyAllocation(t *testing.T) {
	p := newPreprocessor(t, recipe224, Options{})
	for name, blob := range map[string][]byte{
		"PNG":             hugePNG(30000, 30000),
		"PNG of 2^31":     hugePNG(1<<31-1, 1<<31-1),
		"a long PNG":      hugePNG(100000, 2),
		"JPEG":            hugeJPEG(30000, 30000),
		"GIF":             hugeGIF(30000, 30000),
		"BMP":             hugeBMP(30000, 30000),
		"BMP upside down": hugeBMP(30000, -30000),
		"TIFF":            hugeTIFF(30000, 30000),
		"WebP":            hugeWebP(),
	} {
		t.Run(name, func(t *testing.T) {
			before := allocated()
			_, err := p.Footprint(schemas.Ref{}, blob, int64(len(blob)))
			wantReason(t, err, schemas.ReasonTooLarge)
			_, err = p.Preprocess(t.Context(), schemas.Ref{}, blob)
			wantReason(t, err, schemas.ReasonTooLarge)
			if n := allocated() - before; n > 1<<20 {
				t.Errorf("%d bytes were allocated", n)
			}
		})
	}
}

func allocated() uint64 {
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return m.TotalAlloc
}

func wantReason(t *testing.T, err error, want schemas.Reason) {
	t.Helper()
	if got, ok := schemas.Rejected(err); !ok || got != want {
		t.Errorf("got %v, want a rejection of class %s", err, want)
	}
}

func TestALimitIsMetExactly(t *testing.T) {
	blob := picture(t, "png_rgb.png") // 45 x 31
	for _, c := range []struct {
		o  Options
		ok bool
	}{
		{Options{MaxPixels: 45 * 31}, true},
		{Options{MaxPixels: 45*31 - 1}, false},
		{Options{MaxBytes: int64(len(blob))}, true},
		{Options{MaxBytes: int64(len(blob)) - 1}, false},
	} {
		p := newPreprocessor(t, recipeA, c.o)
		_, err := p.Preprocess(t.Context(), schemas.Ref{}, blob)
		if c.ok && err != nil {
			t.Errorf("%+v: %v", c.o, err)
		}
		_, ferr := p.Footprint(schemas.Ref{}, blob, int64(len(blob)))
		if !c.ok {
			wantReason(t, err, schemas.ReasonTooLarge)
			wantReason(t, ferr, schemas.ReasonTooLarge)
		}
	}
}

// A fresh preprocessor has empty buffers, so everything that one picture takes is allocated under the test's eyes. It is a little more strict than
// the promise, as it counts what is free again. The decoders of the standard library are what it watches; slack is theirs.
func TestTheFootprintBoundsWhatIsAllocated(t *testing.T) {
	const slack = 192 << 10
	for _, e := range corpus(t) {
		blob := picture(t, e.name)
		p := newPreprocessor(t, recipeB, Options{})
		bound, err := p.Footprint(schemas.Ref{}, blob, int64(len(blob)))
		if err != nil {
			t.Errorf("%s: %v", e.name, err)
			continue
		}
		before := allocated()
		if _, err := p.Preprocess(t.Context(), schemas.Ref{}, blob); err != nil {
			t.Errorf("%s: %v", e.name, err)
		}
		if n := int64(allocated()-before) + int64(len(blob)); n > bound+slack {
			t.Errorf("%s: %d bytes, the bound is %d", e.name, n, bound)
		}
	}
}

func TestTheFootprintOfALargePictureBoundsWhatIsAllocated(t *testing.T) {
	for _, c := range largePictures(t) {
		p := newPreprocessor(t, recipe224, Options{})
		bound, err := p.Footprint(schemas.Ref{}, c.blob, int64(len(c.blob)))
		if err != nil {
			t.Fatalf("%s: %v", c.name, err)
		}
		before := allocated()
		if _, err := p.Preprocess(t.Context(), schemas.Ref{}, c.blob); err != nil {
			t.Fatalf("%s: %v", c.name, err)
		}
		n := int64(allocated()-before) + int64(len(c.blob))
		if n > bound {
			t.Errorf("%s: %d bytes, the bound is %d", c.name, n, bound)
		}
		if bound > 4*n {
			t.Errorf("%s: a bound of %d bytes is loose, %d were taken", c.name, bound, n)
		}
	}
}

// What a footprint is made of: the object, what decoding takes, which is free before there are results, and the sample.
func TestDecodingIsClearedBeforeResultsAreMade(t *testing.T) {
	p := newPreprocessor(t, recipe224, Options{MaxPixels: 1e6})
	for _, e := range corpus(t) {
		blob := picture(t, e.name)
		size := int64(len(blob))
		need, err := p.Footprint(schemas.Ref{}, blob, size)
		if err != nil {
			t.Fatal(err)
		}
		if clears, sample := p.Clears(schemas.Ref{}, blob, size), embed.FloatsBytes(3*224*224); clears != need-size-sample {
			t.Errorf("%s: %d of %d are cleared, besides %d and a sample of %d", e.name, clears, need, size, sample)
		}
		windows, pixels := p.Extent(schemas.Ref{}, blob, size)
		if windows != 1 || pixels != int64(e.width)*int64(e.height) {
			t.Errorf("%s: %d windows, %d pixels of %d x %d", e.name, windows, pixels, e.width, e.height)
		}
	}
	if _, pixels := p.Extent(schemas.Ref{}, nil, 5000); pixels != 1e6 {
		t.Errorf("of a picture of which nothing is known: %d pixels", pixels)
	}
	if n := p.Clears(schemas.Ref{}, []byte("<html>not a picture</html>"), 26); n != 0 {
		t.Errorf("what is refused clears %d", n)
	}
}

func TestWhereTheHeaderIsOutOfReachTheWorstIsAssumed(t *testing.T) {
	p := newPreprocessor(t, recipe224, Options{MaxPixels: 1e6})
	blob := picture(t, "jpeg_420.jpg")
	known, err := p.Footprint(schemas.Ref{}, blob, int64(len(blob)))
	if err != nil {
		t.Fatal(err)
	}
	for name, head := range map[string][]byte{"no head": nil, "a short one": blob[:30], "of another file": []byte("II*\x00\xff\xff\x00\x00")} {
		worst, err := p.Footprint(schemas.Ref{}, head, 5000)
		if err != nil {
			t.Errorf("%s: %v", name, err)
		}
		if worst < 12e6 || worst < known {
			t.Errorf("%s: %d bytes, %d when known", name, worst, known)
		}
	}
	if unknown, err := p.Footprint(schemas.Ref{}, blob, -1); err != nil || unknown < known+defaultMaxBytes-int64(len(blob)) {
		t.Errorf("size unknown: %d, %v", unknown, err)
	}
	_, err = p.Footprint(schemas.Ref{}, blob[:30], 30) // this is all there is
	wantReason(t, err, schemas.ReasonDecode)
	_, err = p.Footprint(schemas.Ref{}, nil, 0)
	wantReason(t, err, schemas.ReasonTooShort)
	_, err = p.Footprint(schemas.Ref{}, []byte("<html>not found</html>"), 22)
	wantReason(t, err, schemas.ReasonDecode)
}

func TestATruncatedPictureIsRefusedAtEveryCut(t *testing.T) {
	p := newPreprocessor(t, recipeA, Options{})
	for _, name := range []string{
		"jpeg_420_5x3.jpg", "jpeg_444_progressive.jpg", "jpeg_restart.jpg", "png_grey16.png", "png_interlaced_3x3.png",
		"webp_16x16.webp", "webp_lossless_palette.webp", "webp_animated.webp", "gif_offset.gif", "bmp_1.bmp", "tiff_lzw.tif",
	} {
		blob := picture(t, name)
		step := 1 + len(blob)/300
		for cut := 0; cut < len(blob)-3; cut += step { // a GIF's last bytes are no part of the frame
			_, err := p.Preprocess(t.Context(), schemas.Ref{}, blob[:cut])
			switch reason, ok := schemas.Rejected(err); {
			case cut == 0 && reason == schemas.ReasonTooShort, ok && reason == schemas.ReasonDecode:
			default:
				t.Errorf("%s cut to %d of %d bytes: %v", name, cut, len(blob), err)
			}
		}
	}
}

func TestWhatIsNoPictureIsRefused(t *testing.T) {
	p := newPreprocessor(t, recipeA, Options{})
	for name, blob := range map[string]string{
		"text": "hello", "a web page": "<!doctype html><p>404</p>", "a WAV": "RIFF\x24\x00\x00\x00WAVEfmt ", "a name alone": "GIF89a",
		"an empty PNG": string(hugePNG(0, 5)), "an OS/2 BMP": "BM" + strings.Repeat("\x00", 12) + "\x0c\x00\x00\x00" + strings.Repeat("\x01", 30),
		"arithmetic JPEG": "\xff\xd8\xff\xc9\x00\x0b\x08\x00\x05\x00\x05\x01\x01\x11\x00\xff\xd9",
	} {
		_, err := p.Preprocess(t.Context(), schemas.Ref{}, []byte(blob))
		if reason, ok := schemas.Rejected(err); !ok || reason != schemas.ReasonDecode {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestAPanicOfADecoderCostsOnePicture(t *testing.T) {
	p := newPreprocessor(t, recipeA, Options{})
	// A header that no sniffing gives: the WebP decoder slices beyond the end.
	_, _, _, err := p.values(t.Context(), header{format: formatWebP, width: 1, height: 1}, []byte("RIFF"))
	wantReason(t, err, schemas.ReasonPanic)
	if _, err := p.Preprocess(t.Context(), schemas.Ref{}, picture(t, "webp_1x1.webp")); err != nil {
		t.Errorf("the next picture: %v", err)
	}
}

func TestPreprocessingEndsWithItsContext(t *testing.T) {
	p := newPreprocessor(t, recipeA, Options{})
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	for _, name := range []string{"jpeg_420.jpg", "jpeg_444_progressive.jpg", "png_rgb.png"} {
		if _, err := p.Preprocess(ctx, schemas.Ref{}, picture(t, name)); !errors.Is(err, context.Canceled) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestWithoutResizeAndCropOnlyTheModelsSizeIsTaken(t *testing.T) {
	recipe, err := parseRecipe([]byte(`{"do_resize": false, "do_center_crop": false}`))
	if err != nil {
		t.Fatal(err)
	}
	p, err := assemble(recipe, &model.VisionConfig{NumChannels: 3, PatchSize: model.HW{H: 1, W: 1}, ImageSize: model.HW{H: 31, W: 45}}, Options{})
	if err != nil {
		t.Fatal(err)
	}
	samples, err := p.Preprocess(t.Context(), schemas.Ref{}, picture(t, "png_rgb.png"))
	if err != nil || samples[0].Cost != 1+31*45 || samples[0].Tag != (Size{45, 31}) {
		t.Errorf("%v, %v", samples, err)
	}
	_, err = p.Preprocess(t.Context(), schemas.Ref{}, picture(t, "png_1x1.png"))
	wantReason(t, err, schemas.ReasonDecode)
	if w, h := p.OutputSize(); w != 45 || h != 31 {
		t.Errorf("output of %d x %d", w, h)
	}
}

// Buffers go from picture to picture: whatever came before, and beside, the values are the same. Run with -race.
func TestPicturesDoNotDisturbEachOther(t *testing.T) {
	p := newPreprocessor(t, recipeA, Options{})
	all := corpus(t)
	blobs := make([][]byte, len(all))
	for i, e := range all {
		blobs[i] = picture(t, e.name)
	}
	var wg sync.WaitGroup
	for worker := range 4 {
		wg.Go(func() {
			for i := range all {
				k := (i*(2*worker+1) + 7*worker) % len(all)
				samples, err := p.Preprocess(t.Context(), schemas.Ref{}, blobs[k])
				if err != nil || digestF32(samples[0].Inputs[0].F32) != all[k].a {
					t.Errorf("%s: %v", all[k].name, err)
				}
			}
		})
	}
	wg.Wait()
}

// It uses one scratch by itself, as the pool forgets some at every garbage collection, and at random under the race detector.
func TestASteadyStreamOfJPEGAllocatesLittle(t *testing.T) {
	recipe, err := parseRecipe([]byte(recipe224))
	if err != nil {
		t.Fatal(err)
	}
	blob := picture(t, "jpeg_420.jpg")
	h, err := sniff(blob)
	if err != nil {
		t.Fatal(err)
	}
	var s scratch
	var floats embed.Floats
	run := func() {
		src, _, err := s.decode(t.Context(), h, blob)
		if err != nil {
			t.Fatal(err)
		}
		values, _, _, err := s.apply(t.Context(), recipe, src, &floats)
		if err != nil {
			t.Fatal(err)
		}
		floats.Put(values)
	}
	run()
	const rounds, most = 100, 300 << 10 // a sample is 602 KB: pools forget one in four under the race detector, and now and then when garbage is collected
	before := allocated()
	for range rounds {
		run()
	}
	if n := (allocated() - before) / rounds; n > most {
		t.Errorf("%d bytes a picture, want %d at most", n, most)
	}
}

func TestASizeIsAPicture(t *testing.T) {
	var p embed.Picture = Size{Width: 3, Height: 2}
	if w, h := p.Pixels(); w != 3 || h != 2 {
		t.Errorf("%dx%d", w, h)
	}
}

// TestAPictureThatGrowsTooMuchIsRefusedByItsHeader has pictures within the limit of pixels, in a few bytes.
func TestAPictureThatGrowsTooMuchIsRefusedByItsHeader(t *testing.T) {
	p := newPreprocessor(t, recipe224, Options{})
	for _, c := range []struct {
		name string
		head []byte
		size int64
		want bool // refused
	}{
		{"a bomb", hugePNG(7000, 7000), 60_000, true},
		{"as dense as deflate can be", hugePNG(7000, 7000), 147_000_000 / 1032, false},
		{"20 million pixels in next to nothing", hugePNG(5000, 4000), 60, false},
		{"a JPEG", hugeJPEG(7900, 7900), 2000, true},
		{"of unknown size", hugePNG(7000, 7000), -1, false},
	} {
		_, err := p.Footprint(schemas.Ref{}, c.head, c.size)
		reason, _ := schemas.Rejected(err)
		if refused := reason == schemas.ReasonTooLarge && strings.Contains(err.Error(), "a byte may stand for 2000"); refused != c.want {
			t.Errorf("%s: %v", c.name, err)
		}
	}
	if _, err := p.Preprocess(t.Context(), schemas.Ref{}, hugePNG(7000, 7000)); err == nil || !strings.Contains(err.Error(), "a byte may stand for") {
		t.Errorf("the whole of it: %v", err)
	}
}
