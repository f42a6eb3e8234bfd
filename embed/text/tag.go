package text

import "vecmill/embed"

// marks are the tokens that heads ask for, and the tokenizer that writes text of them; negative ids are of tokens that there are not.
type marks struct {
	unknown, class, mask int64
	tokenizer            *Tokenizer
}

func marksOf(t *Tokenizer) marks {
	id := func(role string) int64 {
		if id, ok := t.Role(role); ok {
			return int64(id)
		}
		return -1
	}
	return marks{id("unk_token"), id("cls_token"), id("mask_token"), t}
}

// Excerpt is the text around the sample's tokens, see [embed.Pieces].
func (t *Tokens) Excerpt() (text string, from int) { return t.excerpt, t.from }

// Piece says where token i is from, see [embed.Pieces].
func (t *Tokens) Piece(i int) embed.Piece {
	return embed.Piece{
		Start: int(t.Offsets[i][0]), End: int(t.Offsets[i][1]), Word: int(t.Words[i]), Own: t.Words[i] >= 0,
		Unknown: t.ids[i] == t.marks.unknown, Class: t.ids[i] == t.marks.class,
	}
}

// Mask is the mask token, see [embed.Speller].
func (t *Tokens) Mask() (id int64, ok bool) { return t.marks.mask, t.marks.mask >= 0 }

// Spell gives the text of tokens, see [embed.Speller].
func (t *Tokens) Spell(ids []int64, specials bool) string {
	all := make([]int32, len(ids))
	for i, id := range ids {
		all[i] = int32(id)
	}
	return t.marks.tokenizer.Decode(all, !specials)
}
