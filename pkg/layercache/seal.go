// SPDX-License-Identifier: Apache-2.0

package layercache

import (
	"crypto/hmac"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/binary"
	"encoding/hex"
	"fmt"
	"hash"
	"sync"

	"github.com/klauspost/compress/zstd"
)

const (
	// maxValue bounds what an entry inflates to, maxSealed what it is before.
	maxValue  = 256 << 20
	maxSealed = 64 << 20

	// magic begins every entry; the last byte is the version of the format.
	magic = "ocigate\x01"
	// Of the byte after it: what the seal is.
	sealSum  = 's'
	sealHMAC = 'h'

	headSize = len(magic) + 1 + sha256.Size
)

// sealer makes entries of values and takes them apart again: magic, kind of seal, seal,
// and the value, compressed.
type sealer struct {
	key []byte
	// id tells entries of different secrets apart, so that those who use different ones
	// do not overwrite each other's.
	id      string
	decoder func() (*zstd.Decoder, error)
	encoder func() (*zstd.Encoder, error)
}

func newSealer(key string) *sealer {
	s := &sealer{key: []byte(key),
		decoder: sync.OnceValues(func() (*zstd.Decoder, error) {
			return zstd.NewReader(nil, zstd.WithDecoderMaxMemory(maxValue), zstd.WithDecoderConcurrency(0))
		}),
		encoder: sync.OnceValues(func() (*zstd.Encoder, error) {
			return zstd.NewWriter(nil, zstd.WithEncoderLevel(zstd.SpeedFastest), zstd.WithLowerEncoderMem(true))
		}),
	}
	if key != "" {
		m := hmac.New(sha256.New, s.key)
		m.Write([]byte("ocigate cache key id"))
		s.id = hex.EncodeToString(m.Sum(nil)[:8])
	}
	return s
}

// name is what an entry is called where it is kept.
func (s *sealer) name(kind, key string) string {
	h := sha256.New()
	writeParts(h, s.id, kind, key)
	return hex.EncodeToString(h.Sum(nil))
}

// writeParts writes parts so that no other parts give the same bytes.
func writeParts(h hash.Hash, parts ...string) {
	for _, p := range parts {
		h.Write(binary.BigEndian.AppendUint64(nil, uint64(len(p))))
		h.Write([]byte(p))
	}
}

func (s *sealer) mode() byte {
	if len(s.key) > 0 {
		return sealHMAC
	}
	return sealSum
}

func (s *sealer) sum(kind, key string, payload []byte) []byte {
	h := sha256.New()
	if len(s.key) > 0 {
		h = hmac.New(sha256.New, s.key)
	}
	writeParts(h, magic, kind, key)
	h.Write(payload)
	return h.Sum(nil)
}

func (s *sealer) seal(kind, key string, value []byte) ([]byte, error) {
	if len(value) > maxValue {
		return nil, fmt.Errorf("an entry of %d bytes is too large to keep", len(value))
	}
	z, err := s.encoder()
	if err != nil {
		return nil, err
	}
	out := make([]byte, headSize, headSize+len(value)/4+64)
	out = z.EncodeAll(value, out)
	if len(out) > maxSealed {
		return nil, fmt.Errorf("an entry of %d bytes, compressed, is too large to keep", len(out))
	}
	copy(out, magic)
	out[len(magic)] = s.mode()
	copy(out[len(magic)+1:], s.sum(kind, key, out[headSize:]))
	return out, nil
}

// open inflates nothing before the seal is checked.
func (s *sealer) open(kind, key string, sealed []byte) ([]byte, error) {
	if len(sealed) < headSize || len(sealed) > maxSealed || string(sealed[:len(magic)]) != magic || sealed[len(magic)] != s.mode() {
		return nil, errSeal
	}
	payload := sealed[headSize:]
	if subtle.ConstantTimeCompare(sealed[len(magic)+1:headSize], s.sum(kind, key, payload)) != 1 {
		return nil, errSeal
	}
	z, err := s.decoder()
	if err != nil {
		return nil, err
	}
	value, err := z.DecodeAll(payload, nil)
	if err != nil || len(value) > maxValue {
		return nil, errSeal
	}
	return value, nil
}
