package schemas

import (
	"slices"
	"strings"
)

// Own makes copies of the payload's texts and of the lists with texts: a text that was cut out of a larger one keeps all of that in memory.
func (p *Payload) Own() {
	own(&p.Text, &p.Label)
	p.Words, p.Chars = slices.Clone(p.Words), slices.Clone(p.Chars)
	for _, words := range [][]Word{p.Words, p.Chars} {
		for i := range words {
			own(&words[i].Word)
		}
	}
	p.Labels = slices.Clone(p.Labels)
	for i := range p.Labels {
		own(&p.Labels[i].Label)
	}
	p.Segments = slices.Clone(p.Segments)
	for i := range p.Segments {
		own(&p.Segments[i].Label)
	}
	p.Entities = slices.Clone(p.Entities)
	for i := range p.Entities {
		own(&p.Entities[i].Label, &p.Entities[i].Text)
	}
	p.Areas = slices.Clone(p.Areas)
	for i := range p.Areas {
		own(&p.Areas[i].Label)
	}
	p.Fillings = slices.Clone(p.Fillings)
	for i := range p.Fillings {
		own(&p.Fillings[i].Text, &p.Fillings[i].Sequence)
	}
	p.Answers = slices.Clone(p.Answers)
	for i := range p.Answers {
		own(&p.Answers[i].Text)
	}
}

func own(texts ...*string) {
	for _, s := range texts {
		*s = strings.Clone(*s)
	}
}
