package text

import (
	"bytes"
	"context"
	"errors"
	"io"
	"strings"

	"github.com/yuin/goldmark"
	"github.com/yuin/goldmark/extension"
	"github.com/yuin/goldmark/renderer/html"
	xhtml "golang.org/x/net/html"
	"golang.org/x/net/html/atom"

	"vecmill/schemas"
)

// maxMarkdown bounds a Markdown document, in bytes: its parser builds a tree, and cannot be stopped.
const maxMarkdown = 1 << 20

// maxIntricate bounds the work of reading a Markdown document, see intricacy: some seconds.
const maxIntricate = 1 << 27

// intricacy is what reading a document costs at worst: the parser goes back and forth between the marks of a block, for each of them.
func intricacy(s string) int64 {
	var total, marks int64
	blank := true
	for i := range len(s) {
		switch s[i] {
		case '\n':
			if blank {
				total += marks * marks
				marks = 0
			}
			blank = true
			continue
		case ' ', '\t', '\r':
			continue
		case '[', ']', '(', ')', '*', '_', '!', '<', '>', '`', '~', '+', '.':
			marks++
		}
		blank = false
	}
	return total + marks*marks
}

// markdown is what CommonMark and GitHub's additions say; HTML inside it stays and is stripped with the rest.
var markdown = goldmark.New(goldmark.WithExtensions(extension.GFM), goldmark.WithRendererOptions(html.WithUnsafe()))

// fromMarkdown gives the text of a Markdown document.
func fromMarkdown(ctx context.Context, s string) (string, error) {
	if len(s) > maxMarkdown {
		return "", schemas.Rejectf(schemas.ReasonTooLarge, "Markdown of %d bytes: at most %d are taken", len(s), maxMarkdown)
	}
	if intricacy(s) > maxIntricate {
		return "", schemas.Rejectf(schemas.ReasonTooLarge, "Markdown with too many marks between two empty lines to be read in time")
	}
	var b bytes.Buffer
	if err := markdown.Convert([]byte(s), &b); err != nil {
		return "", schemas.Rejectf(schemas.ReasonDecode, "reading Markdown: %v", err)
	}
	return fromHTML(ctx, b.String())
}

// stripper collects the text of an HTML document.
type stripper struct {
	out    strings.Builder
	breaks int  // line ends that come before the next text
	space  bool // so does a space
	pre    int  // depth of elements that keep their white space
}

// fromHTML gives the text of an HTML document as a reader sees it: without markup, comments, scripts, styles and the like; runs of white space are one
// space but in pre; blocks begin on lines of their own, paragraphs behind an empty one; cells of a row are parted by a tab, images stand as their alternative text.
func fromHTML(ctx context.Context, s string) (string, error) {
	z := xhtml.NewTokenizer(strings.NewReader(s))
	var st stripper
	hidden := atom.Atom(0) // what is being passed over
	depth := 0
	for n := 0; ; n++ {
		if n%4096 == 0 && ctx.Err() != nil {
			return "", ctx.Err()
		}
		switch kind := z.Next(); kind {
		case xhtml.ErrorToken:
			if err := z.Err(); !errors.Is(err, io.EOF) {
				return "", schemas.Rejectf(schemas.ReasonDecode, "reading HTML: %v", err)
			}
			return st.out.String(), nil
		case xhtml.TextToken:
			if depth == 0 {
				st.text(string(z.Text()))
			}
		case xhtml.StartTagToken, xhtml.SelfClosingTagToken, xhtml.EndTagToken:
			name, more := z.TagName()
			a := atom.Lookup(name)
			switch {
			case depth > 0:
				if a == hidden && kind == xhtml.StartTagToken {
					depth++
				} else if a == hidden && kind == xhtml.EndTagToken {
					depth--
				}
			case unseen(a) && kind == xhtml.StartTagToken:
				hidden, depth = a, 1
			default:
				st.tag(a, kind, z, more)
			}
		}
	}
}

// unseen says whether what is inside an element is not for readers.
func unseen(a atom.Atom) bool {
	switch a {
	case atom.Script, atom.Style, atom.Template, atom.Noscript, atom.Iframe, atom.Noembed, atom.Noframes, atom.Object, atom.Svg, atom.Math, atom.Textarea, atom.Select:
		return true
	}
	return false
}

// tag does what an element's begin or end means for the text.
func (st *stripper) tag(a atom.Atom, kind xhtml.TokenType, z *xhtml.Tokenizer, more bool) {
	switch a {
	case atom.Br:
		st.breaks++
	case atom.P, atom.H1, atom.H2, atom.H3, atom.H4, atom.H5, atom.H6, atom.Blockquote, atom.Table, atom.Ul, atom.Ol, atom.Dl, atom.Hr, atom.Title:
		st.breaks = max(st.breaks, 2)
	case atom.Pre:
		st.breaks = max(st.breaks, 2)
		if kind == xhtml.StartTagToken {
			st.pre++
		} else if st.pre > 0 {
			st.pre--
		}
	case atom.Div, atom.Li, atom.Tr, atom.Dt, atom.Dd, atom.Section, atom.Article, atom.Header, atom.Footer, atom.Nav, atom.Aside, atom.Main, atom.Figure,
		atom.Figcaption, atom.Address, atom.Form, atom.Fieldset, atom.Option, atom.Caption, atom.Body, atom.Details, atom.Summary:
		st.breaks = max(st.breaks, 1)
	case atom.Td, atom.Th:
		if kind == xhtml.StartTagToken && st.breaks == 0 && st.out.Len() > 0 {
			st.out.WriteByte('\t')
			st.space = false
		}
	case atom.Img:
		for more {
			var key, value []byte
			key, value, more = z.TagAttr()
			if string(key) == "alt" {
				st.text(string(value))
			}
		}
	}
}

// text adds a run of text.
func (st *stripper) text(s string) {
	if st.pre > 0 {
		if s != "" {
			st.flush()
			st.out.WriteString(s)
		}
		return
	}
	for s != "" {
		rest := strings.TrimLeft(s, " \t\r\n\f")
		if len(rest) < len(s) {
			st.space = true
		}
		end := strings.IndexAny(rest, " \t\r\n\f")
		if end < 0 {
			end = len(rest)
		}
		if end > 0 {
			st.flush()
			st.out.WriteString(rest[:end])
		}
		s = rest[end:]
	}
}

// flush writes the white space that is due before text.
func (st *stripper) flush() {
	switch {
	case st.out.Len() == 0:
	case st.breaks > 0:
		st.out.WriteString(strings.Repeat("\n", min(st.breaks, 2)))
	case st.space:
		st.out.WriteByte(' ')
	}
	st.breaks, st.space = 0, false
}
