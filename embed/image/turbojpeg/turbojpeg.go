package turbojpeg

import (
	"bytes"
	"context"
	_ "embed" // for probe.jpg
	"errors"
	"fmt"
	"runtime"
	"strings"
	"sync"

	"vecmill/embed/image/jpeg"
	"vecmill/embed/syslib"
)

// Library is a library that has been found and checked.
type Library struct {
	path       string
	open       func() uintptr
	decompress func(handle uintptr, data []byte, size uintptr, dst []byte, width, pitch, height, format, flags int32) int32
	failure    func(handle uintptr) string
	close      func(handle uintptr) int32
}

// The library's constants.
const (
	formatRGB      = 0
	accurateDCT    = 4096
	stopOnWarning  = 8192
	limitScans     = 32768
	decodingFlags  = accurateDCT | stopOnWarning | limitScans
	smallestScaled = 32 // below it the library's choice of a scale by size is not unique
)

// names are where systems keep the library.
var names = []string{"libturbojpeg.so.0", "libturbojpeg.so", "libturbojpeg.0.dylib", "libturbojpeg.dylib"}

// Open finds the machine's library, once: later calls give the same answer. The error says what is missing or wrong.
var Open = sync.OnceValues(func() (*Library, error) { return open(names...) })

//go:embed probe.jpg
var probe []byte

func open(names ...string) (*Library, error) {
	found, err := syslib.Open(names...)
	if err != nil {
		return nil, err
	}
	l := &Library{}
	err = found.Bind(
		syslib.Symbol{Name: "tjInitDecompress", Func: &l.open},
		syslib.Symbol{Name: "tjDecompress2", Func: &l.decompress},
		syslib.Symbol{Name: "tjGetErrorStr2", Func: &l.failure},
		syslib.Symbol{Name: "tjDestroy", Func: &l.close},
	)
	if err != nil {
		return nil, err
	}
	l.path = found.Path()
	return l, l.check()
}

// check compares the library's pixels of the built-in picture with those of package jpeg.
func (l *Library) check() error {
	var ours jpeg.Decoder
	theirs, err := l.NewDecoder()
	if err != nil {
		return err
	}
	for _, scale := range []int{1, 2, 4, 8} {
		want, err := ours.DecodeReduced(context.Background(), probe, scale)
		if err != nil {
			return fmt.Errorf("decoding the built-in picture: %w", err)
		}
		w, h := want.Size()
		dst, row := make([]byte, 3*w*h), make([]byte, 3*w)
		if err := theirs.Decode(dst, probe, w, h); err != nil {
			return fmt.Errorf("library %s does not decode the built-in picture at 1/%d: %w", l.path, scale, err)
		}
		for y := range h {
			if want.Row(row, y); !bytes.Equal(row, dst[3*w*y:3*w*(y+1)]) {
				return fmt.Errorf("library %s decodes the built-in picture at 1/%d to other pixels than libjpeg-turbo", l.path, scale)
			}
		}
	}
	return nil
}

// Path is the file of the library.
func (l *Library) Path() string { return l.path }

// Decoder decodes one picture after the other. It is for one goroutine at a time.
type Decoder struct {
	library *Library
	handle  uintptr
}

// NewDecoder makes a decoder; the library's part of it is freed with it.
func (l *Library) NewDecoder() (*Decoder, error) {
	h := l.open()
	if h == 0 {
		return nil, errors.New("libturbojpeg gives no decoder: out of memory")
	}
	d := &Decoder{l, h}
	runtime.AddCleanup(d, func(h uintptr) { l.close(h) }, h)
	return d, nil
}

// Scales says whether a picture of the given size can be decoded at 1/scale: the library chooses the scale by the size that is asked for.
func Scales(width, height, scale int) bool {
	return scale == 1 || min(width, height) >= smallestScaled
}

// Decode writes the picture to dst as height*width RGB triples. width and height are those of the picture's header, or a half, a quarter or an eighth of them,
// rounded up, see Scales. What the library so much as warns of is an error.
func (d *Decoder) Decode(dst, data []byte, width, height int) error {
	if len(data) == 0 || width < 1 || height < 1 || len(dst) < 3*width*height {
		return errors.New("no room for the picture, or no picture")
	}
	rc := d.library.decompress(d.handle, data, uintptr(len(data)), dst, int32(width), int32(3*width), int32(height), formatRGB, decodingFlags)
	defer runtime.KeepAlive(d)
	if rc != 0 {
		return errors.New("libturbojpeg: " + strings.TrimSpace(d.library.failure(d.handle)))
	}
	return nil
}
