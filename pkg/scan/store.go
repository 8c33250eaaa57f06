// SPDX-License-Identifier: Apache-2.0

package scan

import (
	"context"
	"math/bits"
	"sync"
	"sync/atomic"

	"golang.org/x/sync/semaphore"
)

// store bounds what the contents of files take of memory, over all layers in flight,
// and uses their buffers again.
type store struct {
	// open is for files that are being looked at: who wants more waits.
	open *semaphore.Weighted
	// kept counts files that wait until their layer is complete.
	kept  atomic.Int64
	pools [32]sync.Pool
}

const (
	// openBytes is how much the files that are being looked at may take. One file of
	// memoryBytes, rounded up, must fit.
	openBytes = 128 << 20
	// keptBytes is how much the files that wait may take; more goes to disk.
	keptBytes = 192 << 20
	// minBuffer is the smallest buffer that is used again, as a power of two.
	minBuffer = 12
)

func newStore() *store { return &store{open: semaphore.NewWeighted(openBytes)} }

// class is the power of two that size fits into.
func class(size int64) int { return max(minBuffer, bits.Len64(uint64(max(size, 1)-1))) }

// take gives c a buffer of size bytes, with content that is not defined.
func (s *store) take(ctx context.Context, c *content, size int64) error {
	k := class(size)
	if err := s.open.Acquire(ctx, 1<<k); err != nil {
		return err
	}
	c.held = 1 << k
	buf, ok := s.pools[k].Get().(*[]byte)
	if !ok {
		b := make([]byte, 1<<k)
		buf = &b
	}
	c.pooled, c.data = buf, (*buf)[:size]
	return nil
}

// give takes the buffer of c back.
func (s *store) give(c *content) {
	if c.pooled == nil {
		return
	}
	if c.held > 0 {
		s.open.Release(c.held)
	} else {
		s.kept.Add(-int64(len(*c.pooled)))
	}
	s.pools[class(int64(len(*c.pooled)))].Put(c.pooled)
	c.pooled, c.data, c.held = nil, nil, 0
}

// keep turns an open content into one that waits. It says false if there is no room.
func (s *store) keep(c *content) bool {
	if c.pooled == nil || c.held == 0 {
		return true // on disk, or kept already
	}
	if n := int64(len(*c.pooled)); s.kept.Add(n) > keptBytes {
		s.kept.Add(-n)
		return false
	}
	s.open.Release(c.held)
	c.held = 0
	return true
}
