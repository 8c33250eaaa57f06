// SPDX-License-Identifier: Apache-2.0

// Compare measures ocigate beside the Trivy CLI of the same version: the same
// images, the same database, one run, medians.
package main

import (
	"errors"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/ocigate/ocigate/bench"
)

func main() {
	if err := run(); err != nil {
		fmt.Fprintln(os.Stderr, "compare:", err)
		os.Exit(1)
	}
}

func run() error {
	ocigate := flag.String("ocigate", "../bin/ocigate", "the binary to measure")
	data := flag.String("data", "../../shared/data", "directory with images/ and db/")
	runs := flag.Int("runs", 5, "runs of each program on each image")
	flag.Parse()
	if _, err := os.Stat(*data); err != nil {
		return fmt.Errorf("%w: name a directory with images/*.tar and db/full-cache.tar.zst with -data", err)
	}
	dir, err := os.MkdirTemp("", "ocigate-bench-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	fmt.Fprintln(os.Stderr, "building the Trivy CLI (minutes, the first time)")
	trivy, err := bench.BuildTrivy(dir)
	if err != nil {
		return err
	}
	db := filepath.Join(dir, "cache")
	unpack := exec.Command("sh", "-c", `mkdir -p "$1" && zstd -dc --long=27 "$2" | tar -x -C "$1"`, "sh", db, filepath.Join(*data, "db", "full-cache.tar.zst"))
	if out, err := unpack.CombinedOutput(); err != nil {
		return fmt.Errorf("unpack the database: %w\n%s", err, out)
	}
	policy := filepath.Join(dir, "policy.yaml")
	if err := os.WriteFile(policy, []byte(bench.Policy), 0o600); err != nil {
		return err
	}
	images, err := filepath.Glob(filepath.Join(*data, "images", "*.tar"))
	if err != nil {
		return err
	}
	w := tabwriter.NewWriter(os.Stdout, 0, 0, 2, ' ', tabwriter.AlignRight)
	fmt.Fprintln(w, "image\ttrivy\tocigate, first\tratio\tocigate, cached\tratio\t")
	for _, image := range images {
		if strings.HasSuffix(image, ".oci.tar") {
			continue // the CLI reads no tar of a layout
		}
		var times [3][]time.Duration
		for i := range *runs {
			cold := filepath.Join(dir, fmt.Sprint("cold", i))
			for k, f := range []func() (bench.Result, error){
				func() (bench.Result, error) { return bench.RunTrivy(trivy, db, image) },
				func() (bench.Result, error) { return bench.RunOcigate(*ocigate, db, cold, policy, image) },
				func() (bench.Result, error) { return bench.RunOcigate(*ocigate, db, cold, policy, image) },
			} {
				start := time.Now()
				if _, err := f(); err != nil {
					return err
				}
				times[k] = append(times[k], time.Since(start))
			}
			if err := errors.Join(os.RemoveAll(cold)); err != nil {
				return err
			}
		}
		a, b, c := median(times[0]), median(times[1]), median(times[2])
		fmt.Fprintf(w, "%s\t%s\t%s\t%.2f\t%s\t%.2f\t\n", filepath.Base(image), a.Round(time.Millisecond),
			b.Round(time.Millisecond), b.Seconds()/a.Seconds(), c.Round(time.Millisecond), c.Seconds()/a.Seconds())
	}
	return w.Flush()
}

func median(d []time.Duration) time.Duration {
	slices.Sort(d)
	return d[len(d)/2]
}
