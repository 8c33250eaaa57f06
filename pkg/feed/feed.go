// SPDX-License-Identifier: Apache-2.0

// Package feed reads the files that findings are annotated from: CISA's catalogue
// of known exploited vulnerabilities, FIRST's exploit prediction scores, end-of-life
// dates, and the days on which findings were first seen. What is not clearly such a
// file is refused: an empty list would say that nothing is exploited.
package feed

import (
	"bytes"
	"compress/gzip"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/ocigate/ocigate/pkg/evidence"
)

// maxSize bounds what a feed unpacks to, in bytes. EPSS, the largest, has some 10 MB.
const maxSize = 64 << 20

// plain unpacks gzip; anything else is returned as it is.
func plain(data []byte) ([]byte, error) {
	if !bytes.HasPrefix(data, []byte{0x1f, 0x8b}) {
		if len(data) > maxSize {
			return nil, fmt.Errorf("it has more than %d bytes", maxSize)
		}
		return data, nil
	}
	z, err := gzip.NewReader(bytes.NewReader(data))
	if err != nil {
		return nil, fmt.Errorf("unpack it: %w", err)
	}
	out, err := io.ReadAll(io.LimitReader(z, maxSize+1))
	switch {
	case err != nil:
		return nil, fmt.Errorf("unpack it: %w", err)
	case len(out) > maxSize:
		return nil, fmt.Errorf("it unpacks to more than %d bytes", maxSize)
	}
	return out, nil
}

// decode reads one JSON value and nothing behind it. The errors of the library may
// quote the file; it is the policy's own, and short.
func decode(data []byte, into any, strict bool) error {
	d := json.NewDecoder(bytes.NewReader(data))
	if strict {
		d.DisallowUnknownFields()
	}
	if err := d.Decode(into); err != nil {
		return fmt.Errorf("it is not the JSON that is expected: %w", err)
	}
	if _, err := d.Token(); !errors.Is(err, io.EOF) {
		return errors.New("something follows the JSON")
	}
	return nil
}

// moment reads the forms of a time that feeds use.
func moment(s string) (time.Time, bool) {
	for _, layout := range []string{time.RFC3339, "2006-01-02T15:04:05-0700", time.DateOnly} {
		if t, err := time.Parse(layout, s); err == nil && sane(t) {
			return t.UTC(), true
		}
	}
	return time.Time{}, false
}

// sane says whether a date can be one of a vulnerability or release.
func sane(t time.Time) bool { return t.Year() >= 1990 && t.Year() <= 2200 }

func isCVE(id string) bool {
	rest, ok := strings.CutPrefix(id, "CVE-")
	year, number, dash := strings.Cut(rest, "-")
	return ok && dash && len(year) == 4 && len(number) >= 4 && len(number) <= 19 && strings.Trim(year+number, "0123456789") == ""
}

// ids are the names under which feeds may know a finding, upper case.
func ids(f evidence.Finding) []string {
	list := []string{strings.ToUpper(f.ID)}
	for _, a := range f.Aliases {
		list = append(list, strings.ToUpper(a))
	}
	return list
}
