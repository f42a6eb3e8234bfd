package cli

import (
	"context"
	"errors"
	"flag"
	"io"
	"os"
	"strings"

	"vecmill/internal/predict"
	"vecmill/internal/wire"
)

// predictFlags are the flags of worker predict.
type predictFlags struct {
	job                        predict.Job
	compat, outputs, tensorsIn string
	texts                      []string
	lines                      bool
}

func (p *predictFlags) define(f *flag.FlagSet) {
	p.job.Options = predict.Options{}
	f.StringVar(&p.job.Settings.Model, "model", "", "checkpoint directory, a .onnx file with config.json beside it, hf://owner/name[@revision] or s3://bucket/prefix")
	f.StringVar(&p.job.Settings.Cache, "cache", "", "directory for compiled graphs; empty: the user's cache")
	f.IntVar(&p.job.Settings.Threads, "threads", 0, "threads to compute with; 0: one per processor")
	f.StringVar(&p.compat, "compat", "", "hf-padding: reproduce Hugging Face's padded batches")
	f.StringVar(&p.outputs, "outputs", "", "optional outputs, separated by commas: hidden_states, pooler_output, ...")
	f.StringVar(&p.job.Task, "task", "", "name of the Hugging Face pipeline; empty: the usual one of the class")
	f.Func("option", "NAME=JSON, a call argument of that pipeline; may be repeated", p.job.Options.Set)
	f.Func("text", "a text to predict; may be repeated", func(s string) error {
		p.texts = append(p.texts, s)
		return nil
	})
	f.BoolVar(&p.lines, "jsonl", false, "read inputs from stdin, one JSON object a line: file, text, text_pair, question and context, prompt and choices")
	f.StringVar(&p.tensorsIn, "tensors-in", "", "safetensors file of raw model inputs under Hugging Face's names")
	f.StringVar(&p.job.TensorsOut, "tensors-out", "", "safetensors file to write the model's outputs to")
	f.BoolVar(&p.job.Preprocess, "preprocess-only", false, "write the preprocessed tensors to --tensors-out, and do not run the model")
}

func runPredict(ctx context.Context, e *env, args []string) error {
	var p predictFlags
	f := e.flags("predict")
	p.define(f)
	files, err := parseMixed(f, args)
	if err != nil {
		return err
	}
	if err := p.check(files); err != nil {
		return usageError{err}
	}
	p.job.Settings.Locate = wire.LocateModel
	p.job.Settings.HFPadding = p.compat != ""
	if p.outputs != "" {
		p.job.Settings.Outputs = strings.Split(p.outputs, ",")
	}
	if p.tensorsIn != "" {
		return plain(predict.Tensors(ctx, p.job.Settings, p.tensorsIn, p.job.TensorsOut))
	}
	return plain(predict.Run(ctx, p.job, e.stdout, p.inputs(files, os.Stdin)))
}

// check says which flags do not go together.
func (p *predictFlags) check(files []string) error {
	given := len(files) > 0 || len(p.texts) > 0 || p.lines
	switch {
	case p.job.Settings.Model == "":
		return errors.New("--model DIR is missing")
	case p.compat != "" && p.compat != "hf-padding":
		return errors.New("--compat knows hf-padding only")
	case p.tensorsIn != "" && p.job.TensorsOut == "":
		return errors.New("--tensors-in needs --tensors-out FILE")
	case p.job.Preprocess && p.job.TensorsOut == "":
		return errors.New("--preprocess-only needs --tensors-out FILE")
	case p.tensorsIn != "" && (given || p.job.Preprocess || p.job.Task != "" || len(p.job.Options) > 0):
		return errors.New("--tensors-in takes the place of inputs, task and options")
	case p.tensorsIn == "" && !given:
		return errors.New("nothing to predict: name files, or give --text, --jsonl or --tensors-in")
	}
	return nil
}

// inputs are texts, files and lines, in this order.
func (p *predictFlags) inputs(files []string, stdin io.Reader) func(func(predict.Input) error) error {
	return func(do func(predict.Input) error) error {
		for _, t := range p.texts {
			if err := do(predict.OfText(t)); err != nil {
				return err
			}
		}
		for _, f := range files {
			if err := do(predict.OfFile(f)); err != nil {
				return err
			}
		}
		if p.lines {
			return predict.ReadLines(stdin, do)
		}
		return nil
	}
}

// plain makes one sentence of an error, and a fault of the input one of the command line.
func plain(err error) error {
	var input predict.InputError
	if errors.As(err, &input) {
		return usageError{errors.New(strings.ReplaceAll(err.Error(), "\n", "; "))}
	}
	return err
}
