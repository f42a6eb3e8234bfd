package ortsession

import "fmt"

// Options size a session. The zero value is a good default for one session on a machine of its own.
type Options struct {
	Threads int    // intra-op threads, the caller's included; 0 means one per processor that Go may use (GOMAXPROCS)
	Library string // path of libonnxruntime; empty looks where [Library] says. A process loads one library, so sessions must agree
	NoArena bool   // return memory to the system after every run instead of keeping it for the next

	Provider Provider // what computes the graph; Open fails with ErrNoProvider if it cannot be had
	GPU      GPU      // of the providers CUDA and TensorRT

	// Prepared has outputs of a shape that was seen before written to memory that is there already, instead of the library's, from which they are copied. GPU providers
	// always do, because a device's memory is copied once anyway; on a CPU both take the same time.
	Prepared bool

	profile string // where a session that is observed keeps its profile
}

// Validate names the first field that cannot be used.
func (o Options) Validate() error {
	if o.Threads < 0 || o.Threads > 1024 {
		return fmt.Errorf("threads: %d is not between 0 (one per processor) and 1024", o.Threads)
	}
	return o.GPU.validate(o.Provider)
}
