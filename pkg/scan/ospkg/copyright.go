// SPDX-License-Identifier: Apache-2.0

package ospkg

import (
	"bytes"
	"context"
	"io/fs"
	"slices"
	"strings"
	"sync"

	ftypes "github.com/aquasecurity/trivy/pkg/fanal/types"
	"github.com/aquasecurity/trivy/pkg/licensing"

	"github.com/ocigate/ocigate/pkg/scan/analysis"
)

const (
	docDir         = "usr/share/doc/"
	copyrightFile  = "/copyright"
	commonLicences = "usr/share/common-licenses/"
)

// dpkgLicenses reads the licences of Debian's packages from their copyright files.
func dpkgLicenses() []analysis.Analyzer {
	names := &licenceNames{}
	return []analysis.Analyzer{{
		Type: analysis.TypeDpkgLicense, Version: 1,
		Wants: func(name string, _ fs.FileInfo) bool { return documented(name) != "" },
		Analyze: func(_ context.Context, f analysis.File) (*analysis.Result, error) {
			data, err := wholeFile(f)
			if err != nil {
				return nil, err
			}
			licences := licencesOf(data, names)
			if len(licences) == 0 {
				return nil, nil
			}
			file := ftypes.LicenseFile{Type: ftypes.LicenseTypeDpkg, FilePath: f.Path, PkgName: documented(f.Path)}
			for _, l := range licences {
				file.Findings = append(file.Findings, ftypes.LicenseFinding{Name: l})
			}
			return &analysis.Result{Licenses: []ftypes.LicenseFile{file}}, nil
		},
	}}
}

// documented is the package whose copyright file that is, or "".
func documented(name string) string {
	rest, ok := strings.CutPrefix(name, docDir)
	if !ok {
		return ""
	}
	pkg, ok := strings.CutSuffix(rest, copyrightFile)
	if !ok || strings.Contains(pkg, "/") {
		return ""
	}
	return pkg
}

// licencesOf finds the licences of a copyright file, each once, in their order: the
// fields License of the machine-readable format, and elsewhere the first reference of
// a line to a common licence. Lines are searched only where one of both may be.
func licencesOf(data []byte, names *licenceNames) []string {
	var found []string
	seen := map[string]bool{}
	add := func(all []string) {
		for _, l := range all {
			if !seen[l] {
				seen[l] = true
				found = append(found, l)
			}
		}
	}
	field, reference := finder{text: "License:", line: true}, finder{text: "/" + commonLicences}
	for at := 0; ; {
		i, j := field.next(data, at), reference.next(data, at)
		if i < 0 && j < 0 {
			return found
		}
		start := i
		if i < 0 || j >= 0 && j < i {
			start = bytes.LastIndexByte(data[:j], '\n') + 1
		}
		line := data[start:]
		if n := bytes.IndexByte(line, '\n'); n >= 0 {
			line = line[:n]
		}
		if value, ok := bytes.CutPrefix(line, []byte(field.text)); ok {
			add(names.of(value))
		} else if l := commonLicence(line); l != "" {
			add(names.reference(l))
		}
		at = start + len(line)
	}
}

// finder remembers where a text occurs next.
type finder struct {
	text string
	line bool // only where a line begins
	at   int  // valid from the position that was asked for last
	done bool // at is valid
}

// next is where the text occurs at or after from, which never decreases; -1 where it
// does not.
func (f *finder) next(data []byte, from int) int {
	if f.done && (f.at < 0 || f.at >= from) {
		return f.at
	}
	f.done = true
	for {
		i := bytes.Index(data[from:], []byte(f.text))
		if i < 0 {
			f.at = -1
			return -1
		}
		f.at = from + i
		if !f.line || f.at == 0 || data[f.at-1] == '\n' {
			return f.at
		}
		from = f.at + 1
	}
}

// commonLicence is the name of the first licence of Debian's common ones that a line
// refers to, with or without a leading slash. It does not end in punctuation.
func commonLicence(line []byte) string {
	for {
		_, rest, ok := bytes.Cut(line, []byte(commonLicences))
		if !ok {
			return ""
		}
		n := 0
		for n < len(rest) && (isAlphanumeric(rest[n]) || strings.IndexByte("_.+-", rest[n]) >= 0) {
			n++
		}
		for n > 0 && !isAlphanumeric(rest[n-1]) && rest[n-1] != '+' {
			n--
		}
		if n >= 2 {
			return string(rest[:n])
		}
		line = rest
	}
}

func isAlphanumeric(c byte) bool {
	return c|0x20 >= 'a' && c|0x20 <= 'z' || c >= '0' && c <= '9'
}

// licenceNames remembers what Trivy makes of the few names that all packages use: it
// splits and normalises them with regular expressions. It is safe for concurrent use.
type licenceNames struct {
	mu    sync.Mutex
	known map[string][]string
}

const (
	maxKnownNames = 4096
	maxKnownName  = 128
)

// of are the licences of a field's value.
func (n *licenceNames) of(value []byte) []string {
	return n.lookUp("=", value, func(s string) []string { return licensing.SplitLicenses(plainLicence(s)) })
}

// reference is the licence of that name.
func (n *licenceNames) reference(name string) []string {
	return n.lookUp("/", []byte(name), func(s string) []string { return []string{s} })
}

func (n *licenceNames) lookUp(sort string, value []byte, split func(string) []string) []string {
	if len(value) > maxKnownName {
		return licensing.NormalizeLicenses(split(string(value)))
	}
	n.mu.Lock()
	defer n.mu.Unlock()
	if all, ok := n.known[sort+string(value)]; ok {
		return all
	}
	all := slices.Clip(licensing.NormalizeLicenses(split(string(value))))
	if n.known == nil {
		n.known = map[string][]string{}
	}
	if len(n.known) < maxKnownNames {
		n.known[sort+string(value)] = all
	}
	return all
}

// plainLicence leaves out what some packages write around the name: "The main library
// is licensed under X license (see Y)".
func plainLicence(s string) string {
	s, _, _ = strings.Cut(strings.TrimSpace(s), "(")
	s = strings.TrimPrefix(s, "The main library is licensed under ")
	return strings.TrimSpace(strings.TrimSuffix(s, " license"))
}
