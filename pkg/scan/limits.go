// SPDX-License-Identifier: Apache-2.0

package scan

import (
	"cmp"
	"fmt"
)

// Limits bound what a hostile image can cost. Reaching one is an
// evidence.Problem of AreaLimit. Zero means the default.
type Limits struct {
	// LayerBytes is the uncompressed size of one layer; default 64 GiB.
	LayerBytes int64
	// Entries is the number of entries of one layer's tar; default 5 million.
	Entries int
	// PathBytes is the length of one path; default 16 KiB.
	PathBytes int
	// SparseBytes is by how much the logical size of a sparse file may exceed the
	// bytes that are present; default 64 MiB.
	SparseBytes int64
	// FileBytes is the size of a file that is handed to an analyser; default 8 GiB.
	FileBytes int64
	// PostBytes is what the files of one layer that analysers want together may take
	// on disk; what fits into 512 MiB stays in memory. Default 16 GiB.
	PostBytes int64
	// ArchiveBytes is what the nested archives of one file may inflate to; default 4 GiB.
	ArchiveBytes int64
	// ArchiveDepth is how deep archives may be nested; default 6.
	ArchiveDepth int
	// ArchiveEntries is the number of entries of one file's nested archives; default 1 million.
	ArchiveEntries int
}

func (l Limits) withDefaults() Limits {
	l.LayerBytes = cmp.Or(l.LayerBytes, 64<<30)
	l.Entries = cmp.Or(l.Entries, 5_000_000)
	l.PathBytes = cmp.Or(l.PathBytes, 16<<10)
	l.SparseBytes = cmp.Or(l.SparseBytes, 64<<20)
	l.FileBytes = cmp.Or(l.FileBytes, 8<<30)
	l.PostBytes = cmp.Or(l.PostBytes, 16<<30)
	l.ArchiveBytes = cmp.Or(l.ArchiveBytes, 4<<30)
	l.ArchiveDepth = cmp.Or(l.ArchiveDepth, 6)
	l.ArchiveEntries = cmp.Or(l.ArchiveEntries, 1_000_000)
	return l
}

// LimitError says which limit was reached, and by what.
type LimitError struct {
	What    string
	Message string
}

func (e *LimitError) Error() string { return fmt.Sprintf("%s: %s", e.What, e.Message) }
