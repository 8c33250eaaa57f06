// SPDX-License-Identifier: Apache-2.0

// Package scan embeds Trivy: it reads each layer of an image once, hands the files to
// analysers around Trivy's parsers, and matches the packages found with the
// vulnerability database by Trivy's detectors. It and the packages below it are the
// only ones that import github.com/aquasecurity/trivy.
//
// Findings are those of the Trivy CLI of the same version with its default
// scanners. What the CLI logs and drops (an analyser that failed or panicked, an
// unsupported distribution, a package database that is gone) comes back as an
// evidence.Problem.
//
// Trivy keeps process-wide state (its logger, one database handle), so a process uses
// one Scanner at a time.
package scan

import (
	"context"
	"io"
	"log/slog"
	"slices"

	v1 "github.com/google/go-containerregistry/pkg/v1"

	tlog "github.com/aquasecurity/trivy/pkg/log"
	xos "github.com/aquasecurity/trivy/pkg/x/os"

	_ "modernc.org/sqlite" // rpm and Java databases are SQLite files; Trivy leaves the driver to main

	"github.com/ocigate/ocigate/pkg/evidence"
	"github.com/ocigate/ocigate/pkg/scan/analysis"
	"github.com/ocigate/ocigate/pkg/scan/langpkg"
	"github.com/ocigate/ocigate/pkg/scan/ospkg"
	"github.com/ocigate/ocigate/pkg/scan/secret"
)

// TrivyVersion is the version of the embedded Trivy. A test compares it with go.mod.
const TrivyVersion = "0.74.0"

// Options configure a Scanner.
type Options struct {
	// Cache keeps what was learned of verified layers; nil for none.
	Cache Cache
	// Limits bound hostile input; zero fields take the defaults of DefaultLimits.
	Limits Limits
	// Parallel is the number of layers in flight; default 4.
	Parallel int
	// JavaDB is called at most once per Analyze, when the first jar shows, and
	// returns a directory that holds java-db/. Nil means that there is none.
	JavaDB func(context.Context) (dir string, state evidence.DatabaseState, err error)
	// Progress receives one line per event; may be nil.
	Progress func(string)
	// Explain sorts errors of Layer.Open, its readers, HashStored and JavaDB, which
	// this package cannot know: the area, the blob or thing concerned, and what to do
	// next. It returns "" for what it does not know either. May be nil.
	Explain func(error) (area evidence.Area, what, hint string)
}

// Image is what Analyze needs of an image.
type Image struct {
	// Name is shown in nothing but Trivy's own targets.
	Name   string
	Config *v1.ConfigFile
	// Layers are base first, one for each of Config.RootFS.DiffIDs.
	Layers []Layer
	// Paths are the globs (doublestar) of the files that the caller asks for, and
	// HiddenPaths of those that it asks for if a later layer deletes or replaces them.
	Paths, HiddenPaths []string
	// Confirm, where it is set, is called when the layers have been read and returns the
	// configuration that counts: a daemon's export brings it after them.
	Confirm func(context.Context) (*v1.ConfigFile, error)
	// SkipSecrets has no layer searched for secrets. The configuration always is: what is
	// secret in it must be masked wherever else it shows.
	SkipSecrets bool
	// SearchBase has the layers that Trivy takes for a base image's searched for
	// secrets, too. Its CLI leaves them out.
	SearchBase bool
}

// Layer is one layer of an Image.
type Layer struct {
	// Digest is that of the stored blob; empty where the source has none.
	Digest         string
	DiffID         string
	MediaType      string
	CompressedSize int64
	// Open returns the uncompressed tar. Its reader must fail, not end, if the bytes
	// do not match Digest and DiffID.
	Open func(context.Context) (io.ReadCloser, error)
	// HashStored returns the sha256 of the bytes as they are stored. It is set where
	// hashing them is cheap (local files), and is then called on every cache hit, which
	// saves inflating and analysing, never hashing. After Open was read to its end it
	// costs nothing.
	HashStored func(context.Context) (string, error)
	// OnDaemonsWord allows a cached layer to be used although nobody read its bytes.
	OnDaemonsWord bool
}

// Scanner scans images.
type Scanner struct {
	opts      Options
	analyzers []analysis.Analyzer
	posts     []analysis.PostAnalyzer
	secrets   *secret.Scanner
	version   string
	records   *records
	store     *store
}

// New prepares the analysers. It replaces Trivy's process-wide logger with one that
// discards: every analysis error reaches the caller as a Problem instead.
func New(opts Options) *Scanner {
	// Trivy's log package buffers all records in memory until a logger is set.
	tlog.SetDefault(slog.New(slog.DiscardHandler))
	opts.Limits = opts.Limits.withDefaults()
	if opts.Parallel <= 0 {
		opts.Parallel = 4
	}
	s := &Scanner{opts: opts, secrets: secret.New(), records: &records{cache: opts.Cache}, store: newStore()}
	s.analyzers = append(slices.Concat(ospkg.Analyzers(), langpkg.Analyzers()), s.secrets.Analyzer())
	// Jar stands here without a database for its name and what it wants.
	s.posts = append(slices.Concat(ospkg.PostAnalyzers(), langpkg.PostAnalyzers()), langpkg.Jar(nil))
	s.version = s.analysisVersion()
	return s
}

// Close removes the temporary files of Trivy's parsers.
func (s *Scanner) Close() error { return CleanTemp() }

// CleanTemp removes the process's temporary files of Trivy's parsers. It may be
// called while a parser still runs: the files are gone then all the same.
func CleanTemp() error { return xos.Cleanup() }
