package docs

import "slices"

// pythonCommand is how a command of a document is given to a shell.
type pythonCommand struct {
	at, command string   // the directory of its document, or the repository, and its words
	runs, says  string   // what is run, and has to be printed
	files       []string // that lie in $OUT then
}

// inPython are the commands that run Python, in the order in which TestToolsInPythonRun runs them, on what is small: $PYTHON has the requirements, $TENSORFLOW those of TensorFlow, $LM those of language models; $OUT is a new directory, and $SWEPT one that those of sweep.py and differ.py have together.
var inPython = []pythonCommand{
	{"../tools/golden", "python3 -m venv .venv", "python3 -m venv $OUT/.venv", "", []string{".venv/bin/python", ".venv/bin/pip"}},
	{"../tools/golden", ".venv/bin/pip install -r requirements.txt", "$PYTHON" + satisfied + ".txt", "already satisfied: torch==", nil},
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
	{"../tools/golden", "python3 -m venv .venv-tf", "python3 -m venv $OUT/.venv-tf", "", []string{".venv-tf/bin/python", ".venv-tf/bin/pip"}},
	{"../tools/golden", ".venv-tf/bin/pip install -r requirements-tf.txt", "$TENSORFLOW" + satisfied + "-tf.txt", "already satisfied: tensorflow-cpu==", nil},
	{
		"../tools/golden", ".venv-tf/bin/python generate_tf.py ../../model/golden",
		"$TENSORFLOW generate_tf.py $OUT && for c in $OUT/*/keras; do cmp $c/manifest.json ../../model/golden/${c#$OUT/}/manifest.json || exit; done", "",
		[]string{"TFData2VecVisionModel/keras/tf_model.h5", "TFData2VecVisionForImageClassification/keras/golden.safetensors", "TFData2VecVisionForSemanticSegmentation/keras/golden.safetensors"},
	},
	{"../tools/golden", "python3 -m venv .venv-lm", "python3 -m venv $OUT/.venv-lm", "", []string{".venv-lm/bin/python", ".venv-lm/bin/pip"}},
	{"../tools/golden", ".venv-lm/bin/pip install -r requirements-lm.txt", "$LM" + satisfied + "-lm.txt", "already satisfied: kenlm==", nil},
	{"../tools/golden", `.venv-lm/bin/python beams.py /some/dir "$(./kenlm.sh)" 1 200 150`, `$LM beams.py $OUT "$(./kenlm.sh)" 1 6 150`, "", []string{"c000/case.json"}},
	{
		"../tools/golden", "beams.py OUT BUILD_BINARY SEED COUNT [LARGEST]",
		`$LM beams.py $OUT "$(./kenlm.sh)" 7 12 && cd ../.. && VECMILL_BEAM_CASES=$OUT go test -count=1 ./embed/beam`, "ok  \tvecmill/embed/beam", nil,
	},
	{
		"../tools/golden", "speech.py MODEL OUT FILE...",
		"cd ../.. && $LM tools/golden/speech.py internal/demo/models/audio-ctc $OUT internal/demo/samples/audio/speech-0[23].wav && diff $OUT/cases.json internal/predict/testdata/speech/cases.json", "",
		[]string{"alphabet.json", "language_model/attrs.json"},
	},
	{"../tools/exports", "python3 -m venv .venv", "python3 -m venv $OUT/.venv", "", []string{".venv/bin/python", ".venv/bin/pip"}},
	{"../tools/exports", ".venv/bin/pip install -r requirements.txt", "$PYTHON" + satisfied + ".txt", "already satisfied: torch==", nil},
	{
		"../tools/exports", ".venv/bin/python export.py ../../embed/embedtest/exported/testdata", "$PYTHON export.py $OUT Data2VecAudioForCTC", "Data2VecAudioForCTC masked",
		[]string{"Data2VecAudioForCTC/torch/model.onnx", "Data2VecAudioForCTC/masked/expected.safetensors"},
	},
	{"..", "tools/exports/export.py --checkpoint", "$PYTHON tools/exports/export.py --checkpoint model/golden/Data2VecAudioForCTC/base $OUT", "", []string{"model.onnx"}},
	{
		"../tools/exports", "structure.py DIR", "cp ../../model/golden/Data2VecAudioForCTC/base/config.json $OUT && $PYTHON structure.py $OUT", "",
		[]string{"model.onnx.gz", "weights.json"},
	},
	{
		"../tools/exports", "optimum_exports.py WORKER OUT AUDIO... -- PICTURE...",
		"cd ../.. && $PYTHON tools/exports/optimum_exports.py bin/worker $OUT internal/demo/samples/audio/speech-0[1-3].wav -- internal/demo/samples/image/digit-0[12].png", "Data2VecVisionForImageClassification: 2 results",
		[]string{"optimum/Data2VecTextModel/model.onnx"},
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

// satisfied, behind a Python and before the rest of the list's name, holds a list of requirements against what that Python has, and fetches nothing.
const satisfied = " -m pip install --disable-pip-version-check --no-index --dry-run -r requirements"

// isInPython says whether a command is one of inPython.
func isInPython(at, command string) bool {
	return slices.ContainsFunc(inPython, func(p pythonCommand) bool { return p.at == at && p.command == command })
}
