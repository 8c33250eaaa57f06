// SPDX-License-Identifier: Apache-2.0

package main

import (
	"os"

	"github.com/ocigate/ocigate/pkg/cli"
)

func main() {
	os.Exit(cli.Program(os.Args, cli.Streams{In: os.Stdin, Out: os.Stdout, Err: os.Stderr}, os.LookupEnv))
}
