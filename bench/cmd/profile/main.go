// SPDX-License-Identifier: Apache-2.0

// Profile says where the CPU goes in a cold scan of the large image, by place, and what
// the start of the process initialises. It runs what cmd/ocigate runs in a process of its
// own, under Go's profiler: the product has no flag for that.
package main

import (
	"context"
	"flag"
	"fmt"
	"io"
	"os"
)

func main() {
	if len(os.Args) > 2 && os.Args[1] == child {
		os.Exit(runChild(os.Args[2], os.Args[3:]))
	}
	if err := run(context.Background()); err != nil {
		fmt.Fprintln(os.Stderr, "profile:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context) (err error) {
	var o options
	flag.StringVar(&o.ocigate, "ocigate", "../bin/ocigate", "the binary whose start is measured")
	flag.StringVar(&o.data, "data", "../../shared/data", "directory with images/ and db/")
	flag.StringVar(&o.keep, "keep", "", "directory that keeps the large image; default: ocigate/bench in the user's cache")
	flag.StringVar(&o.image, "image", "", "profile the scan of this image in place of the large archive and layout")
	flag.StringVar(&o.save, "save", "", "directory for the profiles themselves, for go tool pprof")
	flag.IntVar(&o.runs, "runs", 3, "scans of each image; their profiles are added up")
	rest := flag.Int("rest", 0, "list this many functions that no place is named for")
	markdown := flag.String("markdown", "-", "file for the tables; - for standard output")
	flag.Parse()
	o.rest = *rest
	out := io.Writer(os.Stdout)
	if *markdown != "-" {
		f, err := os.Create(*markdown)
		if err != nil {
			return err
		}
		defer func() {
			if e := f.Close(); err == nil {
				err = e
			}
		}()
		out = f
	}
	return o.write(ctx, out)
}
