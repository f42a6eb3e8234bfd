package backfill

import (
	"errors"
	"fmt"
	"regexp"
	"strconv"

	"vecmill/internal/backfill/plan"
	"vecmill/schemas"
)

var rangeRE = regexp.MustCompile(`^(.*)#bytes=(\d+)-(\d+)$`)

var errInline = errors.New("its content came in the record itself and is in no output: the list or topic that it came from has it")

// pastItem is the reference that a row came from. One that a row does not say is no reference: a run makes it a dead letter.
func pastItem(l *schemas.Lineage) plan.Item {
	ref := schemas.Ref{ID: l.RefID, URI: l.URI, ETag: l.ETag, Version: l.Version, Modality: l.Modality}
	if m := rangeRE.FindStringSubmatch(l.URI); m != nil {
		first, err := strconv.ParseInt(m[2], 10, 64)
		last, err2 := strconv.ParseInt(m[3], 10, 64)
		if err == nil && err2 == nil {
			ref.URI, ref.Range = m[1], &schemas.ByteRange{Off: first, N: last - first + 1}
		}
	}
	if ref.URI == schemas.InlinePlace {
		return noRef(ref.ShownID(), errInline)
	}
	if field := l.Attributes[schemas.CompanionNote]; field != "" {
		return noRef(ref.ShownID(), fmt.Errorf("its %s came in the record itself and is in no output: the list or topic that it came from has it", field))
	}
	for k, v := range l.Attributes {
		if !schemas.IsNote(k) { // found out by preprocessing, which does it again
			if ref.Attributes == nil {
				ref.Attributes = map[string]string{}
			}
			ref.Attributes[k] = v
		}
	}
	if err := ref.Validate(); err != nil {
		return noRef(ref.ShownID(), err)
	}
	return plan.Item{Ref: ref, Size: -1}
}
