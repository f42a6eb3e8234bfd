package embed

// Pieces is what the Tag of a text sample tells the heads of text: where its tokens are from.
type Pieces interface {
	// Excerpt is the part of the object's text that the sample's tokens are from, with one character more on each side where there is one,
	// and where it begins, in code points of the object's text.
	Excerpt() (text string, from int)

	// Piece says where token i of the sample is from.
	Piece(i int) Piece
}

// Piece is one token of a text.
type Piece struct {
	Start, End int  // code points of the object's text; 0, 0 for tokens that are not of it
	Word       int  // number of its word in the text; -1 likewise
	Own        bool // of the text; false for special tokens that were put around it and for those of a question or a second text
	Unknown    bool // the vocabulary has no token for this part of the text
	Class      bool // the class token, wherever it stands
}

// Speller is what the Tag of a text sample tells heads that write text.
type Speller interface {
	// Mask is the token that stands for one that is to be guessed; false if the tokenizer has none.
	Mask() (id int64, ok bool)

	// Spell gives the text of tokens, with or without special tokens.
	Spell(ids []int64, specials bool) string
}

// Picture is what the Tag of an image sample tells the heads of pictures.
type Picture interface {
	// Pixels is the size of the picture as it was fetched, before any resize or crop.
	Pixels() (width, height int)
}

// Sized is a Tag that holds memory by the length of its sample.
type Sized interface{ Bytes() int64 }
