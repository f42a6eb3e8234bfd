package progress

import (
	"fmt"
	"strings"
	"time"
	"unicode/utf8"

	"vecmill/schemas"
)

// Lines is the report for a terminal: up to three lines for each pipeline.
func (r *Report) Lines() []string {
	if len(r.Pipelines) == 0 {
		return []string{r.Phase + ", " + span(r.Seconds)}
	}
	var out []string
	for i := range r.Pipelines {
		p := &r.Pipelines[i]
		out = append(out, p.head(r.Phase))
		if stages := p.stages(); stages != "" {
			out = append(out, "  "+stages)
		}
		if len(p.Dead) > 0 {
			out = append(out, "  dead letters: "+Classes(p.Dead))
		}
	}
	return out
}

// Line is the report on one line.
func (r *Report) Line() string {
	if len(r.Pipelines) == 0 {
		return r.Lines()[0]
	}
	var out []string
	for i := range r.Pipelines {
		p := &r.Pipelines[i]
		words := p.head(r.Phase)
		if stages := p.stages(); stages != "" {
			words += "; " + stages
		}
		if len(p.Dead) > 0 {
			words += "; dead letters: " + Classes(p.Dead)
		}
		out = append(out, words)
	}
	return strings.Join(out, " | ")
}

func (p *Pipeline) head(phase string) string {
	if p.Total <= 0 {
		return fmt.Sprintf("%s: %s", p.Name, phase)
	}
	words := fmt.Sprintf("%s: %d of %d (%.1f %%), %d durable, %.1f/s", p.Name, p.Done, p.Total, 100*float64(p.Done)/float64(p.Total), p.Durable, p.Rate)
	switch {
	case phase == "draining":
		words += ", finishing what is in flight"
	case phase == "paused":
		words += ", paused"
	case p.Left != nil:
		words += ", " + span(*p.Left) + " left"
	}
	return words
}

func (p *Pipeline) stages() string {
	var words []string
	for _, s := range p.Stages {
		text := fmt.Sprintf("%s %.0f %% (%s", s.Name, 100*s.Busy, amount(s.Rate, s.Unit))
		if s.Name == p.Slowest {
			text += ", slowest"
		}
		words = append(words, text+")")
	}
	if len(words) > 0 && p.Padding > 0 {
		words = append(words, fmt.Sprintf("padding ratio %.2f", p.Padding))
	}
	return strings.Join(words, ", ")
}

// amount is a rate with its unit.
func amount(rate float64, unit string) string {
	if unit == "bytes" {
		unit = "B"
	}
	scale := ""
	for _, s := range []string{"k", "M", "G", "T"} {
		if rate < 1000 {
			break
		}
		rate, scale = rate/1000, s
	}
	if unit == "B" {
		return fmt.Sprintf("%.1f %sB/s", rate, scale)
	}
	return fmt.Sprintf("%.1f%s %s/s", rate, scale, unit)
}

// Words is the cost on a line; "" if nothing was computed.
func (c *Cost) Words() string {
	if c.PerMillion == nil {
		return ""
	}
	words := fmt.Sprintf("CPU time %s, %.3g CPU-hours for a million rows", brief(c.CPUSeconds), *c.PerMillion)
	if c.DevicePerMillion != nil {
		words += fmt.Sprintf("; GPUs held for %s, %.3g GPU-hours for a million rows", brief(c.DeviceSeconds), *c.DevicePerMillion)
	}
	if c.PricePerMillion != nil {
		words += fmt.Sprintf("; a million rows cost %.2f", *c.PricePerMillion)
	}
	if c.Used != nil {
		words += fmt.Sprintf("; useful work %.3g GFLOP, %.0f %% of the float32 products that this machine can compute (%.3g GFLOP/s)", c.FLOPs/1e9, 100**c.Used, c.Peak/1e9)
	}
	return words
}

// Classes lists dead letters by class, in the order of schemas.Reasons.
func Classes(dead map[schemas.Reason]int64) string {
	var words []string
	for _, reason := range schemas.Reasons() {
		if n := dead[reason]; n > 0 {
			words = append(words, fmt.Sprintf("%s %d", reason, n))
		}
	}
	return strings.Join(words, ", ")
}

func span(seconds float64) string {
	const century = 100 * 365 * 24 * 3600 // at a rate of almost nothing; a Duration holds no more than 292 years
	if seconds > century {
		return "more than 100 years"
	}
	return time.Duration(seconds * float64(time.Second)).Round(time.Second).String()
}

// brief is span, and of less than a minute its hundredths.
func brief(seconds float64) string {
	if seconds >= 60 {
		return span(seconds)
	}
	return time.Duration(seconds * float64(time.Second)).Round(10 * time.Millisecond).String()
}

// fold breaks a line behind its commas where it is longer than a number of columns, a rune being one, and between words where that is not enough. What follows is indented further. A word that is too long by
// itself is cut.
func fold(line string, columns int) (out []string) {
	indent := line[:len(line)-len(strings.TrimLeft(line, " "))]
	now, deeper := indent, indent+"    "
	add := func(text string) {
		switch {
		case now == indent || now == deeper:
			now += text
		case utf8.RuneCountInString(now)+1+utf8.RuneCountInString(text) <= columns:
			now += " " + text
		default:
			out, now = append(out, fit(now, columns)), deeper+text
		}
	}
	for _, p := range phrases(line) {
		if utf8.RuneCountInString(deeper+p) <= columns {
			add(p)
			continue
		}
		for word := range strings.FieldsSeq(p) {
			add(word)
		}
	}
	return append(out, fit(now, columns))
}

// phrases are what lies between a line's commas, but for those in parentheses.
func phrases(line string) (all []string) {
	var words []string
	open := 0
	for word := range strings.FieldsSeq(line) {
		words = append(words, word)
		open += strings.Count(word, "(") - strings.Count(word, ")")
		if open <= 0 && strings.HasSuffix(word, ",") {
			all, words = append(all, strings.Join(words, " ")), nil
		}
	}
	if len(words) > 0 {
		all = append(all, strings.Join(words, " "))
	}
	return all
}

// fit cuts a line to a number of columns.
func fit(line string, columns int) string {
	if r := []rune(line); len(r) > columns {
		return string(r[:max(columns, 0)])
	}
	return line
}
