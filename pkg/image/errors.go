// SPDX-License-Identifier: Apache-2.0

package image

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"slices"
	"strings"

	"github.com/google/go-containerregistry/pkg/v1/remote/transport"
)

// ErrorKind classifies an Error by what a caller can do about it.
type ErrorKind string

// The kinds of errors.
const (
	// KindNotFound: the reference, file, tag or blob does not exist.
	KindNotFound ErrorKind = "not-found"
	// KindUnauthorized: the registry wants credentials, or other ones.
	KindUnauthorized ErrorKind = "unauthorized"
	// KindNotAnImage: there is something, but it is not a container image.
	KindNotAnImage ErrorKind = "not-an-image"
	// KindSeveralImages: the source holds several images and the reference does not say which.
	KindSeveralImages ErrorKind = "several-images"
	// KindTruncated: a file or stream ends before its data does.
	KindTruncated ErrorKind = "truncated"
	// KindPlatform: a platform that was asked for is not there.
	KindPlatform ErrorKind = "platform"
	// KindUnsupported: an image that cannot be read (foreign or encrypted layers, schema 1).
	KindUnsupported ErrorKind = "unsupported"
	// KindNetwork: a registry or daemon could not be reached or did not answer properly.
	KindNetwork ErrorKind = "network"
	// KindLimit: one of Limits was reached.
	KindLimit ErrorKind = "limit"
	// KindIO: a local file could not be read or written.
	KindIO ErrorKind = "io"
	// KindUsage: the reference makes no sense.
	KindUsage ErrorKind = "usage"
	// KindIntegrity: bytes do not match their digest or size; an *IntegrityError is in the chain.
	KindIntegrity ErrorKind = "integrity"
	// KindCanceled: the context ended; its error is in the chain.
	KindCanceled ErrorKind = "canceled"
)

// Error is every error that Open and Image.Export return: what was done, to
// what, why it failed, and what to do next. It never holds credentials.
type Error struct {
	// Op is what was being done: "open", "pull", "inspect", "export".
	Op string
	// Subject is what it was done to: a reference, path, host or digest.
	Subject string
	Err     error
	// Hint says what to do next; empty where nobody knows.
	Hint string
	Kind ErrorKind
}

// Error returns operation, subject and reason. The hint is not part of it.
func (e *Error) Error() string { return fmt.Sprintf("%s %s: %v", e.Op, e.Subject, e.Err) }

// Unwrap returns the reason.
func (e *Error) Unwrap() error { return e.Err }

// IntegrityError says that bytes are not those that their digest, size or diff
// ID promise, or that two parts of an image contradict each other.
type IntegrityError struct {
	// Blob is a digest, or a path inside an archive.
	Blob    string
	Message string
}

// Error names the blob and says what is wrong with it.
func (e *IntegrityError) Error() string { return fmt.Sprintf("%s: %s", e.Blob, e.Message) }

// fault carries a kind and a hint up to the place that knows operation and subject.
type fault struct {
	kind ErrorKind
	hint string
	err  error
}

func (f *fault) Error() string { return f.err.Error() }
func (f *fault) Unwrap() error { return f.err }

func faultf(kind ErrorKind, format string, args ...any) *fault {
	return &fault{kind: kind, err: fmt.Errorf(format, args...)}
}

func (f *fault) withHint(hint string) *fault {
	f.hint = hint
	return f
}

// toError makes err an *Error, keeping one that is there already.
func toError(op, subject string, err error) error {
	if err == nil {
		return nil
	}
	if done, ok := errors.AsType[*Error](err); ok {
		return done
	}
	e := &Error{Op: op, Subject: redactReference(subject), Err: redactURL(err), Kind: KindIO}
	if f, ok := errors.AsType[*fault](err); ok {
		e.Kind, e.Hint = f.kind, f.hint
	}
	switch {
	case errors.Is(err, context.Canceled), errors.Is(err, context.DeadlineExceeded):
		e.Kind = KindCanceled
	case isIntegrity(err):
		e.Kind = KindIntegrity
	}
	return e
}

func isIntegrity(err error) bool {
	_, ok := errors.AsType[*IntegrityError](err)
	return ok
}

// redactURL hides user info and query of the URL that net/http puts into its
// errors: redirects to blob stores carry signatures there.
func redactURL(err error) error {
	ue, ok := errors.AsType[*url.Error](err)
	if !ok {
		return err
	}
	u, perr := url.Parse(ue.URL)
	if perr != nil {
		return err
	}
	if u.User == nil && u.RawQuery == "" {
		return err
	}
	u.User, u.RawQuery, u.Fragment = nil, "", ""
	clean := &url.Error{Op: ue.Op, URL: u.String(), Err: ue.Err}
	if f, ok := errors.AsType[*fault](err); ok {
		return &fault{kind: f.kind, hint: f.hint, err: clean}
	}
	return clean
}

// redactReference hides credentials that somebody wrote into a reference
// (https://user:password@host/image).
func redactReference(ref string) string {
	at := strings.Index(ref, "@")
	if at < 0 || !strings.Contains(ref[:at], ":") {
		return ref
	}
	if algorithm, _, ok := strings.Cut(ref[at+1:], ":"); ok && (algorithm == "sha256" || algorithm == "sha512") {
		return ref
	}
	if !strings.Contains(ref[at:], "/") {
		return ref
	}
	start := strings.LastIndex(ref[:at], "/") + 1
	if prefix := strings.Index(ref[:at], ":"); start == 0 && strings.Count(ref[:at], ":") > 1 {
		start = prefix + 1
	}
	return ref[:start] + "…" + ref[at:]
}

// registryError classifies what a registry answered.
func registryError(host string, err error) error {
	if err == nil {
		return nil
	}
	if _, ok := errors.AsType[*fault](err); ok || isIntegrity(err) {
		return err
	}
	te, ok := errors.AsType[*transport.Error](err)
	if !ok {
		f := &fault{kind: KindNetwork, err: err}
		if _, ok := errors.AsType[net.Error](err); ok {
			f.hint = "is the registry " + host + " reachable from here? check the name, HTTPS_PROXY and the network"
		}
		return f
	}
	status := te.StatusCode
	if status == http.StatusNotFound && slices.ContainsFunc(te.Errors, isRefusal) {
		status = http.StatusForbidden
	}
	switch status {
	case http.StatusUnauthorized, http.StatusForbidden:
		return &fault{kind: KindUnauthorized, err: err, hint: "log in with credentials that may read the image: docker login " + host}
	case http.StatusNotFound:
		return &fault{kind: KindNotFound, err: err, hint: "check repository and tag; some registries also answer so without credentials: docker login " + host}
	case http.StatusTooManyRequests:
		return &fault{kind: KindNetwork, err: err, hint: "the registry limits requests; log in or use a mirror: docker login " + host}
	}
	f := &fault{kind: KindNetwork, err: err}
	if status >= http.StatusInternalServerError {
		f.hint = "the registry " + host + " failed, not the image: try again, and ask whoever runs it"
	}
	return f
}

// isRefusal: some registries do not say by their status that one may not know.
func isRefusal(d transport.Diagnostic) bool {
	return d.Code == transport.UnauthorizedErrorCode || d.Code == transport.DeniedErrorCode
}
