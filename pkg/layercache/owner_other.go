// SPDX-License-Identifier: Apache-2.0

//go:build !unix

package layercache

import "io/fs"

// othersCanWrite cannot be told from a mode here: the user's own directory is the user's.
func othersCanWrite(fs.FileInfo) bool { return false }
