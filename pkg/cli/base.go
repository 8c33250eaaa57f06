// SPDX-License-Identifier: Apache-2.0

package cli

import (
	"context"
	"errors"
	"fmt"
	"os"

	"github.com/spf13/pflag"

	"github.com/ocigate/ocigate/pkg/dockerfile"
	"github.com/ocigate/ocigate/pkg/evidence"
	"github.com/ocigate/ocigate/pkg/gate"
	"github.com/ocigate/ocigate/pkg/image"
)

// baseFlags say what the image is built on.
type baseFlags struct{ base, dockerfile string }

func (f *baseFlags) register(fl *pflag.FlagSet) {
	fl.StringVar(&f.base, "base", "", "the base image that the image is built on: a registry reference, one with a transport, or scratch")
	fl.StringVar(&f.dockerfile, "dockerfile", "", "the Dockerfile that the image was built by: names the base image and gives violations their lines")
}

// fill checks what can be checked before anything is examined.
func (f *baseFlags) fill(req *gate.Request) error {
	if f.base != "" {
		if err := image.CheckBase(f.base); err != nil {
			var e *image.Error
			errors.As(err, &e)
			return &hinted{fmt.Errorf("--base %s: %w", e.Subject, e.Err), e.Hint}
		}
		req.Base = f.base
	}
	if f.dockerfile == "" {
		return nil
	}
	data, err := readRegular(f.dockerfile, dockerfile.MaxSize)
	if err != nil {
		return fmt.Errorf("--dockerfile: %w", err)
	}
	if req.Dockerfile, err = dockerfile.Parse(f.dockerfile, data); err != nil {
		return fmt.Errorf("--dockerfile: %w", err)
	}
	return nil
}

// readRegular reads a file that a build may have left here: it never blocks on a pipe.
func readRegular(path string, limit int64) ([]byte, error) {
	st, err := os.Stat(path)
	if err != nil {
		return nil, err
	}
	if !st.Mode().IsRegular() {
		return nil, fmt.Errorf("%s is not a regular file", path)
	}
	return readFile(path, limit)
}

// FindBase implements gate.Bases.
func (o opener) FindBase(img *image.Image, q image.BaseQuery) func(context.Context) *evidence.Base {
	return image.FindBase(img, q, o.opts)
}
