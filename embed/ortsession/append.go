//go:build cgo

package ortsession

import (
	"errors"

	ort "github.com/yalue/onnxruntime_go"
)

// append puts the provider before the CPU's: TensorRT, and CUDA for what that does not take.
func (o Options) append(so *ort.SessionOptions) error {
	if !o.Provider.OnGPU() {
		return nil
	}
	var err error
	if o.Provider == TensorRT {
		err = provide(ort.NewTensorRTProviderOptions, o.GPU.tensorRT(), so.AppendExecutionProviderTensorRT)
	}
	if err == nil {
		err = provide(ort.NewCUDAProviderOptions, o.GPU.cuda(), so.AppendExecutionProviderCUDA)
	}
	if err != nil {
		return noProvider(o.Provider, environment.path, environment.version, err)
	}
	return nil
}

// providerOptions are one provider's.
type providerOptions interface {
	Update(map[string]string) error
	Destroy() error
}

// provide makes a provider's options, sets them, and gives them to take.
func provide[T providerOptions](create func() (T, error), options map[string]string, take func(T) error) (err error) {
	po, err := create()
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, po.Destroy()) }()
	if err := po.Update(options); err != nil {
		return err
	}
	return take(po)
}
