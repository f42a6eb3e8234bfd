package config

import (
	"errors"
	"regexp"
	"strings"

	"github.com/goccy/go-yaml"
	"github.com/goccy/go-yaml/token"

	"vecmill/schemas"
)

// quotedRE finds what a parser quotes in its messages.
var quotedRE = regexp.MustCompile(`"(?:[^"\\]|\\.)*"`)

// fileFault says what is wrong with a file and where, by line and column. It shows nothing of the file but names of settings: any line may hold a secret, one whose name is misspelt, too.
// A password with a character that means something to YAML is several words to it, of which a message may quote one; only what a colon follows is a name.
func fileFault(err error) error {
	var fault yaml.Error
	if !errors.As(err, &fault) {
		return err // of one of our types, such as a size, and a Secret takes everything
	}
	said, at := fault.GetMessage(), fault.GetToken()
	if at == nil || !isColon(at.Next) {
		said = quotedRE.ReplaceAllString(said, "something")
	}
	if isOfValue(err) && at != nil && isColon(at.Prev) && at.Prev.Prev != nil {
		said = at.Prev.Prev.Value + ": " + said
	}
	return errors.New(yaml.FormatErrorWithToken(said, at, false, false))
}

// isColon says whether a token is what stands behind a name.
func isColon(t *token.Token) bool { return t != nil && t.Type == token.MappingValueType }

// isOfValue says whether a fault is that a setting's value is none of its kind. All that is wrong with the file then is this.
func isOfValue(err error) bool {
	_, kind := errors.AsType[*yaml.TypeError](err)
	_, shape := errors.AsType[*yaml.UnexpectedNodeTypeError](err)
	_, size := errors.AsType[*yaml.OverflowError](err)
	return kind || shape || size
}

// shownAddress is a setting that should be an address, as faults have it. A password is behind no limit that can be told from its own characters, and what is not parsed may have any, so all before the last "@" is left out.
func shownAddress(s string) string {
	if at := strings.LastIndex(s, "@"); at >= 0 {
		if strings.ContainsAny(s[:at], "?#") { // of a password, or of a query that may hold one, too
			return "xxxxx"
		}
		s = "xxxxx" + s[at:]
	}
	return schemas.ShownURI(s)
}
