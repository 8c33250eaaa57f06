// SPDX-License-Identifier: Apache-2.0

package main

import (
	"fmt"
	"io"
	"os"
	"os/exec"
	"runtime"
	"strings"
	"time"

	"github.com/ocigate/ocigate/bench/usage"
)

// missed marks a figure that is above its target.
const missed = "✗"

// table is Markdown.
type table struct{ rows []string }

func (t *table) add(c aCase, m *measured, first *measured) {
	name := c.name
	if len(m.different) > 0 {
		name += " **FINDINGS DIFFER**"
	}
	if !c.secrets && !c.start && m.searched {
		name += " (ocigate searched for secrets all the same)"
	}
	t.row(name, c, m, m.trivy, c.wall)
	if c.first > 0 && first != nil {
		t.row(name+", beside the CLI's first", c, m, first.trivy, c.first)
	}
}

// row sets ocigate beside one of the CLI's runs.
func (t *table) row(name string, c aCase, m *measured, trivy usage.Usage, target float64) {
	t.rows = append(t.rows, fmt.Sprintf("| %s | %s | %s | %s | %s | %s | %s | %s | %s | %s | %s | %s |", name, wall(trivy), wall(m.ocigate),
		ratio(m.ocigate.Wall.Seconds(), trivy.Wall.Seconds(), target), bound(target),
		wall(m.floor), withBound(m.ocigate.Wall.Seconds(), m.floor.Wall.Seconds(), c.floor),
		megabytes(trivy), megabytes(m.ocigate), withBound(float64(m.ocigate.Memory), float64(trivy.Memory), c.memory),
		cpu(trivy), cpu(m.ocigate)))
}

func (t *table) write(w io.Writer) {
	fmt.Fprintln(w, "| case | Trivy | ocigate | ratio | target | floor | ocigate to floor | Trivy, peak memory | ocigate, peak memory | ratio | Trivy, CPU | ocigate, CPU |")
	fmt.Fprintln(w, "|---|--:|--:|--:|--:|--:|--:|--:|--:|--:|--:|--:|")
	for _, r := range t.rows {
		fmt.Fprintln(w, r)
	}
	fmt.Fprintln(w)
}

func bound(target float64) string {
	if target == 0 {
		return ""
	}
	return fmt.Sprintf("≤ %.2f", target)
}

// ratio is marked if it is above the target.
func ratio(a, b, target float64) string {
	if b == 0 {
		return ""
	}
	s := fmt.Sprintf("%.2f", a/b)
	if target > 0 && a/b > target {
		s += " " + missed
	}
	return s
}

func withBound(a, b, target float64) string {
	s := ratio(a, b, target)
	if s != "" && target > 0 {
		s += " (" + bound(target) + ")"
	}
	return s
}

func wall(u usage.Usage) string {
	switch {
	case u.Wall == 0:
		return ""
	case u.Wall < time.Second:
		return fmt.Sprintf("%d ms", u.Wall.Milliseconds())
	}
	return fmt.Sprintf("%.2f s", u.Wall.Seconds())
}

func cpu(u usage.Usage) string       { return fmt.Sprintf("%.2f s", u.CPU.Seconds()) }
func megabytes(u usage.Usage) string { return fmt.Sprintf("%d MB", u.Memory/1e6) }

// heading says on what and with what was measured.
func (b *comparison) heading() {
	fmt.Printf("Trivy %s. Medians of %s in turn (start of the process: %d), %s/%s, %d processors, %s%s. A figure above its target is marked %s.\n",
		trivyVersion(), runs(b.runs), startRuns, runtime.GOOS, runtime.GOARCH, runtime.NumCPU(), runtime.Version(), load(), missed)
	if l := b.images.large; l != nil {
		fmt.Printf("\nLarge image %s: %s. B: gzip of Go's compress/gzip, level 6; the registry is go-containerregistry's on loopback, blobs on disk.\n", l.ID, l.About)
	}
	fmt.Println("\nFloor: inflates and hashes every layer with ocigate's pkg/image, one goroutine per layer, and nothing else.")
	fmt.Println()
}

func runs(n int) string {
	if n == 0 {
		return "ONE cold run"
	}
	return fmt.Sprintf("%d runs", n)
}

// load warns of a machine that had other things to do.
func load() string {
	b, err := os.ReadFile("/proc/loadavg")
	if err != nil {
		return ""
	}
	f := strings.Fields(string(b))
	return ", load average at the end " + strings.Join(f[:3], " ")
}

func trivyVersion() string {
	cmd := exec.Command("go", "list", "-m", "-f", "{{.Version}}", "github.com/aquasecurity/trivy")
	cmd.Dir = "trivy"
	out, err := cmd.Output()
	if err != nil {
		return "of an unknown version"
	}
	return strings.TrimSpace(string(out))
}

// sizes compares the programs as files, both stripped.
func (b *comparison) sizes() error {
	if !b.chosen("binary, stripped") {
		return nil
	}
	var size [2]int64
	for i, path := range []string{b.trivy, b.ocigate} {
		info, err := os.Stat(path)
		if err != nil {
			return err
		}
		size[i] = info.Size()
	}
	fmt.Printf("| | Trivy | ocigate | ratio | target |\n|---|--:|--:|--:|--:|\n| binary, stripped | %.1f MB | %.1f MB | %s | < 1 |\n",
		float64(size[0])/1e6, float64(size[1])/1e6, ratio(float64(size[1]), float64(size[0]), 1))
	return nil
}
