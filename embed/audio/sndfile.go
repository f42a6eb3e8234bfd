package audio

import (
	"io"
	"sync"
	"sync/atomic"
	"unsafe"

	"vecmill/embed/syslib"
	"vecmill/schemas"
)

// sndfile are the functions of libsndfile (sndfile.h of 1.0 and later) that are used here.
type sndfile struct {
	version, path string
	open          func(io *sndfileIO, mode int32, info *sndfileInfo, user uintptr) uintptr
	read          func(f uintptr, to []float32, frames int64) int64
	fault         func(f uintptr) int32
	text          func(f uintptr) string
	free          func(f uintptr) int32
	io            *sndfileIO
}

// sndfileInfo is SF_INFO.
type sndfileInfo struct {
	frames                  int64
	rate, channels, _, _, _ int32 // format, sections and seekable are not looked at
}

// sndfileIO is SF_VIRTUAL_IO: C functions, each with the number of an object in blobs as its last argument.
type sndfileIO struct{ size, seek, read, write, tell uintptr }

const sndfileRead = 0x10 // SFM_READ

func openSndfile() (*sndfile, error) {
	l, err := syslib.Open("libsndfile.so.1", "libsndfile.so", "libsndfile.1.dylib", "libsndfile.dylib")
	if err != nil {
		return nil, err
	}
	s := &sndfile{}
	var version func() string
	err = l.Bind(
		syslib.Symbol{Name: "sf_open_virtual", Func: &s.open},
		syslib.Symbol{Name: "sf_readf_float", Func: &s.read},
		syslib.Symbol{Name: "sf_error", Func: &s.fault},
		syslib.Symbol{Name: "sf_strerror", Func: &s.text},
		syslib.Symbol{Name: "sf_close", Func: &s.free},
		syslib.Symbol{Name: "sf_version_string", Func: &version},
	)
	if err != nil {
		return nil, err
	}
	s.version, s.path = version(), l.Path()
	s.io = &sndfileIO{ // made once: there is room for a limited number of callbacks in a process
		size:  syslib.Callback(func(user uintptr) int64 { return blobOf(user).size() }),
		seek:  syslib.Callback(func(off int64, whence int32, user uintptr) int64 { return blobOf(user).seek(off, int(whence)) }),
		read:  syslib.Callback(func(to unsafe.Pointer, n int64, user uintptr) int64 { return blobOf(user).copy(to, n) }),
		write: syslib.Callback(func(_ unsafe.Pointer, _ int64, _ uintptr) int64 { return 0 }),
		tell:  syslib.Callback(func(user uintptr) int64 { return blobOf(user).at }),
	}
	return s, nil
}

// blobs are the objects that libsndfile reads, by number: C gets no pointer into Go's memory to keep.
var (
	blobs    sync.Map // uintptr to *blobFile
	lastBlob atomic.Uintptr
)

func blobOf(user uintptr) *blobFile {
	if f, ok := blobs.Load(user); ok {
		return f.(*blobFile) // nothing else is stored
	}
	return &blobFile{}
}

// blobFile is an object as a file.
type blobFile struct {
	b  []byte
	at int64
}

func (f *blobFile) size() int64 { return int64(len(f.b)) }

func (f *blobFile) seek(off int64, whence int) int64 {
	switch whence {
	case io.SeekCurrent:
		off += f.at
	case io.SeekEnd:
		off += f.size()
	}
	if off < 0 || off > f.size() {
		return -1
	}
	f.at = off
	return off
}

func (f *blobFile) copy(to unsafe.Pointer, n int64) int64 {
	if to == nil || n <= 0 {
		return 0
	}
	got := copy(unsafe.Slice((*byte)(to), n), f.b[f.at:])
	f.at += int64(got)
	return int64(got)
}

// reads says whether libsndfile decodes a format. WAV, FLAC, MP3 and Vorbis are built in with its samples.
func (s *sndfile) reads(format string) bool {
	switch format {
	case opusFormat, "aiff", "au", "caf", "wave64":
		return s != nil
	}
	return false
}

// sndfileReader reads one object.
type sndfileReader struct {
	lib    *sndfile
	format string
	handle uintptr
	user   uintptr
	head   header
	raw    []float32
	got    int64 // samples so far
}

// openObject begins to read blob. What the built-in parser of Opus refuses in its pages is refused here as well.
func (s *sndfile) openObject(format string, blob []byte) (*sndfileReader, error) {
	declared := header{frames: -1}
	if format == opusFormat {
		d, err := open(blob)
		if err != nil {
			return nil, err
		}
		declared = d.header()
	}
	r := &sndfileReader{lib: s, format: format, user: lastBlob.Add(1)}
	blobs.Store(r.user, &blobFile{b: blob})
	info := &sndfileInfo{}
	if r.handle = s.open(s.io, sndfileRead, info, r.user); r.handle == 0 {
		blobs.Delete(r.user)
		return nil, schemas.Rejectf(schemas.ReasonDecode, "%s: libsndfile: %s", format, s.text(0))
	}
	r.head = header{rate: int(info.rate), channels: int(info.channels), frames: info.frames}
	err := r.head.check(format)
	switch {
	case err != nil:
	case declared.frames >= 0 && declared.rate == r.head.rate && declared.frames != info.frames:
		err = schemas.Rejectf(schemas.ReasonDecode, "%s: truncated: %d samples declared, %d present", format, declared.frames, info.frames)
	case info.frames < 0:
		r.head.frames = -1
	}
	if err != nil {
		r.close()
		return nil, err
	}
	r.raw = make([]float32, blockSamples/4*r.head.channels)
	return r, nil
}

func (r *sndfileReader) header() header { return r.head }

func (r *sndfileReader) read(dst []float32) (int, error) {
	ch := r.head.channels
	n := r.lib.read(r.handle, r.raw, int64(min(len(dst), len(r.raw)/ch)))
	switch {
	case r.lib.fault(r.handle) != 0:
		return 0, schemas.Rejectf(schemas.ReasonDecode, "%s: libsndfile: %s", r.format, r.lib.text(r.handle))
	case n <= 0 && r.head.frames >= 0 && r.got != r.head.frames:
		return 0, schemas.Rejectf(schemas.ReasonDecode, "%s: truncated: %d samples declared, %d present", r.format, r.head.frames, r.got)
	case n <= 0:
		return 0, io.EOF
	}
	r.got += n
	for i := range dst[:n] {
		sum := r.raw[i*ch]
		for _, v := range r.raw[i*ch+1 : (i+1)*ch] {
			sum += v
		}
		dst[i] = sum / float32(ch)
	}
	if !finite(dst[:n]) {
		return 0, schemas.Rejectf(schemas.ReasonDecode, "%s: a sample is not a finite number", r.format)
	}
	return int(n), nil
}

func (r *sndfileReader) close() {
	r.lib.free(r.handle)
	blobs.Delete(r.user)
}
