// SPDX-License-Identifier: Apache-2.0

// Package secret searches files and the image configuration for secrets. It finds what
// Trivy finds, with Trivy's rules, and touches each byte about once.
//
// The rules in rules.json are those that are built into Trivy (Copyright Aqua Security,
// Apache-2.0), written there by bench/cmd/secretrules from the version that go.mod names;
// a test in the module bench compares both. Trivy's own search is not used, since it
// compiles all patterns when the process starts and looks for 150 keywords one after the
// other. Here a filter that is derived from the patterns (factor.go, filter.go) finds the
// few places where a rule can match at all, and only there patterns run (search.go).
//
// Nothing of a file is kept: findings have rule and lines, neither text nor context.
package secret

import (
	"context"
	"io"
	"io/fs"
	"path"
	"sync"

	ftypes "github.com/aquasecurity/trivy/pkg/fanal/types"

	"github.com/ocigate/ocigate/pkg/scan/analysis"
)

// version is that of Trivy's analyser: the findings are the same.
const version = 1

// headBytes is how much of a file decides whether it is binary.
const headBytes = 300

// Scanner searches for secrets. It is safe for concurrent use.
type Scanner struct {
	tables   func() (*tables, error)
	searches sync.Pool
}

// New returns a scanner that reads its rules when it sees its first file.
func New() *Scanner {
	return &Scanner{tables: sync.OnceValues(func() (*tables, error) { return readTables(rulesJSON) })}
}

// Analyzer looks at files.
func (s *Scanner) Analyzer() analysis.Analyzer {
	return analysis.Analyzer{Type: analysis.TypeSecret, Version: version, Wants: wants, Head: isSearched, Analyze: s.analyze}
}

// isSearched leaves out binary files but for one kind.
func isSearched(p string, head []byte) bool {
	return !isBinary(head[:min(len(head), headBytes)]) || path.Ext(p) == ".pyc"
}

func wants(p string, info fs.FileInfo) bool {
	return info.Size() >= 10 && !skipped(p) && !allowedPath(p)
}

func (s *Scanner) analyze(ctx context.Context, f analysis.File) (*analysis.Result, error) {
	p := "/" + f.Path
	if allowedPath(p) {
		return nil, nil
	}
	head := f.Data[:min(len(f.Data), headBytes)]
	if f.Data == nil {
		var err error
		if head, err = readHead(f.Content); err != nil {
			return nil, err
		}
	}
	printableOnly := isBinary(head)
	if printableOnly && path.Ext(f.Path) != ".pyc" {
		return nil, nil
	}
	x, err := s.search(ctx, p)
	if err != nil {
		return nil, err
	}
	defer s.done(x)
	switch {
	case printableOnly:
		err = x.stream(&printable{in: f.Content})
	case f.Data != nil:
		err = x.memory(f.Data)
	default:
		err = x.stream(f.Content)
	}
	if err != nil {
		return nil, err
	}
	secret := x.secret()
	if secret == nil {
		return nil, nil
	}
	return &analysis.Result{Secrets: []ftypes.Secret{*secret}}, nil
}

// readHead reads the head of a file and goes back to its beginning.
func readHead(c analysis.Content) ([]byte, error) {
	head := make([]byte, headBytes)
	n, err := io.ReadFull(c, head)
	if err != nil && err != io.EOF && err != io.ErrUnexpectedEOF {
		return nil, err
	}
	_, err = c.Seek(0, io.SeekStart)
	return head[:n], err
}

// isBinary tells a binary file by its head, as file(1) does.
func isBinary(head []byte) bool {
	for _, b := range head {
		if b < 7 || b == 11 || 13 < b && b < 27 || 27 < b && b < 0x20 || b == 0x7f {
			return true
		}
	}
	return false
}
