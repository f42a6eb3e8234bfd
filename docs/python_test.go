package docs

import "slices"

// pythonCommand is how a command of a document is given to a shell.
type pythonCommand struct {
	at, command string   // the directory of its document, or the repository, and its words
	runs, says  string   // what is run, and has to be printed
	files       []string // that lie in $OUT then
}

// inPython are the commands that run Python, in the order in which TestToolsInPythonRun runs them, on what is small: $PYTHON has the requirements, $OUT is a new directory, and $SWEPT one that those of sweep.py and differ.py have together.
var inPython = []pythonCommand{
	{"../tools/golden", "python3 -m venv .venv", "python3 -m venv $OUT/.venv", "", []string{".venv/bin/python", ".venv/bin/pip"}},
	{"../tools/golden", ".venv/bin/pip install -r requirements.txt", satisfied, "already satisfied: torch==", nil},
	{
		"../tools/golden", ".venv/bin/python generate.py ../../model/golden",
		"$PYTHON generate.py $OUT TextForMultipleChoice && diff $OUT/Data2VecTextForMultipleChoice/base/config.json ../../model/golden/Data2VecTextForMultipleChoice/base", "Data2VecTextForMultipleChoice base",
		[]string{"Data2VecTextForMultipleChoice/base/golden.safetensors", "Data2VecTextForMultipleChoice/base/model.safetensors"},
	},
	{
		"../tools/golden", ".venv/bin/python formats.py ../../model/checkpoint/testdata/formats",
		"$PYTHON formats.py $OUT && diff <(cd $OUT && find . -type f | sort) <(cd ../../model/checkpoint/testdata/formats && find . -type f | sort)", "",
		[]string{"keras/tf_model.h5"},
	},
	{"..", ".venv/bin/python tools/golden/sweep.py DIR 601 45", "$PYTHON tools/golden/sweep.py $SWEPT 601 1", "", nil},
	{"../tools/golden", ".venv/bin/python sweep.py /some/dir 1 40", "$PYTHON sweep.py $SWEPT 1 1", "", nil},
	{"../tools/golden", "sweep.py OUT SEED COUNT", "$PYTHON sweep.py $SWEPT 602 1", "", nil},
	{"..", ".venv/bin/python tools/golden/differ.py bin/worker DIR", "$PYTHON tools/golden/differ.py bin/worker $SWEPT", "\n0 differ", nil},
	{"../tools/golden", ".venv/bin/python differ.py ../../bin/worker /some/dir", "$PYTHON differ.py ../../bin/worker $SWEPT", "\n0 differ", nil},
	{"../tools/exports", "python3 -m venv .venv", "python3 -m venv $OUT/.venv", "", []string{".venv/bin/python", ".venv/bin/pip"}},
	{"../tools/exports", ".venv/bin/pip install -r requirements.txt", satisfied, "already satisfied: torch==", nil},
	{
		"../tools/exports", ".venv/bin/python export.py ../../embed/embedtest/exported/testdata", "$PYTHON export.py $OUT Data2VecAudioForCTC", "Data2VecAudioForCTC masked",
		[]string{"Data2VecAudioForCTC/torch/model.onnx", "Data2VecAudioForCTC/masked/expected.safetensors"},
	},
	{"..", "tools/exports/export.py --checkpoint", "$PYTHON tools/exports/export.py --checkpoint model/golden/Data2VecAudioForCTC/base $OUT", "", []string{"model.onnx"}},
	{
		"../tools/exports", "structure.py DIR", "cp ../../model/golden/Data2VecAudioForCTC/base/config.json $OUT && $PYTHON structure.py $OUT", "",
		[]string{"model.onnx.gz", "weights.json"},
	},
	{"../tools/demo-models", "python -m unittest test_demo_models", "$PYTHON -m unittest test_demo_models", "\nOK", nil},
	{
		"..", "tools/demo-models/train_audio.py --without-speaker theo", "$PYTHON tools/demo-models/train_audio.py --without-speaker theo --recordings $RECORDINGS --work $WORK --out $OUT --steps 1", "'unheard_speaker'",
		[]string{"model.safetensors", "metrics.json"},
	},
	{
		"../tools/demo-models", "train_audio.py --without-speaker NAME", "$PYTHON train_audio.py --without-speaker ada --recordings $RECORDINGS --work $WORK --out $OUT --steps 1", "'unheard_speaker'",
		[]string{"model.safetensors", "metrics.json"},
	},
	{
		"../tools/demo-models", "train.sh RECORDINGS SENTENCES [WORK]", "PYTHON=$BRIEFLY ./train.sh $RECORDINGS $SENTENCES $WORK", "of 20 right", // of the bundled samples
		[]string{"models/audio-ctc/model.safetensors", "models/vision-digits/model.safetensors", "models/text-intent/model.safetensors", "samples/manifest.json"},
	},
}

// satisfied holds a list of requirements against what $PYTHON has, and fetches nothing.
const satisfied = "$PYTHON -m pip install --disable-pip-version-check --no-index --dry-run -r requirements.txt"

// isInPython says whether a command is one of inPython.
func isInPython(at, command string) bool {
	return slices.ContainsFunc(inPython, func(p pythonCommand) bool { return p.at == at && p.command == command })
}
