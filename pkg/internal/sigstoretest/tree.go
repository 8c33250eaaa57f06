// SPDX-License-Identifier: Apache-2.0

package sigstoretest

import (
	"crypto/ecdsa"
	"crypto/sha256"
	"math/bits"
	"sync"
)

// transparencyLog is a log with a Merkle tree of RFC 6962.
type transparencyLog struct {
	key *ecdsa.PrivateKey

	mu     sync.Mutex
	leaves [][]byte
}

func newLog(key *ecdsa.PrivateKey) *transparencyLog { return &transparencyLog{key: key} }

// inclusion proves that a body is in the log.
type inclusion struct {
	index, size int64
	root        []byte
	hashes      [][]byte
}

// add appends a body and proves its inclusion in the tree that ends with it.
func (l *transparencyLog) add(body []byte) inclusion {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.leaves = append(l.leaves, leafHash(body))
	n := len(l.leaves)
	return inclusion{index: int64(n - 1), size: int64(n), root: treeHash(l.leaves), hashes: auditPath(n-1, l.leaves)}
}

func leafHash(body []byte) []byte { return hash(0, body) }

func hash(prefix byte, parts ...[]byte) []byte {
	h := sha256.New()
	h.Write([]byte{prefix})
	for _, p := range parts {
		h.Write(p)
	}
	return h.Sum(nil)
}

func treeHash(leaves [][]byte) []byte {
	if len(leaves) == 1 {
		return leaves[0]
	}
	k := split(len(leaves))
	return hash(1, treeHash(leaves[:k]), treeHash(leaves[k:]))
}

// auditPath is PATH(m, D[n]) of RFC 6962.
func auditPath(m int, leaves [][]byte) [][]byte {
	if len(leaves) == 1 {
		return nil
	}
	k := split(len(leaves))
	if m < k {
		return append(auditPath(m, leaves[:k]), treeHash(leaves[k:]))
	}
	return append(auditPath(m-k, leaves[k:]), treeHash(leaves[:k]))
}

// split is the largest power of two below n.
func split(n int) int { return 1 << (bits.Len(uint(n-1)) - 1) }
