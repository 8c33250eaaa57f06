// SPDX-License-Identifier: Apache-2.0

package vulndb

import (
	"errors"
	"fmt"
	"net"
	"net/url"
	"regexp"
	"strings"

	"github.com/google/go-containerregistry/pkg/v1/remote/transport"
)

// Error says what could not be done to which database, why, and what may help.
type Error struct {
	// Op is what was attempted: "open", "fetch".
	Op string
	// Subject is the file, directory or repository concerned.
	Subject string
	// Err is the reason; it holds no credentials.
	Err error
	// Hint says what to do next; it may be empty.
	Hint string
}

// Error implements error. The hint is not part of it.
func (e *Error) Error() string { return e.Op + " " + e.Subject + ": " + e.Err.Error() }

// Unwrap returns the reason.
func (e *Error) Unwrap() error { return e.Err }

// attempts are the reasons why each repository failed.
type attempts []error

func (a attempts) Error() string {
	texts := make([]string, len(a))
	for i, err := range a {
		texts[i] = err.Error()
	}
	return strings.Join(texts, "; ")
}

// Unwrap returns the single reasons.
func (a attempts) Unwrap() []error { return a }

// reason is an error whose text is fit to be shown; the cause is kept for
// errors.Is and errors.As only.
type reason struct {
	text  string
	cause error
}

func (r *reason) Error() string { return r.text }
func (r *reason) Unwrap() error { return r.cause }

// maxReason bounds what a server can add to an error.
const maxReason = 300

var (
	userinfo = regexp.MustCompile(`://[^/\s"@]*@`)
	query    = regexp.MustCompile(`\?[^\s"]*`)
	secrets  = regexp.MustCompile(`(?i)\b(bearer|basic)\s+[^\s",;]+`)
)

// scrub removes what may be a credential: user names and passwords in URLs,
// query strings (registries redirect to signed URLs) and authorization headers.
func scrub(text string) string {
	text = userinfo.ReplaceAllString(text, "://")
	text = query.ReplaceAllString(text, "")
	text = secrets.ReplaceAllString(text, "$1 ***")
	if len(text) > maxReason {
		text = strings.ToValidUTF8(text[:maxReason], "") + "…"
	}
	return text
}

// explain turns an error of the registry client into one that may be shown.
func explain(err error) error {
	if r, ok := errors.AsType[*reason](err); ok {
		return r
	}
	text := err.Error()
	if t, ok := errors.AsType[*transport.Error](err); ok {
		text = fmt.Sprintf("HTTP status %d", t.StatusCode)
		for _, d := range t.Errors {
			text += fmt.Sprintf(", %s: %s", d.Code, d.Message)
		}
	} else if u, ok := errors.AsType[*url.Error](err); ok {
		text = u.Err.Error()
		if parsed, perr := url.Parse(u.URL); perr == nil && parsed.Host != "" {
			text = parsed.Host + ": " + text
		}
	}
	return &reason{text: scrub(text), cause: err}
}

// temporary says whether the same request may succeed a moment later.
func temporary(err error) bool {
	if errors.Is(err, errStalled) {
		return true
	}
	if t, ok := errors.AsType[*transport.Error](err); ok {
		return t.StatusCode == 408 || t.StatusCode == 429 || t.StatusCode >= 500
	}
	if d, ok := errors.AsType[*net.DNSError](err); ok {
		return d.IsTemporary || d.IsTimeout
	}
	_, ok := errors.AsType[*net.OpError](err)
	return ok || isTruncation(err)
}
