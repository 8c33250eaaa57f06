// SPDX-License-Identifier: Apache-2.0

//go:build unix

package layercache

import (
	"io/fs"
	"os"
	"syscall"
)

// othersCanWrite says whether somebody but this user and root may put entries into a
// directory.
func othersCanWrite(info fs.FileInfo) bool {
	if info.Mode().Perm()&0o022 != 0 {
		return true
	}
	st, ok := info.Sys().(*syscall.Stat_t)
	return !ok || st.Uid != 0 && int(st.Uid) != os.Geteuid()
}
