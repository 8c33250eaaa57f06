// SPDX-License-Identifier: Apache-2.0

package langpkg

import (
	"context"
	"errors"
	"io/fs"
	"runtime"

	"golang.org/x/sync/errgroup"

	"github.com/aquasecurity/trivy/pkg/dependency/parser/java/jar"
	ftypes "github.com/aquasecurity/trivy/pkg/fanal/types"

	"github.com/ocigate/ocigate/pkg/scan/analysis"
)

// Jar finds the packages in Java archives and in the archives therein, which Trivy's
// parser unpacks to temporary files without a limit: who calls it measures before.
// Without a database (nil) it knows which files it wants, and reads none.
func Jar(db *JavaDB) analysis.PostAnalyzer {
	return analysis.PostAnalyzer{Type: analysis.TypeJar, Version: 1, Wants: wantsJar,
		Analyze: func(ctx context.Context, files analysis.Files, failed func(string, error)) (*analysis.Result, error) {
			return jars(ctx, db, files, failed)
		}}
}

func wantsJar(path string, _ fs.FileInfo) bool {
	i := len(path) - len(".jar")
	if i < 0 || path[i] != '.' {
		return false
	}
	switch [3]byte{path[i+1] | 0x20, path[i+2] | 0x20, path[i+3] | 0x20} {
	case [3]byte{'j', 'a', 'r'}, [3]byte{'w', 'a', 'r'}, [3]byte{'e', 'a', 'r'}, [3]byte{'p', 'a', 'r'}:
		return true
	}
	return false
}

// jars reads several archives at once, and puts the results in the order of the paths.
func jars(ctx context.Context, db *JavaDB, files analysis.Files, failed func(string, error)) (*analysis.Result, error) {
	paths := files.Paths()
	results, errs := make([]*analysis.Result, len(paths)), make([]error, len(paths))
	var eg errgroup.Group
	eg.SetLimit(runtime.GOMAXPROCS(0))
	for i, p := range paths {
		eg.Go(func() error {
			if ctx.Err() == nil {
				results[i], errs[i] = readJar(ctx, db, p, files[p])
			}
			return nil
		})
	}
	_ = eg.Wait() // its functions return nil
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	var res analysis.Result
	for i, p := range paths {
		switch {
		case errs[i] != nil:
			failed(p, errs[i])
		case results[i] != nil:
			res.Applications = append(res.Applications, results[i].Applications...)
		}
	}
	return &res, nil
}

func readJar(ctx context.Context, db *JavaDB, path string, stored analysis.Stored) (_ *analysis.Result, err error) {
	defer recovered(&err)
	if db == nil {
		return nil, errors.New("there is no Java database to name it")
	}
	f, release, err := stored.Open()
	if err != nil {
		return nil, err
	}
	defer release()
	client := &session{ctx: ctx, JavaDB: db}
	p := jar.NewParser(client, jar.WithSize(f.Info.Size()), jar.WithFilePath(path),
		jar.WithLicenseClassifierConfidenceLevel(licenceConfidence))
	pkgs, deps, err := parse(ctx, p, content(f))
	if err == nil {
		err = client.err
	}
	if err != nil {
		return nil, err
	}
	return application(ftypes.Jar, path, path, pkgs, deps), nil
}
