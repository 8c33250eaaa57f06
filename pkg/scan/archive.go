// SPDX-License-Identifier: Apache-2.0

package scan

import (
	"archive/zip"
	"bytes"
	"context"
	"fmt"
	"io"
	"path"
	"strings"

	xos "github.com/aquasecurity/trivy/pkg/x/os"
	"os"
)

// measureArchive walks a jar, and the jars in it, before Trivy's parser does.
// That parser unpacks nested archives to the temporary directory without a limit
// on size, number or depth, and reads descriptors into memory whole.
//
// An archive in it that cannot be read is an error: Trivy logs and drops it.
func measureArchive(ctx context.Context, name string, r io.ReaderAt, size int64, limits Limits) error {
	m := &measure{ctx: ctx, limits: limits, name: name}
	return m.archive(name, r, size, 0)
}

// measureContent measures an archive that was put aside.
func measureContent(ctx context.Context, c *content, limits Limits) error {
	f, done, err := c.Open()
	if err != nil {
		return err
	}
	defer done()
	return measureArchive(ctx, c.path, f.Content, f.Info.Size(), limits)
}

type measure struct {
	ctx     context.Context
	limits  Limits
	name    string
	bytes   int64
	entries int
}

func (m *measure) archive(name string, r io.ReaderAt, size int64, depth int) error {
	if depth > m.limits.ArchiveDepth {
		return &LimitError{m.name, fmt.Sprintf("archives nested more than %d deep", m.limits.ArchiveDepth)}
	}
	zr, err := zip.NewReader(r, size)
	if err != nil {
		return fmt.Errorf("%s is no readable archive: %w", name, err)
	}
	m.entries += len(zr.File)
	if m.entries > m.limits.ArchiveEntries {
		return &LimitError{m.name, fmt.Sprintf("more than %d entries in nested archives", m.limits.ArchiveEntries)}
	}
	for _, f := range zr.File {
		if err := m.ctx.Err(); err != nil {
			return err
		}
		switch {
		case isArchive(f.Name):
			err = m.nested(name+"/"+f.Name, f, depth+1)
		case isDescriptor(f.Name):
			err = m.inflate(f, io.Discard)
		default:
			continue
		}
		if err != nil {
			return err
		}
	}
	return nil
}

func (m *measure) nested(name string, f *zip.File, depth int) error {
	if int64(f.UncompressedSize64) < 0 || m.bytes+int64(f.UncompressedSize64) > m.limits.ArchiveBytes {
		return m.tooLarge()
	}
	if f.UncompressedSize64 <= memoryBytes {
		var b bytes.Buffer
		if err := m.inflate(f, &b); err != nil {
			return err
		}
		return m.archive(name, bytes.NewReader(b.Bytes()), int64(b.Len()), depth)
	}
	tmp, err := xos.CreateTemp("", "nested-")
	if err != nil {
		return fmt.Errorf("unpack %s: %w", name, err)
	}
	defer func() {
		_ = tmp.Close()
		_ = os.Remove(tmp.Name())
	}()
	if err := m.inflate(f, tmp); err != nil {
		return err
	}
	n, err := tmp.Seek(0, io.SeekEnd)
	if err != nil {
		return err
	}
	return m.archive(name, tmp, n, depth)
}

// inflate counts what an entry really holds, whatever its header says.
func (m *measure) inflate(f *zip.File, w io.Writer) error {
	rc, err := f.Open()
	if err != nil {
		return fmt.Errorf("%s/%s cannot be unpacked: %w", m.name, f.Name, err)
	}
	defer rc.Close()
	left := m.limits.ArchiveBytes - m.bytes
	n, err := io.Copy(w, &ctxReader{m.ctx, io.LimitReader(rc, left+1)})
	m.bytes += n
	if n > left {
		return m.tooLarge()
	}
	if err != nil {
		return fmt.Errorf("%s/%s cannot be unpacked: %w", m.name, f.Name, err)
	}
	return nil
}

func (m *measure) tooLarge() error {
	return &LimitError{m.name, fmt.Sprintf("nested archives inflate to more than %d bytes", m.limits.ArchiveBytes)}
}

// isArchive is Trivy's rule of which entries its jar parser unpacks.
func isArchive(name string) bool {
	switch path.Ext(name) {
	case ".jar", ".ear", ".war", ".par":
		return true
	}
	return false
}

// isDescriptor covers the entries that Trivy's jar parser reads whole.
func isDescriptor(name string) bool {
	base := strings.ToLower(path.Base(name))
	return base == "pom.xml" || base == "pom.properties" || base == "manifest.mf" ||
		strings.HasPrefix(base, "license") || strings.HasPrefix(base, "licence") || strings.HasPrefix(base, "copyright")
}

type ctxReader struct {
	ctx context.Context
	r   io.Reader
}

func (c *ctxReader) Read(b []byte) (int, error) {
	if err := c.ctx.Err(); err != nil {
		return 0, err
	}
	return c.r.Read(b)
}
