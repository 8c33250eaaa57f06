// SPDX-License-Identifier: Apache-2.0

package cli

import (
	"bytes"
	"io/fs"
	"runtime/debug"
	"strconv"
)

const (
	// eagerness is the growth of the heap, in percent, between two garbage collections.
	// A scan allocates much that dies at once: with Go's 100 it spends a sixth of its
	// time collecting.
	eagerness = 300
	// heapShare is how much of the memory there is, in percent, the heap may take before
	// it is collected more often.
	heapShare = 60
)

// tuneCollector trades memory for speed as far as there is memory. Who sets GOGC or
// GOMEMLIMIT, which Go's runtime reads, knows better.
func tuneCollector(env Env, system fs.FS) {
	for _, name := range []string{"GOGC", "GOMEMLIMIT"} {
		if _, set := env(name); set {
			return
		}
	}
	debug.SetGCPercent(eagerness)
	if n := memoryBytes(system); n > 0 {
		debug.SetMemoryLimit(n / 100 * heapShare)
	}
}

// memoryBytes is the memory that the process may use: the limit of its control group
// (version 2 or 1, as a container sees it), or what the machine has. 0 where nothing
// says so.
func memoryBytes(system fs.FS) int64 {
	var least int64
	for _, name := range []string{"sys/fs/cgroup/memory.max", "sys/fs/cgroup/memory/memory.limit_in_bytes"} {
		b, err := fs.ReadFile(system, name)
		if err != nil {
			continue
		}
		// "max" is no number, and no limit.
		if n, err := strconv.ParseInt(string(bytes.TrimSpace(b)), 10, 64); err == nil && n > 0 && (least == 0 || n < least) {
			least = n
		}
	}
	if n := installed(system); n > 0 && (least == 0 || n < least) {
		least = n
	}
	return least
}

// installed is MemTotal of /proc/meminfo, which counts in KiB.
func installed(system fs.FS) int64 {
	b, err := fs.ReadFile(system, "proc/meminfo")
	if err != nil {
		return 0
	}
	for line := range bytes.Lines(b) {
		rest, ok := bytes.CutPrefix(line, []byte("MemTotal:"))
		if f := bytes.Fields(rest); ok && len(f) > 0 {
			if n, err := strconv.ParseInt(string(f[0]), 10, 64); err == nil {
				return n << 10
			}
		}
	}
	return 0
}
