// SPDX-License-Identifier: Apache-2.0

package ospkg

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"slices"
	"strings"

	ftypes "github.com/aquasecurity/trivy/pkg/fanal/types"

	"github.com/ocigate/ocigate/pkg/scan/analysis"
)

// apk are the analysers of what apk installed and from where, and of Bottlerocket's
// list, which stands in the place of a package database.
func apk() []analysis.Analyzer {
	return []analysis.Analyzer{
		{
			Type:    analysis.TypeApk,
			Version: 1,
			Wants: func(p string, _ fs.FileInfo) bool {
				return p == "lib/apk/db/installed" || p == "usr/lib/apk/db/installed"
			},
			Analyze: analyzeApk,
		},
		apkRepo(),
		bottlerocket(),
	}
}

// analyzeApk reads the database of installed packages. An empty one is a result
// without packages.
func analyzeApk(ctx context.Context, f analysis.File) (*analysis.Result, error) {
	db := newApkDB()
	var err error
	if f.Data != nil {
		err = db.parse(ctx, f.Data)
	} else {
		err = db.read(ctx, f.Content)
	}
	if err != nil {
		return nil, err
	}
	packages, files, err := db.finish()
	if err != nil {
		return nil, err
	}
	return &analysis.Result{
		PackageInfos: []ftypes.PackageInfo{{FilePath: f.Path, Packages: packages}},
		SystemFiles:  files,
	}, nil
}

// parse reads a database that is in memory.
func (db *apkDB) parse(ctx context.Context, b []byte) error {
	for len(b) > 0 {
		line, rest, _ := bytes.Cut(b, []byte{'\n'})
		b = rest
		if err := db.line(ctx, bytes.TrimSuffix(line, []byte{'\r'})); err != nil {
			return err
		}
	}
	return db.end(ctx)
}

// read reads a database line by line, however long they are.
func (db *apkDB) read(ctx context.Context, r io.Reader) error {
	br := bufio.NewReaderSize(r, 64<<10)
	var long []byte
	for {
		line, err := br.ReadSlice('\n')
		if errors.Is(err, bufio.ErrBufferFull) {
			long = append(long, line...)
			continue
		}
		if err != nil && !errors.Is(err, io.EOF) {
			return err
		}
		if len(long) > 0 {
			long = append(long, line...)
			line, long = long, long[:0]
		}
		if len(line) > 0 {
			line = bytes.TrimSuffix(bytes.TrimSuffix(line, []byte{'\n'}), []byte{'\r'})
			if err := db.line(ctx, line); err != nil {
				return err
			}
		}
		if err != nil {
			return db.end(ctx)
		}
	}
}

// unreadPackages is the error of a database that lists packages which could not be
// read in full; nil if there are none.
func unreadPackages(names map[string]bool) error {
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
