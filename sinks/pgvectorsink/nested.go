package pgvectorsink

import "vecmill/schemas"

// The elements of jsonb columns have the names that the structs in Parquet files have.
type (
	wordJSON struct {
		Word  string  `json:"word"`
		Start float64 `json:"start"`
		End   float64 `json:"end"`
		Score float32 `json:"score"`
	}
	labelJSON struct {
		Label string  `json:"label"`
		Score float32 `json:"score"`
	}
	segmentJSON struct {
		Label string  `json:"label"`
		Start float64 `json:"start"`
		End   float64 `json:"end"`
		Score float32 `json:"score"`
	}
	entityJSON struct {
		Label string  `json:"label"`
		Text  string  `json:"text"`
		Start int     `json:"start"`
		End   int     `json:"end"`
		Score float32 `json:"score"`
	}
	areaJSON struct {
		Class int     `json:"class"`
		Label string  `json:"label"`
		Share float64 `json:"share"`
	}
	runJSON struct {
		Class  int `json:"class"`
		Length int `json:"length"`
	}
	fillingJSON struct {
		Mask     int     `json:"mask"`
		Token    int     `json:"token"`
		Text     string  `json:"text"`
		Sequence string  `json:"sequence"`
		Score    float32 `json:"score"`
	}
	answerJSON struct {
		Text  string  `json:"text"`
		Start int     `json:"start"`
		End   int     `json:"end"`
		Score float32 `json:"score"`
	}
)

// list puts a list of structs as JSON; an empty one is null, since a row of another task has none either.
func list[T, J any](items func(*schemas.Row) []T, as func(T) J) putter {
	return func(b []byte, r *schemas.Row) ([]byte, error) {
		in := items(r)
		if len(in) == 0 {
			return putNull(b), nil
		}
		out := make([]J, len(in))
		for i := range in {
			out[i] = as(in[i])
		}
		return putJSON(b, out)
	}
}

func lists(p map[string]putter) {
	word := func(w schemas.Word) wordJSON { w.Word = clean(w.Word); return wordJSON(w) }
	p["words"] = list(func(r *schemas.Row) []schemas.Word { return r.Words }, word)
	p["chars"] = list(func(r *schemas.Row) []schemas.Word { return r.Chars }, word)
	p["labels"] = list(func(r *schemas.Row) []schemas.LabelScore { return r.Labels },
		func(l schemas.LabelScore) labelJSON { l.Label = clean(l.Label); return labelJSON(l) })
	p["segments"] = list(func(r *schemas.Row) []schemas.Segment { return r.Segments },
		func(s schemas.Segment) segmentJSON { s.Label = clean(s.Label); return segmentJSON(s) })
	p["entities"] = list(func(r *schemas.Row) []schemas.Entity { return r.Entities },
		func(e schemas.Entity) entityJSON {
			e.Label, e.Text = clean(e.Label), clean(e.Text)
			return entityJSON(e)
		})
	p["areas"] = list(func(r *schemas.Row) []schemas.Area { return r.Areas },
		func(a schemas.Area) areaJSON { a.Label = clean(a.Label); return areaJSON(a) })
	p["mask_runs"] = list(func(r *schemas.Row) []schemas.Run { return r.Mask.Runs }, func(r schemas.Run) runJSON { return runJSON(r) })
	p["fillings"] = list(func(r *schemas.Row) []schemas.Filling { return r.Fillings },
		func(f schemas.Filling) fillingJSON {
			f.Text, f.Sequence = clean(f.Text), clean(f.Sequence)
			return fillingJSON(f)
		})
	p["answers"] = list(func(r *schemas.Row) []schemas.Answer { return r.Answers },
		func(a schemas.Answer) answerJSON { a.Text = clean(a.Text); return answerJSON(a) })
}
