package audio

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"time"

	"vecmill/schemas"
)

// demuxer is, for the formats that the system's decoder takes, its name for them; "" for others. It is told the name, and never left to find it out, so no object
// reaches a parser of playlists or scripts.
func demuxer(format string) string {
	switch format {
	case "ogg":
		return "ogg"
	case "mp4 or m4a":
		return "mov"
	case "aac (adts)":
		return "aac"
	case "amr", "aiff", "au", "caf":
		return format
	case "wave64":
		return "w64"
	case "wavpack":
		return "wv"
	case "wma":
		return "asf"
	}
	return ""
}

const (
	foreignBytes   = 128 << 20 // counted for the process of a decoder, beside what it is handed and hands back
	foreignAlloc   = 64 << 20  // largest single allocation that it may make
	foreignHeader  = 4096      // bytes of output in which its WAV header must end
	foreignMessage = 2048      // bytes of its messages that are kept
	foreignGrace   = time.Second
)

// findForeign looks a decoder program up and returns its path and the first line of what it says about its version, which becomes part of the digest.
func findForeign(program string) (path, version string, err error) {
	if path, err = exec.LookPath(program); err != nil {
		return "", "", fmt.Errorf("the decoder program %s is missing: %w", program, err)
	}
	ctx, stop := context.WithTimeout(context.Background(), 10*time.Second)
	defer stop()
	out, err := exec.CommandContext(ctx, path, "-version").Output()
	if err != nil {
		return "", "", fmt.Errorf("asking %s for its version: %w", path, err)
	}
	version, _, _ = strings.Cut(string(out), "\n")
	if !strings.HasPrefix(version, "ffmpeg version ") {
		return "", "", fmt.Errorf("%s is not ffmpeg: it calls itself %q", path, version)
	}
	return path, version, nil
}

// foreignReader reads what a process of the system's decoder makes of a file: WAV of 32-bit floats, of a length that only its end tells.
type foreignReader struct {
	ctx    context.Context
	stop   context.CancelFunc
	cmd    *exec.Cmd
	out    io.ReadCloser
	says   message
	wav    wavFile
	buffer []byte
	have   int // bytes of buffer that were not read
	format string
}

// openForeign starts the decoder at path. The process gets the file by a pipe and nothing else: no environment, no protocol but that pipe, so no
// other file and no network; one thread; an end after seconds of sound, and its own when ctx ends or close is called.
func openForeign(ctx context.Context, path, format string, blob []byte, seconds float64) (*foreignReader, error) {
	input, protocols := "pipe:0", "pipe"
	if format == "mp4 or m4a" { // whose index may be at the end: it must seek, in a copy of the pipe
		input, protocols = "cache:pipe:0", "cache,pipe"
	}
	ctx, stop := context.WithCancel(ctx)
	r := &foreignReader{ctx: ctx, stop: stop, format: format, buffer: make([]byte, 64<<10)}
	r.cmd = exec.CommandContext(ctx, path, "-v", "error", "-nostdin", "-xerror", "-max_alloc", strconv.Itoa(foreignAlloc), "-threads", "1",
		"-protocol_whitelist", protocols, "-f", demuxer(format), "-i", input, "-map", "0:a:0", "-threads", "1", "-t", strconv.FormatFloat(seconds, 'f', 3, 64),
		"-c:a", "pcm_f32le", "-bitexact", "-f", "wav", "pipe:1")
	r.cmd.Env = []string{}
	r.cmd.Dir = os.TempDir()
	r.cmd.WaitDelay = foreignGrace
	r.cmd.Stdin = bytes.NewReader(blob)
	r.cmd.Stderr = &r.says
	var err error
	if r.out, err = r.cmd.StdoutPipe(); err == nil {
		err = r.cmd.Start()
	}
	if err != nil {
		stop()
		return nil, fmt.Errorf("starting %s: %w", path, err)
	}
	if err := r.begin(); err != nil {
		r.close()
		return nil, err
	}
	return r, nil
}

// begin reads the header of what the process writes.
func (r *foreignReader) begin() error {
	for {
		w, err := parseWAV(r.buffer[:r.have], 1<<40)
		switch {
		case err == nil && w.float:
			r.wav = w
			r.have = copy(r.buffer, r.buffer[w.dataAt:r.have])
			r.wav.head.frames = -1
			return nil
		case r.have >= foreignHeader && err != nil:
			return schemas.Rejectf(schemas.ReasonDecode, "%s: the decoder's output: %w", r.format, err)
		case err == nil:
			return schemas.Rejectf(schemas.ReasonDecode, "%s: the decoder's output is not float", r.format)
		}
		n, err := r.out.Read(r.buffer[r.have : r.have+min(foreignHeader, len(r.buffer)-r.have)])
		r.have += n
		if err != nil && n == 0 {
			if err := r.wait(); err != nil {
				return err
			}
			return schemas.Rejectf(schemas.ReasonDecode, "%s: the decoder made nothing of it%s", r.format, r.says.tail())
		}
	}
}

func (r *foreignReader) header() header { return r.wav.head }

func (r *foreignReader) read(dst []float32) (int, error) {
	for r.have < r.wav.frame {
		n, err := r.out.Read(r.buffer[r.have:])
		r.have += n
		if err != nil && n == 0 {
			if err := r.wait(); err != nil {
				return 0, err
			}
			return 0, io.EOF
		}
	}
	n := min(len(dst), r.have/r.wav.frame)
	used := n * r.wav.frame
	r.wav.conv(dst[:n], r.buffer[:used], r.wav.head.channels)
	r.have = copy(r.buffer, r.buffer[used:r.have])
	if !finite(dst[:n]) {
		return 0, schemas.Rejectf(schemas.ReasonDecode, "%s: a sample is not a finite number", r.format)
	}
	return n, nil
}

// wait collects the process after its output's end. Its failure is the data's, unless ctx ended it.
func (r *foreignReader) wait() error {
	err := r.cmd.Wait()
	if ctx := r.ctx.Err(); ctx != nil {
		return ctx
	}
	var exit *exec.ExitError
	switch {
	case err == nil:
		return nil
	case errors.As(err, &exit):
		return schemas.Rejectf(schemas.ReasonDecode, "%s: the decoder failed: %w%s", r.format, err, r.says.tail())
	}
	return nil // a pipe closed early: it had read what it wanted of the file
}

// close ends the process, if it still runs.
func (r *foreignReader) close() {
	r.stop()
	if r.cmd.ProcessState == nil {
		_ = r.cmd.Wait() // killed: nothing to tell
	}
}

// message keeps the start of what a process says.
type message struct{ b []byte }

func (m *message) Write(p []byte) (int, error) {
	m.b = append(m.b, p[:min(len(p), foreignMessage-len(m.b))]...)
	return len(p), nil
}

// tail is its first line, to be put behind a sentence.
func (m *message) tail() string {
	line, _, _ := strings.Cut(strings.TrimSpace(string(m.b)), "\n")
	if line == "" {
		return ""
	}
	return ": " + line
}
