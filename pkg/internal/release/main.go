// SPDX-License-Identifier: Apache-2.0

// Release makes and pushes ocigate's own image. .github/release/build.sh and the release
// workflow run it; it needs no Docker, and the same input gives the same bytes.
//
// Usage:
//
//	release image -out DIR -version VERSION -created UNIX -roots PEM BINARY...
//	release sbom -out FILE -created UNIX BINARY
//	release vex -in FILE -out FILE -version VERSION -digest DIGEST
//	release push -layout DIR -digest DIGEST REPOSITORY
//
// BINARY is a path that ends in -OS-ARCH. image writes an OCI layout, and prints the digest
// of its index; sbom writes a CycloneDX document about a binary; vex writes the VEX document of one release; push pushes the layout by
// digest, and makes no tag.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"time"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	err := run(ctx, os.Args[1:], os.Stdout)
	stop()
	if err != nil {
		fmt.Fprintln(os.Stderr, "release:", err)
		os.Exit(1)
	}
}

var errUsage = errors.New("usage: release image|sbom|vex|push [flags] ARGUMENT...; see the package's comment")

func run(ctx context.Context, args []string, stdout io.Writer) error {
	if len(args) == 0 {
		return errUsage
	}
	flags := flag.NewFlagSet("release", flag.ContinueOnError)
	out := flags.String("out", "", "what to write")
	version := flags.String("version", "", "the version, v1.2.3")
	created := flags.Int64("created", 0, "when the release was made: the commit's time, in Unix seconds")
	roots := flags.String("roots", "", "the certificate authorities, in PEM form")
	in := flags.String("in", "", "the VEX document of all releases")
	digest := flags.String("digest", "", "the digest of the image's index")
	layout := flags.String("layout", "", "the OCI layout to push")
	if err := flags.Parse(args[1:]); err != nil {
		return err
	}
	switch args[0] {
	case "image":
		if *out == "" || *version == "" || *created <= 0 || *roots == "" || flags.NArg() == 0 {
			return errUsage
		}
		i := image{version: *version, created: time.Unix(*created, 0).UTC()}
		h, err := i.write(*out, *roots, flags.Args())
		if err != nil {
			return err
		}
		_, err = fmt.Fprintln(stdout, h)
		return err
	case "sbom":
		if *out == "" || *created <= 0 || flags.NArg() != 1 {
			return errUsage
		}
		return writeSBOM(flags.Arg(0), *out, time.Unix(*created, 0).UTC())
	case "vex":
		if *in == "" || *out == "" || *version == "" || *digest == "" || flags.NArg() > 0 {
			return errUsage
		}
		return stampVEX(*in, *out, *version, *digest)
	case "push":
		if *layout == "" || *digest == "" || flags.NArg() != 1 {
			return errUsage
		}
		return push(ctx, *layout, *digest, flags.Arg(0))
	}
	return errUsage
}
