package beam_test

import (
	"context"
	"fmt"
	"strings"

	"vecmill/embed/beam"
)

// bigrams is a language model in the ARPA format, of log10 probabilities, in which it is a cold day rather than a gold day.
const bigrams = `\data\
ngram 1=6
ngram 2=2

\1-grams:
-3	<unk>
-99	<s>	0
-1	</s>
-2	cold	-0.1
-2	gold	-0.1
-2	day

\2-grams:
-0.1	cold day
-2.5	gold day

\end\
`

// A model heard "gold day", or perhaps "cold day": what is likelier in the language decides.
func Example() {
	tokens := []string{"<pad>", "|", "a", "c", "d", "g", "l", "o", "y"} // of a CTC tokenizer, in the order of their numbers
	alphabet, err := beam.BuildAlphabet(tokens)
	if err != nil {
		fmt.Println(err)
		return
	}
	model, err := beam.ReadARPA(strings.NewReader(bigrams))
	if err != nil {
		fmt.Println(err)
		return
	}
	alone := beam.NewDecoder(alphabet, nil)
	joined := alone.With(beam.NewLanguageModel(model, []string{"cold", "gold", "day"}, beam.NewDefaultWeights()))

	const heard = "gold|day" // one frame of 20 ms for each character
	logits := make([]float32, len(heard)*alone.Columns())
	for frame, letter := range heard {
		for column, token := range tokens {
			if token == string(letter) {
				logits[frame*alone.Columns()+column] = 9
			}
		}
	}
	logits[3] = 8.5 // the first might be a c

	for _, d := range []*beam.Decoder{alone, joined} {
		best, err := d.Decode(context.Background(), logits, beam.NewDefaultOptions())
		if err != nil {
			fmt.Println(err)
			return
		}
		last := best[0].Words[1]
		fmt.Printf("%s: %q is of frames %d to %d\n", best[0].Text, last.Text, last.Start, last.End)
	}
	// Output:
	// gold day: "day" is of frames 5 to 8
	// cold day: "day" is of frames 5 to 8
}
