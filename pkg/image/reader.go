// SPDX-License-Identifier: Apache-2.0

package image

import (
	"encoding/hex"
	"errors"
	"fmt"
	"hash"
	"io"

	v1 "github.com/google/go-containerregistry/pkg/v1"
)

// hashedReader reads stored bytes, hashes them and returns an *IntegrityError in
// place of io.EOF if they are not what was promised.
type hashedReader struct {
	name string
	r    io.ReadCloser
	h    hash.Hash
	algo string
	want v1.Hash
	size int64 // -1: unknown
	n    int64
	// later: somebody else writes what was read to h, and calls check at the end.
	later bool
}

func newHashedReader(name string, r io.ReadCloser, want v1.Hash, size int64) (*hashedReader, error) {
	algo := want.Algorithm
	if algo == "" {
		algo = "sha256"
	}
	h, err := v1.Hasher(algo)
	if err != nil {
		return nil, faultf(KindUnsupported, "%s: %w", name, err)
	}
	return &hashedReader{name: name, r: r, h: h, algo: algo, want: want, size: size}, nil
}

func (r *hashedReader) Read(p []byte) (int, error) {
	n, err := r.r.Read(p)
	if !r.later {
		r.h.Write(p[:n])
	}
	r.n += int64(n)
	if r.size >= 0 && r.n > r.size {
		return 0, &IntegrityError{r.name, fmt.Sprintf("has more than the %d bytes that its descriptor promises", r.size)}
	}
	if err == nil {
		return n, nil
	}
	if !errors.Is(err, io.EOF) {
		if errors.Is(err, io.ErrUnexpectedEOF) {
			return n, &IntegrityError{r.name, fmt.Sprintf("ends after %d bytes, before its end", r.n)}
		}
		return n, err
	}
	if r.size >= 0 && r.n != r.size {
		return n, &IntegrityError{r.name, fmt.Sprintf("has %d bytes, its descriptor promises %d", r.n, r.size)}
	}
	if !r.later {
		if err := r.check(); err != nil {
			return n, err
		}
	}
	return n, io.EOF
}

// check compares the digest of everything that was hashed.
func (r *hashedReader) check() error {
	if got := r.sum(); r.want != (v1.Hash{}) && got != r.want {
		return &IntegrityError{r.name, fmt.Sprintf("its bytes have the digest %s, not %s", got, r.want)}
	}
	return nil
}

func (r *hashedReader) Close() error { return r.r.Close() }

func (r *hashedReader) sum() v1.Hash {
	return v1.Hash{Algorithm: r.algo, Hex: hex.EncodeToString(r.h.Sum(nil))}
}
