package audio

import (
	"fmt"
	"unsafe"

	"vecmill/embed/syslib"
)

// soxr are the functions of libsoxr (soxr.h of 0.1) that are used here. Its default quality is the HQ recipe, its default format float32.
type soxr struct {
	version, path string
	create        func(in, out float64, channels uint32, fault, format, quality, runtime unsafe.Pointer) uintptr
	process       func(s uintptr, in unsafe.Pointer, n uintptr, used *uintptr, out []float32, room uintptr, made *uintptr) uintptr
	free          func(s uintptr)
}

func openSoxr() (*soxr, error) {
	l, err := syslib.Open("libsoxr.so.0", "libsoxr.so", "libsoxr.0.dylib", "libsoxr.dylib")
	if err != nil {
		return nil, err
	}
	s := &soxr{}
	var version func() string
	err = l.Bind(
		syslib.Symbol{Name: "soxr_create", Func: &s.create},
		syslib.Symbol{Name: "soxr_process", Func: &s.process},
		syslib.Symbol{Name: "soxr_delete", Func: &s.free},
		syslib.Symbol{Name: "soxr_version", Func: &version},
	)
	if err != nil {
		return nil, err
	}
	s.version, s.path = version(), l.Path()
	return s, nil
}

// soxrStream changes the rate of one stream.
type soxrStream struct {
	lib     *soxr
	handle  uintptr
	in, out int64 // rates
	fed     int64 // samples so far
	made    int64
	room    []float32
	used    uintptr
	put     uintptr
}

// start begins a stream; stop ends it.
func (s *soxr) start(in, out int) (*soxrStream, error) {
	h := s.create(float64(in), float64(out), 1, nil, nil, nil, nil)
	if h == 0 {
		return nil, fmt.Errorf("libsoxr makes no resampler from %d to %d Hz", in, out)
	}
	return &soxrStream{lib: s, handle: h, in: int64(in), out: int64(out), room: make([]float32, blockSamples)}, nil
}

func (r *soxrStream) stop() { r.lib.free(r.handle) }

// push appends to out what the stream's output has become with x.
func (r *soxrStream) push(out, x []float32) []float32 {
	r.fed += int64(len(x))
	for len(x) > 0 {
		r.lib.process(r.handle, unsafe.Pointer(&x[0]), uintptr(len(x)), &r.used, r.room, uintptr(len(r.room)), &r.put)
		if r.used == 0 && r.put == 0 {
			break // never with room left
		}
		x = x[r.used:]
		out = append(out, r.room[:r.put]...)
		r.made += int64(r.put)
	}
	return out
}

// finish appends the rest. libsoxr may give one sample less than ceil(n*out/in): it is zero then, as librosa has it.
func (r *soxrStream) finish(out []float32) []float32 {
	length := (r.fed*r.out + r.in - 1) / r.in
	for r.made < length {
		r.lib.process(r.handle, nil, 0, &r.used, r.room, uintptr(len(r.room)), &r.put)
		if r.put == 0 {
			break
		}
		n := min(int64(r.put), length-r.made)
		out = append(out, r.room[:n]...)
		r.made += n
	}
	for ; r.made < length; r.made++ {
		out = append(out, 0)
	}
	return out
}
