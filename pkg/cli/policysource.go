// SPDX-License-Identifier: Apache-2.0

package cli

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path"
	"path/filepath"
	"strings"

	"github.com/ocigate/ocigate/pkg/policy"
	"github.com/ocigate/ocigate/pkg/policyoci"
	"github.com/ocigate/ocigate/policies"
)

const (
	// maxPolicy bounds what is read before the parser's own limit says no.
	maxPolicy = 2 << 20
	// maxNamedFile bounds a file that a policy names: EPSS has some 10 MB.
	maxNamedFile = 64 << 20
	// shipped is how references of the policies in the binary begin.
	shipped = "ocigate:"
)

// loader reads policies from files, from the binary and from registries.
type loader struct {
	// registries says how registries are reached; nil: with https, without credentials.
	registries func() (policyoci.Options, error)
}

// Load reads a file anywhere for the caller, and beneath the naming document's
// directory for a document.
func (l loader) Load(ctx context.Context, reference string, from *policy.Document) (*policy.Document, error) {
	if name, ok := strings.CutPrefix(reference, shipped); ok {
		data, err := policies.Read(name)
		return &policy.Document{Source: reference, Data: data}, err
	}
	if strings.HasPrefix(reference, policyoci.Scheme) {
		return l.artifact(ctx, reference)
	}
	if from != nil {
		if from.Open == nil {
			return nil, fmt.Errorf("%s can only extend shipped policies, and this is a file", from.Source)
		}
		data, err := from.Open(ctx, reference)
		if err != nil {
			return nil, err
		}
		dir := path.Dir(reference)
		return &policy.Document{Source: policy.Beside(filepath.ToSlash(from.Source), reference), Data: data,
			Open: func(ctx context.Context, name string) ([]byte, error) { return from.Open(ctx, path.Join(dir, name)) }}, nil
	}
	data, err := readFile(reference, maxPolicy)
	if err != nil {
		return nil, err
	}
	return &policy.Document{Source: reference, Data: data, Open: beneath(filepath.Dir(reference))}, nil
}

// beneath opens files in a directory; no link and no ".." leads out of it.
func beneath(dir string) func(context.Context, string) ([]byte, error) {
	return func(_ context.Context, name string) ([]byte, error) {
		root, err := os.OpenRoot(dir)
		if err != nil {
			return nil, err
		}
		defer root.Close()
		// Opening a pipe would wait for a writer, for ever.
		if info, err := root.Stat(filepath.FromSlash(name)); err == nil && !info.Mode().IsRegular() && !info.IsDir() {
			return nil, errors.New("it is not a regular file")
		}
		return readOpened(func() (*os.File, error) { return root.Open(filepath.FromSlash(name)) }, maxNamedFile)
	}
}

// readFile reads a file of at most limit bytes.
func readFile(path string, limit int64) ([]byte, error) {
	return readOpened(func() (*os.File, error) { return os.Open(path) }, limit)
}

func readOpened(open func() (*os.File, error), limit int64) ([]byte, error) {
	f, err := open()
	if err != nil {
		return nil, err
	}
	defer f.Close()
	if info, err := f.Stat(); err == nil && info.IsDir() {
		return nil, errors.New("it is a directory")
	}
	data, err := io.ReadAll(io.LimitReader(f, limit+1))
	if err == nil && int64(len(data)) > limit {
		return nil, fmt.Errorf("it has more than %d bytes", limit)
	}
	return data, err
}
