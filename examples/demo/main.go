// SPDX-License-Identifier: Apache-2.0

// Demo writes what `make demo` gates, from the text files in this directory and
// without the network: a small vulnerability database of real advisories and two
// releases of an invented shop as OCI archives. shop-1.0 has old packages, a
// secret and runs as root; shop-1.1 has none of that.
//
// Usage:
//
//	go run ./examples/demo -out DIR [-updated 2026-01-31T12:00:00Z]
package main

import (
	"embed"
	"flag"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"time"
)

//go:embed fixtures
var fixtures embed.FS

//go:embed ocigate.yaml
var policyFile []byte

func main() {
	if err := run(os.Args[1:], os.Stdout); err != nil {
		fmt.Fprintln(os.Stderr, "demo:", err)
		os.Exit(1)
	}
}

func run(args []string, stdout io.Writer) error {
	flags := flag.NewFlagSet("demo", flag.ContinueOnError)
	out := flags.String("out", "", "directory to write to")
	updated := flags.String("updated", "", "when the database was made, RFC 3339 (default: now)")
	if err := flags.Parse(args); err != nil {
		return err
	}
	if *out == "" || flags.NArg() > 0 {
		return fmt.Errorf("usage: demo -out DIR [-updated TIME]")
	}
	at := time.Now().UTC().Truncate(time.Second)
	if *updated != "" {
		var err error
		if at, err = time.Parse(time.RFC3339, *updated); err != nil {
			return err
		}
	}
	return write(*out, at, stdout)
}

// write writes everything below dir.
func write(dir string, updated time.Time, stdout io.Writer) error {
	if err := writeDatabase(filepath.Join(dir, "trivy-cache"), updated); err != nil {
		return fmt.Errorf("database: %w", err)
	}
	for _, r := range releases() {
		path := filepath.Join(dir, "shop-"+r.version+".oci.tar")
		if err := writeImage(path, r); err != nil {
			return fmt.Errorf("%s: %w", path, err)
		}
	}
	if err := os.WriteFile(filepath.Join(dir, "ocigate.yaml"), policyFile, 0o644); err != nil {
		return err
	}
	_, err := fmt.Fprintf(stdout, "wrote a database, two images and a policy to %s\n", dir)
	return err
}
