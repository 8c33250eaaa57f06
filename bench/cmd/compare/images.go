// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"github.com/ocigate/ocigate/bench"
	"github.com/ocigate/ocigate/bench/large"
)

// images makes each image ready when the first case asks for it.
type images struct {
	options
	dir        string
	large      *large.Image
	registries []*bench.DiskRegistry
	ready      map[string]bench.Scan
}

func (i *images) close() {
	for _, r := range i.registries {
		r.Close()
	}
}

// get says how the image is read by both programs.
func (i *images) get(ctx context.Context, name string) (bench.Scan, error) {
	if s, ok := i.ready[name]; ok {
		return s, nil
	}
	s, err := i.make(ctx, name)
	if err != nil {
		return s, fmt.Errorf("image %s: %w", name, err)
	}
	i.ready[name] = s
	return s, nil
}

func (i *images) make(ctx context.Context, name string) (s bench.Scan, err error) {
	switch name {
	case largeArchive, largeLayout, largeRegistry:
		if i.large == nil {
			if i.large, err = large.Make(ctx, large.Options{Dir: i.keep, Data: i.data, Progress: progress}); err != nil {
				return s, err
			}
		}
	}
	switch {
	case name == largeArchive:
		return bench.Scan{Image: i.large.Archive}, nil
	case name == largeLayout:
		return bench.Scan{Image: i.large.Layout}, nil
	case name == largeRegistry:
		r, err := i.registry(i.large.Layout)
		if err != nil {
			return s, err
		}
		ref, err := r.PushLayout(i.large.Layout, "large")
		return bench.Scan{Image: ref, Registry: true}, err
	case name == alpine:
		r, err := i.registry(filepath.Join(i.dir, "registry"))
		if err != nil {
			return s, err
		}
		ref, err := r.PushArchive(filepath.Join(i.data, "images", "alpine-3.20.3.tar"), "alpine")
		return bench.Scan{Image: ref, Registry: true}, err
	case strings.HasSuffix(name, ".oci.tar"): // the CLI reads layouts, but no tar of one: both get the layout
		dir := filepath.Join(i.dir, strings.TrimSuffix(name, ".oci.tar"))
		return bench.Scan{Image: dir}, bench.Untar(filepath.Join(i.data, "images", name), dir)
	}
	path := filepath.Join(i.data, "images", name)
	_, err = os.Stat(path)
	return bench.Scan{Image: path}, err
}

func (i *images) registry(dir string) (*bench.DiskRegistry, error) {
	r, err := bench.NewDiskRegistry(dir)
	if err == nil {
		i.registries = append(i.registries, r)
	}
	return r, err
}
