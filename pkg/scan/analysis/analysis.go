// SPDX-License-Identifier: Apache-2.0

// Package analysis holds what analysers of files are: what they are given, what they
// give, and how the results of one layer come together.
//
// The analysers themselves (packages ospkg, langpkg and secret below pkg/scan) call
// Trivy's parsers and give what Trivy's own analysers give. Those are not used: their
// package pulls in the whole of Trivy, which triples the size of the program and the
// time it takes to start, and they drop what they cannot read. A differential test in
// the module bench compares both, file by file.
//
// These packages are exported so that that test can reach them. They promise no
// compatibility.
package analysis

import (
	"context"
	"io"
	"io/fs"
	"iter"
	"maps"
	"slices"
)

// Type names an analyser. The names are Trivy's, as its packages carry them in
// AnalyzedBy, and reports show them.
type Type string

// The analysers that `trivy image` uses by default.
const (
	TypeAlma                  Type = "alma"
	TypeAlpine                Type = "alpine"
	TypeAmazon                Type = "amazon"
	TypeApk                   Type = "apk"
	TypeApkRepo               Type = "apk-repo"
	TypeBottlerocketInventory Type = "bottlerocket-inventory"
	TypeCargo                 Type = "cargo"
	TypeCentOS                Type = "centos"
	TypeComposerVendor        Type = "composer-vendor"
	TypeCondaPkg              Type = "conda-pkg"
	TypeDebian                Type = "debian"
	TypeDotNetCore            Type = "dotnet-core"
	TypeDpkg                  Type = "dpkg"
	TypeDpkgLicense           Type = "dpkg-license"
	TypeFedora                Type = "fedora"
	TypeGemSpec               Type = "gemspec"
	TypeGoBinary              Type = "gobinary"
	TypeJar                   Type = "jar"
	TypeJulia                 Type = "julia"
	TypeNodePkg               Type = "node-pkg"
	TypeNuget                 Type = "nuget"
	TypeOracle                Type = "oracle"
	TypeOSRelease             Type = "os-release"
	TypePackagesProps         Type = "packages-props"
	TypePythonEgg             Type = "python-egg"
	TypePythonPkg             Type = "python-pkg"
	TypeRapidFortCurated      Type = "rapidfort-curated"
	TypeRedHatBase            Type = "redhat"
	TypeRedHatContentManifest Type = "redhat-content-manifest"
	TypeRedHatDockerfile      Type = "redhat-dockerfile"
	TypeRocky                 Type = "rocky"
	TypeRpm                   Type = "rpm"
	TypeRpmqa                 Type = "rpmqa"
	TypeRustBinary            Type = "rustbinary"
	TypeSBOM                  Type = "sbom"
	TypeSecret                Type = "secret"
	TypeUbuntu                Type = "ubuntu"
	TypeUbuntuESM             Type = "ubuntu-esm"
)

// Content is the content of a file.
type Content interface {
	io.ReadSeeker
	io.ReaderAt
}

// File is a regular file of a layer.
type File struct {
	// Path is where the file is, without a leading slash.
	Path string
	// Info has size and mode. Its Name is the last element of Path.
	Info fs.FileInfo
	// Content is at its beginning, and one analyser's alone.
	Content
	// Data is the content where it is in memory, nil where it is not. It must neither be
	// changed nor kept: its memory is used again when the analyser returns.
	Data []byte
}

// HeadBytes is how much of a file Analyzer.Head is given; less of a shorter file.
const HeadBytes = 512

// Analyzer looks at files one by one. Its functions are called concurrently.
type Analyzer struct {
	Type Type
	// Version changes whenever the results do.
	Version int
	// Wants says whether the analyser looks at a file of that path. It is asked for
	// each file of an image.
	Wants func(path string, info fs.FileInfo) bool
	// Head says by the first HeadBytes of a wanted file whether the analyser looks at the
	// rest, which is not read otherwise. Nil for one that always does.
	Head func(path string, head []byte) bool
	// Analyze returns nil for a file that holds nothing. A file that cannot be read in
	// full is an error, never a smaller result.
	Analyze func(ctx context.Context, f File) (*Result, error)
}

// PostAnalyzer looks at all its files of a layer together.
type PostAnalyzer struct {
	Type    Type
	Version int
	// Wants is as that of Analyzer.
	Wants func(path string, info fs.FileInfo) bool
	// Analyze hands to failed what it could not read, and goes on with the other files.
	// Its own error is for a cancelled context.
	Analyze func(ctx context.Context, files Files, failed func(path string, err error)) (*Result, error)
}

// Files are the files of a layer that a post-analyser wants.
type Files map[string]Stored

// Stored is a file that was put aside.
type Stored interface {
	// Open returns the file with a Content of its own, and what releases it.
	Open() (File, func(), error)
}

// Paths are the paths of the files, sorted as fs.WalkDir would tell them.
func (fs Files) Paths() []string {
	return slices.SortedFunc(maps.Keys(fs), ComparePaths)
}

// All opens the files one after the other, in the order of Paths. A file is valid until
// the next.
func (fs Files) All() iter.Seq2[string, Stored] {
	return func(yield func(string, Stored) bool) {
		for _, p := range fs.Paths() {
			if !yield(p, fs[p]) {
				return
			}
		}
	}
}

// ComparePaths orders paths as a walk through the tree does: what is in a directory
// comes right after it.
func ComparePaths(a, b string) int {
	for i := range min(len(a), len(b)) {
		if a[i] == b[i] {
			continue
		}
		switch {
		case a[i] == '/':
			return -1
		case b[i] == '/':
			return 1
		}
		return int(a[i]) - int(b[i])
	}
	return len(a) - len(b)
}
