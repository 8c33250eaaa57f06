// SPDX-License-Identifier: Apache-2.0

package secrets

import (
	"bytes"
	"context"
	"io/fs"
	"os"
	"path"
	"sync"
	"testing"
	"time"

	trivy "github.com/aquasecurity/trivy/pkg/fanal/secret"
	ftypes "github.com/aquasecurity/trivy/pkg/fanal/types"
	"github.com/aquasecurity/trivy/pkg/fanal/utils"
	"github.com/aquasecurity/trivy/pkg/log"

	"github.com/ocigate/ocigate/pkg/scan/analysis"
	"github.com/ocigate/ocigate/pkg/scan/secret"
)

func TestMain(m *testing.M) {
	log.InitLogger(false, true)
	os.Exit(m.Run())
}

var (
	original = sync.OnceValue(func() trivy.Scanner { return trivy.NewScanner(nil) })
	ours     = secret.New()
)

// info is of a file of that name and size.
type info struct {
	name string
	size int64
}

func (i info) Name() string     { return i.name }
func (i info) Size() int64      { return i.size }
func (info) Mode() fs.FileMode  { return 0o644 }
func (info) ModTime() time.Time { return time.Time{} }
func (info) IsDir() bool        { return false }
func (info) Sys() any           { return nil }

// trivyFinds does what Trivy's analyser does (pkg/fanal/analyzer/secret; importing it
// would bring in all of Trivy).
func trivyFinds(t testing.TB, p string, b []byte) []ftypes.Secret {
	t.Helper()
	r := bytes.NewReader(b)
	binary, err := utils.IsBinary(r, int64(len(b)))
	if err != nil || binary && path.Ext(p) != ".pyc" {
		return nil
	}
	if binary {
		if b, err = utils.ExtractPrintableBytes(r); err != nil {
			t.Fatal(err)
		}
		r = bytes.NewReader(b)
	}
	s := original()
	found := s.Scan(trivy.ScanArgs{FilePath: "/" + p, Content: r, Binary: binary})
	if len(found.Findings) == 0 {
		return nil
	}
	return comparable([]ftypes.Secret{found})
}

// comparable leaves out what ocigate never keeps, and sorts.
func comparable(ss []ftypes.Secret) []ftypes.Secret {
	for i := range ss {
		for j := range ss[i].Findings {
			ss[i].Findings[j].Match, ss[i].Findings[j].Code = "", ftypes.Code{}
		}
	}
	r := analysis.Result{Secrets: ss}
	r.Sort()
	return r.Secrets
}

// oursFinds searches twice, in memory and as a stream.
func oursFinds(t testing.TB, p string, b []byte) []ftypes.Secret {
	t.Helper()
	file := analysis.File{Path: p, Info: info{path.Base(p), int64(len(b))}, Content: bytes.NewReader(b), Data: b}
	inMemory := oneFinds(t, file)
	file.Content, file.Data = bytes.NewReader(b), nil
	if diff := differ(inMemory, oneFinds(t, file)); diff != "" {
		t.Errorf("%s: in memory and streamed differ: %s", p, diff)
	}
	return inMemory
}

func oneFinds(t testing.TB, f analysis.File) []ftypes.Secret {
	t.Helper()
	res, err := ours.Analyzer().Analyze(context.Background(), f)
	if err != nil {
		t.Fatal(err)
	}
	if res == nil {
		return nil
	}
	return res.Secrets
}
