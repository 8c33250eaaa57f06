// SPDX-License-Identifier: Apache-2.0

// Floor inflates and hashes every layer of an image and does nothing else: what no
// scanner that checks what it reads can be faster than. It reads as ocigate does, one
// goroutine per layer, largest first.
package main

import (
	"cmp"
	"context"
	"fmt"
	"io"
	"os"
	"slices"

	"golang.org/x/sync/errgroup"

	"github.com/ocigate/ocigate/pkg/image"
)

func main() {
	if err := run(context.Background(), os.Args[1:]); err != nil {
		fmt.Fprintln(os.Stderr, "floor:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, args []string) (err error) {
	if len(args) != 1 {
		return fmt.Errorf("want one image, not %d", len(args))
	}
	temp, err := os.MkdirTemp("", "floor-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(temp)
	set, err := image.Open(ctx, args[0], image.Options{TempDir: temp})
	if err != nil {
		return err
	}
	defer set.Close()
	for _, img := range set.Images {
		if err := drain(ctx, img.Layers); err != nil {
			return err
		}
	}
	return nil
}

func drain(ctx context.Context, layers []*image.Layer) error {
	layers = slices.Clone(layers)
	slices.SortStableFunc(layers, func(a, b *image.Layer) int { return cmp.Compare(b.CompressedSize, a.CompressedSize) })
	g, ctx := errgroup.WithContext(ctx)
	for _, l := range layers {
		g.Go(func() error {
			r, err := l.Open(ctx)
			if err != nil {
				return err
			}
			defer r.Close()
			_, err = io.Copy(io.Discard, r)
			return err
		})
	}
	return g.Wait()
}
