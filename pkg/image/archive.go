// SPDX-License-Identifier: Apache-2.0

package image

import (
	"archive/tar"
	"bufio"
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"strings"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/klauspost/compress/gzip"
)

// archive is a tar file whose headers were read once; entries are then read in place.
type archive struct {
	path  string
	file  archiveFile
	size  int64
	files map[string]span
	links map[string]string
	sums  archiveSums
}

type span struct{ offset, size int64 }

// archiveFile is an open file, read at any place.
type archiveFile interface {
	io.ReaderAt
	io.Closer
	Stat() (fs.FileInfo, error)
}

// openArchive indexes a tar file. A gzipped one is inflated to TempDir first.
func (o *opener) openArchive(ctx context.Context, path string) (*archive, error) {
	f, err := openRegular(path)
	if err != nil {
		return nil, err
	}
	magic := make([]byte, 2)
	if n, err := f.ReadAt(magic, 0); n == 0 {
		f.Close()
		if errors.Is(err, io.EOF) {
			return nil, faultf(KindTruncated, "the file is empty").withHint("did the command that wrote it succeed?")
		}
		return nil, err
	}
	digest := ""
	if bytes.Equal(magic, []byte{0x1f, 0x8b}) {
		unzipped, sum, err := o.unzip(ctx, f)
		if err := errors.Join(err, f.Close()); err != nil {
			return nil, err
		}
		f, digest = unzipped, sum
	}
	a, err := o.index(ctx, path, f)
	if err != nil {
		return nil, errors.Join(err, f.Close())
	}
	a.sums.whole = digest
	return a, nil
}

// openRegular never blocks on a pipe or device.
func openRegular(path string) (*os.File, error) {
	st, err := os.Stat(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, &fault{kind: KindNotFound, err: err, hint: "check the path; has the image been written?"}
	}
	if err != nil {
		return nil, err
	}
	if st.IsDir() {
		return nil, faultf(KindUsage, "%s is a directory", path).withHint("for an OCI layout say oci:" + path)
	}
	if !st.Mode().IsRegular() {
		return nil, faultf(KindUsage, "%s is not a regular file", path)
	}
	return os.Open(path)
}

// unzip also returns the digest of the file: nothing reads it a second time.
func (o *opener) unzip(ctx context.Context, f *os.File) (*os.File, string, error) {
	in := &countedReader{r: f, h: sha256.New()}
	zr, err := gzip.NewReader(bufio.NewReaderSize(in, bufferSize))
	if err != nil {
		return nil, "", faultf(KindNotAnImage, "gzip: %w", noEOF(err))
	}
	spooled, err := o.spool(ctx, zr)
	switch {
	case errors.Is(err, io.ErrUnexpectedEOF):
		return nil, "", faultf(KindTruncated, "the gzip stream is truncated").withHint("write or copy the file again")
	case errors.Is(err, gzip.ErrHeader), errors.Is(err, gzip.ErrChecksum):
		return nil, "", faultf(KindNotAnImage, "the gzip stream is damaged: %w", err).withHint("write or copy the file again")
	case err != nil:
		return nil, "", err
	}
	if _, err := io.Copy(io.Discard, &contextReader{ctx, in}); err != nil { // to its end, in any case
		return nil, "", errors.Join(err, spooled.Close())
	}
	return spooled, "sha256:" + hex.EncodeToString(in.h.Sum(nil)), nil
}

// spool copies r to a new file in TempDir and returns that open for reading.
func (o *opener) spool(ctx context.Context, r io.Reader) (*os.File, error) {
	f, err := o.spoolFile()
	if err != nil {
		return nil, err
	}
	if err := o.fillSpool(ctx, f, r); err != nil {
		return nil, errors.Join(err, f.Close(), os.Remove(f.Name()))
	}
	return f, nil
}

func (o *opener) spoolFile() (*os.File, error) {
	if o.TempDir == "" {
		return nil, faultf(KindUsage, "the image has to be spooled, but there is no directory for temporary files")
	}
	return os.CreateTemp(o.TempDir, "image-*.tar") // O_EXCL, mode 0600
}

// fillSpool copies no more than MaxSpool, and reads while it writes.
func (o *opener) fillSpool(ctx context.Context, w io.Writer, r io.Reader) error {
	ctx, cancel := context.WithCancel(ctx)
	a := newAhead(ctx, storedAhead, r.Read, nil, nil)
	defer a.close()
	defer cancel()
	for left := o.Limits.MaxSpool; ; {
		c := a.next()
		if c == nil {
			return ctx.Err()
		}
		n, err := len(c.bytes()), c.err
		if left -= int64(n); left < 0 {
			c.release()
			return limitError("the unpacked image", o.Limits.MaxSpool)
		}
		_, werr := w.Write(c.bytes())
		c.release()
		switch {
		case werr != nil:
			return werr
		case errors.Is(err, io.EOF):
			return nil
		case err != nil:
			return err
		}
	}
}

func (o *opener) index(ctx context.Context, name string, f archiveFile) (*archive, error) {
	st, err := f.Stat()
	if err != nil {
		return nil, err
	}
	a := newArchive(name, f, st.Size())
	// A seekable reader: archive/tar seeks over file data.
	return a, o.indexFrom(ctx, a, io.NewSectionReader(f, 0, a.size), func(string) {})
}

func newArchive(name string, f archiveFile, size int64) *archive {
	return &archive{path: name, file: f, size: size, files: map[string]span{}, links: map[string]string{}, sums: newArchiveSums()}
}

// indexFrom reads the headers and says of each file when it has come to it.
func (o *opener) indexFrom(ctx context.Context, a *archive, data io.ReadSeeker, seen func(name string)) error {
	tr := tar.NewReader(data)
	for n := 0; ; n++ {
		if err := ctx.Err(); err != nil {
			return err
		}
		h, err := tr.Next()
		if errors.Is(err, io.EOF) {
			return a.checkEmpty()
		}
		if err != nil {
			return archiveError(err, n)
		}
		if n >= o.Limits.MaxEntries {
			return faultf(KindLimit, "the archive has more than %d entries", o.Limits.MaxEntries)
		}
		offset, err := data.Seek(0, io.SeekCurrent)
		if err != nil {
			return err
		}
		if err := a.add(h, offset); err != nil {
			return err
		}
		seen(path.Clean(h.Name))
	}
}

func archiveError(err error, entries int) error {
	switch {
	case errors.Is(err, io.ErrUnexpectedEOF):
		return faultf(KindTruncated, "the archive is truncated after %d entries", entries).withHint("write or copy the file again")
	case entries == 0:
		return faultf(KindNotAnImage, "not a tar archive: %w", err)
	}
	return faultf(KindNotAnImage, "the archive is damaged after %d entries: %w", entries, err)
}

func (a *archive) checkEmpty() error {
	if len(a.files) == 0 {
		return faultf(KindNotAnImage, "the archive holds no files")
	}
	return nil
}

func (a *archive) add(h *tar.Header, offset int64) error {
	name := path.Clean(h.Name)
	switch h.Typeflag {
	case tar.TypeReg:
		if offset+h.Size > a.size {
			return faultf(KindTruncated, "the archive is truncated inside of %s", name).withHint("write or copy the file again")
		}
		// Readers disagree about which of two equal names counts.
		if before, twice := a.files[name]; twice && !a.equal(before, span{offset, h.Size}) {
			return &IntegrityError{name, "is in the archive twice, with different content"}
		}
		a.files[name] = span{offset, h.Size}
	case tar.TypeSymlink:
		a.links[name] = path.Join(path.Dir(name), h.Linkname)
	case tar.TypeLink:
		a.links[name] = path.Clean(h.Linkname)
	case tar.TypeGNUSparse:
		return faultf(KindUnsupported, "%s is a sparse file", name)
	}
	return nil
}

// equal compares two files of the archive.
func (a *archive) equal(x, y span) bool {
	if x.size != y.size {
		return false
	}
	bx, by := make([]byte, bufferSize), make([]byte, bufferSize)
	rx, ry := io.NewSectionReader(a.file, x.offset, x.size), io.NewSectionReader(a.file, y.offset, y.size)
	for {
		n, errx := readFull(rx, bx)
		m, erry := readFull(ry, by)
		if n != m || !bytes.Equal(bx[:n], by[:m]) {
			return false
		}
		if errx != nil || erry != nil {
			return errors.Is(errx, io.EOF) && errors.Is(erry, io.EOF)
		}
	}
}

// find resolves links, which stay within the archive by construction.
func (a *archive) find(name string) (span, bool) {
	name = path.Clean(name)
	for range 16 {
		if s, ok := a.files[name]; ok {
			return s, true
		}
		next, ok := a.links[name]
		if !ok {
			return span{}, false
		}
		name = next
	}
	return span{}, false
}

func (a *archive) has(name string) bool {
	_, ok := a.find(name)
	return ok
}

// entry opens a file of the archive.
func (a *archive) entry(ctx context.Context, name string) (io.ReadCloser, int64, error) {
	s, ok := a.find(name)
	if !ok {
		return nil, -1, faultf(KindNotFound, "%s is not in the archive", name)
	}
	r := io.NewSectionReader(a.file, s.offset, s.size)
	return io.NopCloser(&contextReader{ctx, r}), s.size, nil
}

func (a *archive) name() string { return a.path }

func (a *archive) blobs(ctx context.Context, max int) ([]v1.Hash, error) {
	var found blobNames
	for name := range a.files {
		found.add(name)
	}
	for name := range a.links {
		found.add(name)
	}
	return found.sorted(max)
}

// read returns a small file of the archive.
func (a *archive) read(ctx context.Context, name string, limit int64) ([]byte, error) {
	rc, size, err := a.entry(ctx, name)
	if err != nil {
		return nil, err
	}
	defer rc.Close()
	if size > limit {
		return nil, limitError(name, limit)
	}
	b, err := readLimited(rc, name, limit)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", name, err)
	}
	a.wasRead(name, b)
	return b, nil
}

// Close implements io.Closer.
func (a *archive) Close() error { return a.file.Close() }

// openDetected understands a path by what is there.
func (o *opener) openDetected(ctx context.Context, path, selector string) (*Set, error) {
	st, err := os.Stat(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, &fault{kind: KindNotFound, err: err, hint: "check the path; has the image been written?"}
	}
	if err != nil {
		return nil, err
	}
	if st.IsDir() {
		return o.openLayoutDir(ctx, path, selector)
	}
	a, err := o.openArchive(ctx, path)
	if err != nil {
		return nil, err
	}
	if a.has("manifest.json") && !strings.HasPrefix(selector, "@") {
		return o.closeOnError(a, func() (*Set, error) { return o.openDockerArchive(ctx, a, selector) })
	}
	if a.has("index.json") {
		return o.closeOnError(a, func() (*Set, error) { return o.openLayoutArchive(ctx, a, selector) })
	}
	return nil, errors.Join(faultf(KindNotAnImage, "the archive has neither manifest.json (docker save) nor index.json (OCI layout)").
		withHint("a root file system is not an image; write one with `docker save` or `docker buildx build --output type=oci`"), a.Close())
}

// closeOnError ties a file to the Set, or closes it.
func (o *opener) closeOnError(c io.Closer, open func() (*Set, error)) (*Set, error) {
	set, err := open()
	if err != nil {
		c.Close() // opened for reading only: nothing is lost
		return nil, err
	}
	set.closers = append(set.closers, c)
	return set, nil
}
