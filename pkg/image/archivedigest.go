// SPDX-License-Identifier: Apache-2.0

package image

import (
	"archive/tar"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"hash"
	"io"
	"maps"
)

// ArchiveDigest is the digest of the file that holds the image, as it is stored (a
// gzipped one is not unpacked for it): what a detached bundle can be about. It is
// empty where the source is no archive.
//
// The digest stands for what Open has read: a gzipped archive is hashed while it is
// unpacked, and never read again. Of any other, the same open file is hashed, and must
// have the entries in the places, and the manifests and configuration (index.json, if
// it is a layout), that Open found there; layers and everything else in it are
// verified against those whenever they are read. A file that changed is an
// *IntegrityError, here or there.
func (i *Image) ArchiveDigest(ctx context.Context) (string, error) {
	a := i.around.archive
	if a == nil {
		return "", nil
	}
	digest, err := a.digest(ctx)
	if err != nil {
		return "", toError("hash", a.path, err)
	}
	return digest, nil
}

// archiveSums are what is known of an archive's bytes.
type archiveSums struct {
	turn chan struct{} // holds one token: who has it may hash
	// whole is the digest of the file; empty until it was hashed.
	whole string
	// read are the files that nothing but their place vouches for, as they were.
	read map[span][sha256.Size]byte
}

func newArchiveSums() archiveSums {
	return archiveSums{turn: make(chan struct{}, 1), read: map[span][sha256.Size]byte{}}
}

// wasRead notes what a file of the archive held.
func (a *archive) wasRead(name string, b []byte) {
	if s, ok := a.find(name); ok {
		a.sums.read[s] = sha256.Sum256(b)
	}
}

func (a *archive) digest(ctx context.Context) (string, error) {
	select {
	case a.sums.turn <- struct{}{}:
		defer func() { <-a.sums.turn }()
	case <-ctx.Done():
		return "", ctx.Err()
	}
	if a.sums.whole != "" {
		return a.sums.whole, nil
	}
	st, err := a.file.Stat()
	if err != nil {
		return "", err
	}
	if st.Size() != a.size {
		return "", a.changed()
	}
	in := &countedReader{r: &contextReader{ctx, io.NewSectionReader(a.file, 0, a.size)}, h: sha256.New()}
	if err := a.compare(in); err != nil {
		return "", err
	}
	if _, err := io.CopyBuffer(io.Discard, in, make([]byte, bufferSize)); err != nil {
		return "", err
	}
	if in.n != a.size {
		return "", a.changed()
	}
	a.sums.whole = "sha256:" + hex.EncodeToString(in.h.Sum(nil))
	return a.sums.whole, nil
}

func (a *archive) changed() error {
	return &IntegrityError{a.path, "has changed since it was opened"}
}

// compare reads the archive again and demands that it is as it was.
func (a *archive) compare(in *countedReader) error {
	again := &archive{path: a.path, file: a.file, size: a.size, files: map[string]span{}, links: map[string]string{}}
	tr := tar.NewReader(in)
	unseen := maps.Clone(a.sums.read)
	for {
		h, err := tr.Next()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return a.unlike(err)
		}
		place := span{in.n, h.Size}
		if err := again.add(h, in.n); err != nil {
			return a.unlike(err)
		}
		want, ok := a.sums.read[place]
		if !ok || h.Typeflag != tar.TypeReg {
			continue
		}
		sum := sha256.New()
		if _, err := io.Copy(sum, tr); err != nil {
			return a.unlike(err)
		}
		if [sha256.Size]byte(sum.Sum(nil)) != want {
			return a.changed()
		}
		delete(unseen, place)
	}
	if len(unseen) > 0 || !maps.Equal(again.files, a.files) || !maps.Equal(again.links, a.links) {
		return a.changed()
	}
	return nil
}

// unlike: the file was a whole archive when it was opened.
func (a *archive) unlike(err error) error {
	if errors.Is(err, context.Canceled) || errors.Is(err, context.DeadlineExceeded) {
		return err
	}
	return errors.Join(a.changed(), err)
}

// countedReader hashes what is read.
type countedReader struct {
	r io.Reader
	h hash.Hash
	n int64
}

func (c *countedReader) Read(p []byte) (int, error) {
	n, err := c.r.Read(p)
	c.h.Write(p[:n])
	c.n += int64(n)
	return n, err
}
