// SPDX-License-Identifier: Apache-2.0

package main

import (
	"fmt"
	"os"
	"runtime/pprof"

	"github.com/ocigate/ocigate/pkg/cli"
)

// child is the first argument of the process that is profiled.
const child = "-child"

// runChild is cmd/ocigate under the profiler.
func runChild(path string, args []string) int {
	const broken = 125 // no exit code of ocigate's
	f, err := os.Create(path)
	if err == nil {
		err = pprof.StartCPUProfile(f)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "profile:", err)
		return broken
	}
	code := cli.Main(args, cli.Streams{In: os.Stdin, Out: os.Stdout, Err: os.Stderr}, os.LookupEnv)
	pprof.StopCPUProfile()
	if err := f.Close(); err != nil {
		fmt.Fprintln(os.Stderr, "profile:", err)
		return broken
	}
	return code
}
