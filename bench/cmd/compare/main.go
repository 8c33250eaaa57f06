// SPDX-License-Identifier: Apache-2.0

// Compare measures ocigate beside the Trivy CLI of the same version: the same images,
// the same database, one run, medians. It fails if the programs do not find the same.
package main

import (
	"context"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"regexp"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	if err := run(ctx); err != nil {
		fmt.Fprintln(os.Stderr, "compare:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context) error {
	var o options
	flag.StringVar(&o.ocigate, "ocigate", "../bin/ocigate", "the binary to measure")
	flag.StringVar(&o.trivy, "trivy", "", "the Trivy CLI to measure it beside; default: built from the module trivy")
	flag.StringVar(&o.data, "data", "../../shared/data", "directory with images/ and db/")
	flag.IntVar(&o.runs, "runs", 5, "runs of each program in each case, besides one that is not counted; 0 to compare findings only")
	flag.StringVar(&o.keep, "keep", "", "directory that keeps the large image; default: ocigate/bench in the user's cache")
	only := flag.String("case", "", "measure only the cases whose names this regular expression matches")
	list := flag.Bool("list", false, "list the cases")
	flag.Parse()
	match, err := regexp.Compile(*only)
	if err != nil {
		return err
	}
	o.chosen = match.MatchString
	if *list {
		for _, c := range cases() {
			fmt.Println(c.name)
		}
		return nil
	}
	return o.compare(ctx)
}
