// SPDX-License-Identifier: Apache-2.0

package scan

import (
	"archive/tar"
	"context"
	"errors"
	"fmt"
	"io"
	"path"
	"strings"

	ftypes "github.com/aquasecurity/trivy/pkg/fanal/types"

	"github.com/ocigate/ocigate/pkg/scan/analysis"
	"github.com/ocigate/ocigate/pkg/scan/apply"
)

const (
	whiteoutPrefix = ".wh."
	whiteoutOpaque = ".wh..wh..opq"
)

// record is what one pass over a layer learned. It depends on nothing but the
// layer's bytes, the analysers and whether secrets were looked for, so it can be
// cached by diff ID.
type record struct {
	Blob  ftypes.BlobInfo `json:"blob"`
	Facts facts           `json:"facts"`
	// Listing is every entry of the layer: see collector.
	Listing  []byte    `json:"listing,omitempty"`
	Failures []failure `json:"failures,omitempty"`
	// JavaDB is the digest of the Java database that named the layer's jars.
	JavaDB string `json:"javaDB,omitempty"`
	Jars   bool   `json:"jars,omitempty"`
}

// pass is one pass over one layer.
type pass struct {
	s     *Scanner
	ctx   context.Context
	files *files
	facts facts
	list  collector
	opq   []string
	whs   []string
	// wanted are the names of the files that an analyser or this pass wants.
	wanted map[string]bool
}

// analyzeLayer reads the layer to its end: what it returns is only valid if err is nil.
func (s *Scanner) analyzeLayer(ctx context.Context, l Layer, secrets bool, java *javaOnce) (rec *record, err error) {
	defer func() {
		if p := recover(); p != nil {
			rec, err = nil, fmt.Errorf("analyse layer %s: panic: %v", l.DiffID, p)
		}
	}()
	rc, err := l.Open(ctx)
	if err != nil {
		return nil, err
	}
	defer rc.Close()
	in := &countReader{r: rc, max: s.opts.Limits.LayerBytes, what: "layer " + l.DiffID}

	var skip analysis.Type
	if !secrets {
		skip = analysis.TypeSecret
	}
	p := &pass{s: s, ctx: ctx, files: newFiles(ctx, s, java, skip), wanted: map[string]bool{}, facts: newFacts()}
	defer p.files.close()
	if err := p.walk(in); err != nil {
		return nil, err
	}
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	// What follows the tar's end marker counts for size and digest. Padding is zero
	// bytes; anything else is content that one runtime skips and another may read.
	if _, err := io.Copy(zeros{}, in); err != nil {
		return nil, err
	}
	res := p.files.together()
	// An analyser that was cancelled left something out: such a record is none.
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	rec = &record{Blob: p.blob(l.DiffID, in.n, res), Facts: p.facts, Failures: p.files.fails.sorted(), Listing: p.list.encode()}
	if p.files.jars {
		rec.Jars, rec.JavaDB = true, java.state.Digest
	}
	return rec, nil
}

func (p *pass) blob(diffID string, size int64, r *analysis.Result) ftypes.BlobInfo {
	return ftypes.BlobInfo{
		SchemaVersion: ftypes.BlobJSONSchemaVersion,
		Size:          size,
		DiffID:        diffID,
		OpaqueDirs:    p.opq, WhiteoutFiles: p.whs,
		OS: r.OS, Repository: r.Repository, PackageInfos: r.PackageInfos, Secrets: r.Secrets, Licenses: r.Licenses, BuildInfo: r.BuildInfo,
		// What the operating system's packages installed counts as theirs.
		Applications: apply.WithoutSystemFiles(r.Applications, r.SystemFiles),
	}
}

// walk reads the tar as Trivy's walker does: same names, same whiteouts, and only
// regular files are analysed.
func (p *pass) walk(in *countReader) error {
	tr := tar.NewReader(in)
	lim := p.s.opts.Limits
	var sparse sparseCheck
	for n := 0; ; n++ {
		hdr, err := tr.Next()
		if err := sparse.check(in.n, lim.SparseBytes); err != nil {
			return err
		}
		if errors.Is(err, io.EOF) {
			return nil
		} else if err != nil {
			return tarError(err)
		}
		if err := p.ctx.Err(); err != nil {
			return err
		}
		if n >= lim.Entries {
			return &LimitError{in.what, fmt.Sprintf("more than %d entries", lim.Entries)}
		}
		if len(hdr.Name) > lim.PathBytes {
			return &LimitError{in.what, fmt.Sprintf("a path of %d bytes", len(hdr.Name))}
		}
		sparse.begin(hdr, in.n)
		if err := p.entry(hdr, tr, in); err != nil {
			return err
		}
	}
}

func (p *pass) entry(hdr *tar.Header, tr *tar.Reader, in *countReader) error {
	name := strings.TrimLeft(path.Clean(hdr.Name), "/")
	if name == ".." || strings.HasPrefix(name, "../") {
		// Runtimes clamp such a path to the root; Trivy takes it for another file.
		return &contentError{fmt.Errorf("the path %q leaves the image", hdr.Name)}
	}
	if p.wanted[name] && hdr.Typeflag != tar.TypeDir {
		// Runtimes keep the last of two entries, Trivy's analysers see both.
		return &contentError{fmt.Errorf("two entries have the name %q", name)}
	}
	dir, base := path.Split(name)
	if base == whiteoutOpaque {
		p.opq = append(p.opq, dir)
		p.list.mark(path.Clean(dir), kindOpaque)
		return nil
	}
	if after, ok := strings.CutPrefix(base, whiteoutPrefix); ok {
		if after == "" || after == "." || after == ".." {
			return &contentError{fmt.Errorf("the whiteout %q deletes nothing that has a name", hdr.Name)}
		}
		p.whs = append(p.whs, path.Join(dir, after))
		p.list.mark(path.Join(dir, after), kindWhiteout)
		return nil
	}
	p.list.add(name, hdr)
	info := hdr.FileInfo()
	f := &file{name: name, info: info, hdr: hdr, tr: tr, in: in, limits: p.s.opts.Limits, store: p.s.store}
	defer f.release()
	if hdr.Typeflag == tar.TypeReg {
		p.facts.Files++
	}
	if err := p.facts.collect(p.ctx, f); err != nil {
		return err
	}
	switch {
	case hdr.Typeflag == tar.TypeLink:
		p.files.hardLink(name, info)
	case hdr.Typeflag == tar.TypeReg && p.files.ask(name, info):
		p.wanted[name] = true
		return p.files.add(f)
	case f.content != nil:
		p.wanted[name] = true
	}
	return nil
}

// tarError keeps the errors of the layer's own reader, which name the blob, and
// explains those of the tar format.
func tarError(err error) error {
	var limit *LimitError
	if errors.As(err, &limit) || errors.Is(err, context.Canceled) || errors.Is(err, context.DeadlineExceeded) {
		return err
	}
	if errors.Is(err, tar.ErrHeader) || errors.Is(err, io.ErrUnexpectedEOF) {
		return &contentError{fmt.Errorf("not a readable tar: %w", err)}
	}
	return err
}

// contentError is a layer whose content is not what a layer must be.
type contentError struct{ err error }

func (e *contentError) Error() string { return e.err.Error() }
func (e *contentError) Unwrap() error { return e.err }

// zeros accepts zero bytes only.
type zeros struct{}

func (zeros) Write(b []byte) (int, error) {
	for i, c := range b {
		if c != 0 {
			return i, &contentError{errors.New("content after the end of the tar")}
		}
	}
	return len(b), nil
}

// countReader counts what it reads and stops at max.
type countReader struct {
	r    io.Reader
	n    int64
	max  int64
	what string
	err  error
}

func (c *countReader) Read(b []byte) (int, error) {
	n, err := c.r.Read(b)
	return n, c.count(int64(n), err)
}

// Seek skips bytes, where the reader below can: archive/tar does so over files that
// nobody looks at. They count all the same.
func (c *countReader) Seek(offset int64, whence int) (int64, error) {
	s, ok := c.r.(io.Seeker)
	if !ok || whence != io.SeekCurrent || offset < 0 {
		return 0, errors.ErrUnsupported
	}
	if offset > c.max-c.n {
		return c.n, c.count(offset, nil)
	}
	_, err := s.Seek(offset, whence)
	err = c.count(offset, err)
	return c.n, err
}

// count adds what was read, and notes why there is no more.
func (c *countReader) count(n int64, err error) error {
	c.n += n
	if c.n > c.max {
		err = &LimitError{c.what, fmt.Sprintf("inflates to more than %d bytes", c.max)}
	}
	if err != nil && !errors.Is(err, io.EOF) {
		c.err = err
	}
	return err
}

// sparseCheck compares the logical size of sparse files with the bytes present.
type sparseCheck struct {
	name    string
	logical int64
	start   int64
}

func (s *sparseCheck) begin(hdr *tar.Header, at int64) {
	*s = sparseCheck{}
	if isSparse(hdr) {
		*s = sparseCheck{name: hdr.Name, logical: hdr.Size, start: at}
	}
}

func (s *sparseCheck) check(at, allowed int64) error {
	if s.name == "" || s.logical-(at-s.start) <= allowed {
		return nil
	}
	return &LimitError{s.name, fmt.Sprintf("a sparse file of %d bytes of which %d are present", s.logical, at-s.start)}
}

func isSparse(hdr *tar.Header) bool {
	if hdr.Typeflag == tar.TypeGNUSparse {
		return true
	}
	for k := range hdr.PAXRecords {
		if strings.HasPrefix(k, "GNU.sparse.") {
			return true
		}
	}
	return false
}
