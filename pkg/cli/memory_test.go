// SPDX-License-Identifier: Apache-2.0

package cli

import (
	"testing"
	"testing/fstest"
)

func TestMemoryOfTheProcess(t *testing.T) {
	file := func(s string) *fstest.MapFile { return &fstest.MapFile{Data: []byte(s)} }
	meminfo := file("MemTotal:       16384 kB\nMemFree:         100 kB\n")
	for name, c := range map[string]struct {
		files fstest.MapFS
		want  int64
	}{
		"nothing known":           {fstest.MapFS{}, 0},
		"a machine":               {fstest.MapFS{"proc/meminfo": meminfo}, 16 << 20},
		"a container":             {fstest.MapFS{"proc/meminfo": meminfo, "sys/fs/cgroup/memory.max": file("1048576\n")}, 1 << 20},
		"a container of old":      {fstest.MapFS{"proc/meminfo": meminfo, "sys/fs/cgroup/memory/memory.limit_in_bytes": file("2097152\n")}, 2 << 20},
		"no limit":                {fstest.MapFS{"proc/meminfo": meminfo, "sys/fs/cgroup/memory.max": file("max\n")}, 16 << 20},
		"no limit of old":         {fstest.MapFS{"proc/meminfo": meminfo, "sys/fs/cgroup/memory/memory.limit_in_bytes": file("9223372036854771712\n")}, 16 << 20},
		"a limit that is damaged": {fstest.MapFS{"proc/meminfo": meminfo, "sys/fs/cgroup/memory.max": file("-5\n")}, 16 << 20},
	} {
		if got := memoryBytes(c.files); got != c.want {
			t.Errorf("%s: %d, want %d", name, got, c.want)
		}
	}
}
