package cli

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"

	"vecmill/internal/predict"
	"vecmill/internal/wire"
	"vecmill/model"
)

// predictFlags are the flags of worker predict.
type predictFlags struct {
	job                        predict.Job
	compat, outputs, tensorsIn string
	texts                      []string
	lines                      bool
	precision                  string
	likeness                   bool // compare precisions
}

func (p *predictFlags) define(f *flag.FlagSet) {
	p.job.Options = predict.Options{}
	f.StringVar(&p.job.Settings.Model, "model", "", "checkpoint directory, a .onnx file with config.json beside it, hf://owner/name[@revision] or s3://bucket/prefix")
	f.StringVar(&p.job.Settings.Cache, "cache", "", "directory for compiled graphs; empty: the user's cache")
	f.IntVar(&p.job.Settings.Threads, "threads", 0, "threads to compute with; 0: one per processor")
	f.StringVar(&p.precision, "precision", "fp32", "fp32, fp16 or int8: arithmetic of the encoder's products")
	f.StringVar(&p.job.Settings.Provider, "provider", "cpu", "cpu, cuda or tensorrt (experimental): what computes the graph, as model.provider does of a worker")
	f.IntVar(&p.job.Settings.Device, "device", 0, "number of the GPU")
	f.BoolVar(&p.job.Settings.Packed, "packing", false, "compute in packed rows, as a worker with batch.packing does: audio and text")
	f.BoolVar(&p.likeness, "compare-precision", false, "print how near --precision, int8 if it is not given, is to fp32 on these inputs: cosine, share of the same decisions, word error rate; the last line is of all of them")
	f.StringVar(&p.compat, "compat", "", "what to reproduce of Hugging Face's peculiarities, separated by commas: hf-padding (numbers of padded batches), hf-positions (of generated text)")
	f.StringVar(&p.outputs, "outputs", "", "optional outputs, separated by commas: hidden_states, pooler_output, ...")
	f.StringVar(&p.job.Task, "task", "", "name of the Hugging Face pipeline; empty: the usual one of the class")
	f.Func("option", "NAME=JSON, a call argument of that pipeline; may be repeated", p.job.Options.Set)
	f.Func("text", "a text to predict; may be repeated", func(s string) error {
		p.texts = append(p.texts, s)
		return nil
	})
	f.BoolVar(&p.lines, "jsonl", false, "read inputs from stdin, one JSON object a line: file, file_pair, text, text_pair, question and context, prompt and choices, words")
	f.BoolVar(&p.job.KeepGoing, "keep-going", false, "print an object with the key error for an input that fails, and go on; the exit code is 2 in the end")
	f.StringVar(&p.tensorsIn, "tensors-in", "", "safetensors file of raw model inputs under Hugging Face's names")
	f.StringVar(&p.job.TensorsOut, "tensors-out", "", "safetensors file to write the model's outputs to")
	f.BoolVar(&p.job.Preprocess, "preprocess-only", false, "write the preprocessed tensors to --tensors-out, and do not run the model")
}

// exitInput is predict's in place of exitUsage.
const exitInput = 2

func runPredict(ctx context.Context, e *env, args []string) error {
	var p predictFlags
	f := e.flags("predict")
	p.define(f)
	files, err := parseMixed(f, args)
	if errors.As(err, &helpError{}) {
		predictHelp(e.stdout, f)
		return nil
	}
	if err != nil {
		return err
	}
	if err := errors.Join(p.compatible(), p.check(files)); err != nil {
		return usageError{err}
	}
	p.job.Settings.Locate = wire.LocateModel
	if p.outputs != "" {
		p.job.Settings.Outputs = strings.Split(p.outputs, ",")
	}
	if p.precision != "fp32" {
		p.job.Settings.Precision = model.Precision(p.precision)
	}
	if p.likeness {
		return plain(predict.Compare(ctx, p.job, e.stdout, p.inputs(files, os.Stdin)))
	}
	if p.tensorsIn != "" {
		return plain(predict.Tensors(ctx, p.job.Settings, p.tensorsIn, p.job.TensorsOut))
	}
	return plain(predict.Run(ctx, p.job, e.stdout, p.inputs(files, os.Stdin)))
}

// predictHelp is what --help prints.
func predictHelp(w io.Writer, f *flag.FlagSet) {
	fmt.Fprint(w, `worker predict runs one checkpoint on files, texts or raw tensors and prints one JSON object per input.

Usage:
  worker predict --model DIR [--task T] [--option NAME=JSON]... [--text T]... [--jsonl] [FILE]...
  worker predict --model DIR --tensors-in IN.safetensors --tensors-out OUT.safetensors
  worker predict --model DIR --preprocess-only --tensors-out OUT.safetensors FILE...

Examples:
  worker predict --model ./data2vec-audio-base-960h speech.flac
  worker predict --model ./asr --option return_timestamps=word --option chunk_length_s=30 long.wav
  worker predict --model hf://owner/name --text 'A fine day' --option top_k=null
  worker predict --model ./qa --jsonl < questions.jsonl        {"question": "Who?", "context": "Ann did."}
  worker predict --model ./lm --text 'Once' --option num_beams=4 --option do_sample=false
  worker predict --model ./lm --task perplexity story.txt
  worker predict --model ./speakers --task speaker-verification one.wav other.wav
  worker predict --model ./asr --compare-precision *.wav
  worker predict --model ./embed --option pooling=mean --option normalize=true --text 'A fine day'
  ffmpeg -i clip.mkv -f wav - | worker predict --model ./asr -

A FILE of - is stdin. Exit codes: 0 done; 2 for what was given (one sentence says what); 1 for everything else.

Tasks and the classes that they fit:
`)
	for _, t := range predict.Tasks() {
		classes := strings.Join(t.Classes, ", ")
		if classes == "" {
			classes = "every class"
		}
		fmt.Fprintf(w, "  %-29s%s\n", t.Name, classes)
	}
	fmt.Fprint(w, "An option that a task does not have is refused with the list of those it has; docs/predict.md has them all.\n\nFlags:\n")
	f.SetOutput(w)
	f.PrintDefaults()
}

// compatible reads what is to be reproduced.
func (p *predictFlags) compatible() error {
	if p.compat == "" {
		return nil
	}
	for _, what := range strings.Split(p.compat, ",") {
		switch what {
		case "hf-padding":
			p.job.Settings.HFPadding = true
		case "hf-positions":
			if p.tensorsIn != "" {
				return errors.New("--compat hf-positions is for text-generation; give --tensors-in the position_ids themselves")
			}
			if err := p.job.Options.Set("hf_positions=true"); err != nil {
				return err
			}
		default:
			return fmt.Errorf("--compat knows hf-padding and hf-positions, not %q", what)
		}
	}
	return nil
}

// check says which flags do not go together.
func (p *predictFlags) check(files []string) error {
	given := len(files) > 0 || len(p.texts) > 0 || p.lines
	provider, device := p.job.Settings.Provider, p.job.Settings.Device
	switch {
	case p.job.Settings.Model == "":
		return errors.New("--model DIR is missing")
	case p.tensorsIn != "" && p.job.TensorsOut == "":
		return errors.New("--tensors-in needs --tensors-out FILE")
	case p.job.Preprocess && p.job.TensorsOut == "":
		return errors.New("--preprocess-only needs --tensors-out FILE")
	case p.tensorsIn != "" && (given || p.job.Preprocess || p.job.Task != "" || len(p.job.Options) > 0):
		return errors.New("--tensors-in takes the place of inputs, task and options")
	case p.tensorsIn == "" && !given:
		return errors.New("nothing to predict: name files, or give --text, --jsonl or --tensors-in")
	case p.outputs != "" && p.job.TensorsOut == "":
		return errors.New("--outputs needs --tensors-out FILE, which they are written to")
	case p.job.Settings.Threads < 0 || p.job.Settings.Threads > 1024:
		return fmt.Errorf("--threads %d is not between 0 (one per processor) and 1024", p.job.Settings.Threads)
	case !slices.Contains([]string{"fp32", string(model.Half), string(model.Int8)}, p.precision):
		return fmt.Errorf("--precision %q is not fp32, fp16 or int8", p.precision)
	case !slices.Contains([]string{"cpu", "cuda", "tensorrt"}, provider):
		return fmt.Errorf("--provider %q is not cpu, cuda or tensorrt", provider)
	case device < 0 || device > 0 && provider == "cpu":
		return fmt.Errorf("--device %d is the number of a GPU, from 0, and goes with --provider cuda or tensorrt", device)
	case provider != "cpu" && (p.precision == string(model.Int8) || p.likeness && p.precision == "fp32"):
		return errors.New("int8 is for processors: with a GPU give --precision fp16")
	case p.likeness && (p.tensorsIn != "" || p.job.TensorsOut != "" || p.job.Preprocess || p.job.KeepGoing):
		return errors.New("--compare-precision runs inputs in fp32 and in --precision: it goes with --task and --option, not with tensors or --keep-going")
	case p.lines && slices.Contains(files, "-"):
		return errors.New("stdin is either the lines of --jsonl or the file -")
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
			in := predict.OfFile(f)
			if f == "-" {
				data, err := predict.ReadFile(stdin)
				if err != nil {
					return err
				}
				in = predict.OfData(f, data)
			}
			if err := do(in); err != nil {
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
	switch {
	case errors.Is(err, context.Canceled):
		return errors.New("interrupted; what was printed is complete")
	case errors.As(err, &input):
		return usageError{errors.New(strings.ReplaceAll(err.Error(), "\n", "; "))}
	}
	return err
}
