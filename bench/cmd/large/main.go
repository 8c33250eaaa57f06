// SPDX-License-Identifier: Apache-2.0

// Large makes the large image of the benchmark and says where it is.
package main

import (
	"context"
	"flag"
	"fmt"
	"os"

	"github.com/ocigate/ocigate/bench/large"
)

func main() {
	keep := flag.String("keep", "", "directory that keeps the image; default: ocigate/bench in the user's cache")
	data := flag.String("data", "../../shared/data", "directory with images/")
	flag.Parse()
	img, err := large.Make(context.Background(), large.Options{Dir: *keep, Data: *data, Progress: func(s string) { fmt.Fprintln(os.Stderr, s) }})
	if err != nil {
		fmt.Fprintln(os.Stderr, "large:", err)
		os.Exit(1)
	}
	fmt.Printf("%s\n%s\n%s\n%s\n", img.ID, img.About, img.Archive, img.Layout)
}
