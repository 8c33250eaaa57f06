// SPDX-License-Identifier: Apache-2.0

package scan

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"iter"
	"path"
	"slices"
	"strings"

	"github.com/aquasecurity/trivy/pkg/dependency/parser/java/jar"
	"github.com/aquasecurity/trivy/pkg/dependency/parser/julia/manifest"
	"github.com/aquasecurity/trivy/pkg/dependency/parser/nuget/config"
	"github.com/aquasecurity/trivy/pkg/dependency/parser/nuget/lock"
	"github.com/aquasecurity/trivy/pkg/dependency/parser/python/packaging"
	"github.com/aquasecurity/trivy/pkg/dependency/parser/rust/cargo"
	"github.com/aquasecurity/trivy/pkg/fanal/analyzer"
	"github.com/aquasecurity/trivy/pkg/fanal/analyzer/pkg/dpkg"
	ftypes "github.com/aquasecurity/trivy/pkg/fanal/types"
	"github.com/aquasecurity/trivy/pkg/javadb"
	xio "github.com/aquasecurity/trivy/pkg/x/io"
)

// verifyFile checks the results of analysers that drop what they cannot read.
func verifyFile(t analyzer.Type, in analyzer.AnalysisInput, res *analyzer.AnalysisResult) error {
	if t != analyzer.TypeApk && t != analyzer.TypeRpmqa {
		return nil
	}
	if _, err := in.Content.Seek(0, io.SeekStart); err != nil {
		return err
	}
	if t == analyzer.TypeRpmqa {
		return verifyRpmqa(in.Content, res)
	}
	return verifyApk(in.Content, res)
}

// verifyRpmqa counts the lines of a manifest (`rpm -qa` of Azure Linux): Trivy's
// parser stops silently at a line of more than 64 KiB.
func verifyRpmqa(r io.Reader, res *analyzer.AnalysisResult) error {
	lines, found := 0, 0
	for br := bufio.NewReader(r); ; {
		line, err := readLine(br)
		if line != "" {
			lines++
		}
		if errors.Is(err, io.EOF) {
			break
		} else if err != nil {
			return err
		}
	}
	if res != nil {
		for _, pi := range res.PackageInfos {
			found += len(pi.Packages)
		}
	}
	if found < lines {
		return fmt.Errorf("the package database lists %d packages, of which %d could be read", lines, found)
	}
	return nil
}

// verifyApk counts the packages of an installed database (apk's own text format).
// Trivy's parser stops silently at a line of more than 64 KiB, and drops a package
// whose version it does not understand.
func verifyApk(r io.Reader, res *analyzer.AnalysisResult) error {
	names := map[string]bool{}
	br := bufio.NewReader(r)
	for {
		line, err := readLine(br)
		if name, ok := strings.CutPrefix(line, "P:"); ok && name != "" {
			names[name] = true
		}
		if errors.Is(err, io.EOF) {
			break
		} else if err != nil {
			return err
		}
	}
	if res != nil {
		for _, pi := range res.PackageInfos {
			for _, p := range pi.Packages {
				delete(names, p.Name)
			}
		}
	}
	return missing(names)
}

// readLine reads a line of any length but keeps only its first 4 KiB.
func readLine(br *bufio.Reader) (string, error) {
	var b []byte
	for {
		part, err := br.ReadSlice('\n')
		if len(b) < 4096 {
			b = append(b, part[:min(len(part), 4096-len(b))]...)
		}
		if errors.Is(err, bufio.ErrBufferFull) {
			continue
		}
		return strings.TrimRight(string(b), "\r\n"), err
	}
}

func missing(names map[string]bool) error {
	if len(names) == 0 {
		return nil
	}
	list := make([]string, 0, len(names))
	for n := range names {
		list = append(list, n)
	}
	slices.Sort(list)
	more := ""
	if len(list) > 5 {
		more = fmt.Sprintf(" and %d more", len(list)-5)
		list = list[:5]
	}
	return fmt.Errorf("the package database lists packages that could not be read: %s%s", strings.Join(list, ", "), more)
}

// verifyPost yields the files that a post-analyser dropped because it could not read them.
func verifyPost(ctx context.Context, t analyzer.Type, fsys fs.FS, res *analyzer.AnalysisResult) iter.Seq2[string, error] {
	return func(yield func(string, error) bool) {
		parse, done, err := parserOf(ctx, t)
		if err != nil {
			yield(".", err)
			return
		}
		if parse == nil {
			return
		}
		defer done()
		seen := map[string]bool{}
		if res != nil {
			for _, app := range res.Applications {
				seen[app.FilePath] = true
			}
		}
		err = fs.WalkDir(fsys, ".", func(p string, d fs.DirEntry, err error) error {
			if err != nil {
				return err
			}
			if d.IsDir() || seen[p] {
				return nil
			}
			if err := again(fsys, p, res, parse); err != nil && !yield(p, err) {
				return fs.SkipAll
			}
			return nil
		})
		if err != nil {
			yield(".", err)
		}
	}
}

type parseFunc func(p string, r xio.ReadSeekerAt, res *analyzer.AnalysisResult) error

func again(fsys fs.FS, p string, res *analyzer.AnalysisResult, parse parseFunc) error {
	f, err := fsys.Open(p)
	if err != nil {
		return err
	}
	defer f.Close()
	r, ok := f.(xio.ReadSeekerAt)
	if !ok {
		b, err := io.ReadAll(f)
		if err != nil {
			return err
		}
		r = bytes.NewReader(b)
	}
	return parse(p, r, res)
}

// parserOf returns how Trivy's own parser reads the main files of a post-analyser.
func parserOf(ctx context.Context, t analyzer.Type) (parse parseFunc, done func(), err error) {
	done = func() {}
	if t != analyzer.TypeJar {
		return plainParser(ctx, t), done, nil
	}
	client, err := javadb.NewClient()
	if err != nil {
		return nil, done, err
	}
	return func(p string, r xio.ReadSeekerAt, _ *analyzer.AnalysisResult) error {
		size, err := r.Seek(0, io.SeekEnd)
		if err == nil {
			_, err = r.Seek(0, io.SeekStart)
		}
		if err == nil {
			_, _, err = jar.NewParser(client, jar.WithSize(size), jar.WithFilePath(p)).Parse(ctx, r)
		}
		return err
	}, func() { _ = client.Close() }, nil
}

func plainParser(ctx context.Context, t analyzer.Type) parseFunc {
	type parser interface {
		Parse(context.Context, xio.ReadSeekerAt) ([]ftypes.Package, []ftypes.Dependency, error)
	}
	with := func(p parser, r xio.ReadSeekerAt) error {
		_, _, err := p.Parse(ctx, r)
		return err
	}
	switch t {
	case analyzer.TypeCargo:
		return func(p string, r xio.ReadSeekerAt, _ *analyzer.AnalysisResult) error {
			if path.Base(p) != ftypes.CargoLock {
				return nil
			}
			return with(cargo.NewParser(), r)
		}
	case analyzer.TypeJulia:
		return func(p string, r xio.ReadSeekerAt, _ *analyzer.AnalysisResult) error {
			if path.Base(p) != ftypes.JuliaManifest {
				return nil
			}
			return with(julia.NewParser(), r)
		}
	case analyzer.TypeNuget:
		return func(p string, r xio.ReadSeekerAt, _ *analyzer.AnalysisResult) error {
			if path.Base(p) == ftypes.NuGetPkgsConfig {
				return with(config.NewParser(), r)
			}
			return with(lock.NewParser(), r)
		}
	case analyzer.TypePythonPkg:
		return func(p string, r xio.ReadSeekerAt, _ *analyzer.AnalysisResult) error {
			base := path.Base(p)
			if base != "METADATA" && base != "PKG-INFO" && !strings.HasSuffix(base, ".egg-info") {
				return nil
			}
			return with(packaging.NewParser(), r)
		}
	case analyzer.TypeDpkg:
		return verifyDpkg
	}
	return nil
}

// verifyDpkg counts the installed packages of a status file. Trivy skips a
// paragraph that it cannot parse and a package whose version it does not understand.
func verifyDpkg(p string, r xio.ReadSeekerAt, res *analyzer.AnalysisResult) error {
	if strings.HasSuffix(p, ".md5sums") || strings.HasSuffix(p, "/available") {
		return nil
	}
	scanner := dpkg.NewScanner(r)
	names := map[string]bool{}
	for n := 1; scanner.Scan(); n++ {
		header, err := scanner.Header()
		if err != nil && !errors.Is(err, io.EOF) {
			return fmt.Errorf("paragraph %d of the package database: %w", n, err)
		}
		name := header.Get("Package")
		if name == "" || !installed(header.Get("Status")) {
			continue
		}
		names[name] = true
	}
	if err := scanner.Err(); err != nil {
		return err
	}
	if res != nil {
		for _, pi := range res.PackageInfos {
			if pi.FilePath != p {
				continue
			}
			for _, pkg := range pi.Packages {
				delete(names, pkg.Name)
			}
		}
	}
	return missing(names)
}

// installed reads a dpkg Status field ("install ok installed") as Trivy does: a
// distroless status.d file has none and counts.
func installed(status string) bool {
	for _, s := range strings.Fields(status) {
		if s == "deinstall" || s == "purge" {
			return false
		}
	}
	return true
}
