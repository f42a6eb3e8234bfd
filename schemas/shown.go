package schemas

import "strings"

// ShownURI is a URI as errors, logs, traces and the live page have it: without a query, which may be the signature that opens the object to whoever has it, and without a
// user's name and password. An object of a store or a file is named whole: its key may have any character. What is no URI is cut in the same way.
func ShownURI(uri string) string {
	scheme, rest, named := strings.Cut(uri, "://")
	if !named {
		scheme, rest = "", uri
	}
	switch strings.ToLower(scheme) {
	case "s3", "file":
		return uri
	}
	rest, fragment, marked := strings.Cut(rest, "#")
	rest, _, signed := strings.Cut(rest, "?")
	host, _, _ := strings.Cut(rest, "/")
	if at := strings.LastIndex(host, "@"); at >= 0 {
		rest = "xxxxx" + rest[at:]
	}
	if named {
		rest = scheme + "://" + rest
	}
	if signed {
		rest += "?..."
	}
	if marked {
		rest += "#" + fragment
	}
	return rest
}

// ShownID is the reference's id where people see it: of one that is a URI, or the end of it, what ShownURI shows.
func (r *Ref) ShownID() string {
	if r.URI != "" && r.ID == IDOf(r.URI) {
		return ShownURI(r.URI)
	}
	return r.ID
}
