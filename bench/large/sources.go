// SPDX-License-Identifier: Apache-2.0

package large

import (
	"bytes"
	_ "embed"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path"
	"path/filepath"
	"strings"
)

// modules lists Go modules: path, version, and the checksum that go.sum has.
//
//go:embed modules.txt
var modules string

// sources are the files of Go modules, in as many layers as there are shares; shares are
// of the number of modules.
func sources(work string, shares []int) ([]*layer, error) {
	dirs, err := downloadModules(work)
	if err != nil {
		return nil, err
	}
	layers := make([]*layer, len(shares))
	for i := range layers {
		layers[i] = &layer{step: fmt.Sprintf("RUN go mod download # part %d", i+1)}
	}
	at, left := 0, shares[0]
	for _, m := range dirs {
		if left == 0 && at < len(shares)-1 {
			at++
			left = shares[at]
		}
		left--
		if err := layers[at].addDir(path.Join("go/pkg/mod", m.Path+"@"+m.Version), m.Dir); err != nil {
			return nil, err
		}
	}
	return layers, nil
}

type module struct{ Path, Version, Dir, Error string }

// downloadModules finds the modules in the module cache, or fetches them. Go compares
// them with the checksums.
func downloadModules(work string) ([]module, error) {
	dir := filepath.Join(work, "modules")
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return nil, err
	}
	var sums strings.Builder
	args := []string{"mod", "download", "-json"}
	for line := range strings.Lines(modules) {
		f := strings.Fields(line)
		fmt.Fprintln(&sums, line)
		args = append(args, f[0]+"@"+f[1])
	}
	for name, content := range map[string]string{"go.mod": "module example.test/modules\n\ngo 1.26\n", "go.sum": sums.String()} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(content), 0o644); err != nil {
			return nil, err
		}
	}
	cmd := exec.Command("go", args...)
	cmd.Dir = dir
	cmd.Stderr = os.Stderr
	out, err := cmd.Output()
	if err != nil {
		return nil, fmt.Errorf("download the Go modules: %w\n%s", err, out)
	}
	var all []module
	for d := json.NewDecoder(bytes.NewReader(out)); d.More(); {
		var m module
		if err := d.Decode(&m); err != nil {
			return nil, err
		}
		if m.Error != "" {
			return nil, fmt.Errorf("download %s: %s", m.Path, m.Error)
		}
		all = append(all, m)
	}
	return all, nil
}
