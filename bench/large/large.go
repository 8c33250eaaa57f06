// SPDX-License-Identifier: Apache-2.0

// Package large makes the large image of the benchmark, the same on every machine: only
// the recipe is in the repository. Its content is real where it can be (sources of Go
// modules, Go programs, the npm packages and the Alpine base of the shared images) and
// otherwise out of a fixed sequence of random numbers.
package large

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
)

// recipe is raised whenever the content changes.
const recipe = 1

// Image is where the large image is, in both forms.
type Image struct {
	// Archive is what `docker save` writes, with plain layers. Layout is an OCI layout of
	// the same layers in gzip, as compress/gzip makes it at level 6.
	Archive, Layout string
	// ID is the digest of the configuration, and so of all content: two images of the
	// same ID are the same.
	ID string
	// About says what is in it.
	About string
}

// Options say where the image is kept and what it is made of.
type Options struct {
	// Dir keeps the image for the next time; empty for one below the user's cache.
	Dir string
	// Data is the directory of the shared images; where it is not there, generated
	// content stands in, and About says so.
	Data string
	// Progress receives one line per step.
	Progress func(string)
}

// Make makes the image, or finds it made.
func Make(ctx context.Context, o Options) (*Image, error) {
	dir, err := o.dir()
	if err != nil {
		return nil, err
	}
	out := &Image{Archive: filepath.Join(dir, "image.tar"), Layout: filepath.Join(dir, "layout")}
	about := filepath.Join(dir, "about.txt") // written last: with it the image is complete
	if b, err := os.ReadFile(about); err == nil {
		id, text, _ := strings.Cut(string(b), "\n")
		out.ID, out.About = id, strings.TrimSpace(text)
		return out, nil
	}
	if err := errors.Join(os.RemoveAll(dir), os.MkdirAll(dir, 0o755)); err != nil {
		return nil, err
	}
	work, err := os.MkdirTemp(dir, "work-")
	if err != nil {
		return nil, err
	}
	defer os.RemoveAll(work)
	if err := o.make(ctx, work, out); err != nil {
		return nil, errors.Join(fmt.Errorf("make the large image: %w", err), os.RemoveAll(dir))
	}
	return out, os.WriteFile(about, []byte(out.ID+"\n"+out.About+"\n"), 0o644)
}

// dir is named after all that the content depends on.
func (o Options) dir() (string, error) {
	parent := o.Dir
	if parent == "" {
		cache, err := os.UserCacheDir()
		if err != nil {
			return "", err
		}
		parent = filepath.Join(cache, "ocigate", "bench")
	}
	version, err := exec.Command("go", "env", "GOVERSION").Output()
	if err != nil {
		return "", fmt.Errorf("go env: %w", err)
	}
	variant := "shared"
	if _, err := os.Stat(filepath.Join(o.Data, "images")); err != nil {
		variant = "generated"
	}
	return filepath.Abs(filepath.Join(parent, fmt.Sprintf("large-v%d-%s-%s", recipe, strings.TrimSpace(string(version)), variant)))
}

func (o Options) progress(format string, args ...any) {
	if o.Progress != nil {
		o.Progress(fmt.Sprintf(format, args...))
	}
}

func (o Options) make(ctx context.Context, work string, out *Image) error {
	layers, real, err := o.layers(ctx, work)
	if err != nil {
		return err
	}
	var files int
	var bytes int64
	for i, l := range layers {
		o.progress("layer %d of %d: %s", i+1, len(layers), l.step)
		if err := l.write(filepath.Join(work, fmt.Sprintf("layer%02d.tar", i))); err != nil {
			return err
		}
		files += len(l.files)
		bytes += l.size
		l.files = nil
	}
	config, err := configuration(layers)
	if err != nil {
		return err
	}
	out.ID = "sha256:" + digest(config)
	out.About = fmt.Sprintf("recipe %d, %d layers, %d files, %d MB, %s", recipe, len(layers), files, bytes/1e6, real)
	o.progress("docker archive")
	if err := writeArchive(out.Archive, config, layers); err != nil {
		return err
	}
	o.progress("layout: gzip")
	return writeLayout(out.Layout, config, layers)
}

// layers are the steps of the build, base first.
func (o Options) layers(ctx context.Context, work string) (layers []*layer, about string, err error) {
	o.progress("base and npm packages")
	alpine, realBase, err1 := base(ctx, o.Data)
	node, realNode, err2 := npm(ctx, o.Data)
	o.progress("jars, Python packages, generated files")
	java, err3 := jars()
	o.progress("Go modules (fetched where the module cache lacks them)")
	code, err4 := sources(work, []int{3, 13, 20, 5})
	o.progress("Go programs (minutes, the first time)")
	programs, err5 := binaries(work)
	if err := errors.Join(err1, err2, err3, err4, err5); err != nil {
		return nil, "", err
	}
	licence, err := os.ReadFile(filepath.Join(strings.TrimSpace(goroot()), "LICENSE"))
	if err != nil {
		return nil, "", err
	}
	about = "Alpine and npm packages of the shared images"
	if !realBase || !realNode {
		about = "Alpine and npm packages GENERATED, as the shared images are not there"
	}
	layers = append([]*layer{alpine, python(licence)}, code...)
	return append(layers, programs, node, java, generated(), planted()), about, nil
}

func goroot() string {
	out, _ := exec.Command("go", "env", "GOROOT").Output() // without it the licence is not found
	return string(out)
}
