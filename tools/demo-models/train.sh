#!/bin/sh
# Retrains the bundled demo models and draws the samples anew. Needs python3, espeak-ng, and the two data sets that README.md
# names; takes about half an hour of one core.
#
#   train.sh RECORDINGS SENTENCES [WORK]
#   make demo-models RECORDINGS=... SENTENCES=... [WORK=...]
#
# RECORDINGS  folder of DIGIT_SPEAKER_INDEX.wav files
# SENTENCES   the folder 2017-06-custom-intent-engines
# WORK        folder for the Python environment and the spoken clips (default: vecmill/demo-models in the user's cache folder)
set -eu

recordings=${1:-${RECORDINGS:-}}
sentences=${2:-${SENTENCES:-}}
work=${3:-${WORK:-${XDG_CACHE_HOME:-$HOME/.cache}/vecmill/demo-models}}
if [ -z "$recordings" ] || [ -z "$sentences" ]; then
    sed -n '2,10s/^# \{0,1\}//p' "$0" >&2
    exit 2
fi
command -v espeak-ng >/dev/null || { echo "espeak-ng is missing: install the package of that name" >&2; exit 1; }
recordings=$(cd "$recordings" && pwd)
sentences=$(cd "$sentences" && pwd)
mkdir -p "$work"
work=$(cd "$work" && pwd)

cd "$(dirname "$0")"
demo=../../internal/demo
python=${PYTHON:-$work/venv/bin/python}
export PYTHONDONTWRITEBYTECODE=1
if [ -z "${PYTHON:-}" ] && [ ! -x "$python" ]; then
    python3 -m venv "$work/venv"
    "$python" -m pip install --quiet -r requirements.txt
fi

"$python" -m unittest -q test_demo_models
"$python" train_audio.py --recordings "$recordings" --work "$work" --out $demo/models/audio-ctc
"$python" train_vision.py --out $demo/models/vision-digits
"$python" train_text.py --sentences "$sentences" --out $demo/models/text-intent
"$python" draw_samples.py --out $demo/samples
"$python" check_samples.py --models $demo/models --samples $demo/samples
