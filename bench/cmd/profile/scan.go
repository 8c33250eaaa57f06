// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"

	"github.com/google/pprof/profile"

	"github.com/ocigate/ocigate/bench"
	"github.com/ocigate/ocigate/bench/large"
)

type options struct {
	ocigate, data, keep, image, save string
	runs, rest                       int
}

// scanned is one column of the table.
type scanned struct {
	name     string
	profiles []*profile.Profile
}

func (o options) write(ctx context.Context, w io.Writer) error {
	dir, err := os.MkdirTemp("", "ocigate-profile-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	images := [][2]string{{"scan", o.image}}
	if o.image == "" {
		img, err := large.Make(ctx, large.Options{Dir: o.keep, Data: o.data, Progress: func(s string) { fmt.Fprintln(os.Stderr, s) }})
		if err != nil {
			return err
		}
		images = [][2]string{{"A: archive, plain layers", img.Archive}, {"B: layout, gzip layers", img.Layout}}
	}
	db, err1 := bench.UnpackDatabase(filepath.Join(o.data, "db", "full-cache.tar.zst"), dir)
	policy := filepath.Join(dir, "policy.yaml")
	if err := errors.Join(err1, os.WriteFile(policy, []byte(bench.Policy), 0o600)); err != nil {
		return err
	}
	var all []scanned
	for _, i := range images {
		s := scanned{name: i[0]}
		for n := range o.runs {
			p, err := o.scan(ctx, dir, db, policy, i[1], fmt.Sprintf("%.1s%d.pprof", i[0], n))
			if err != nil {
				return fmt.Errorf("%s: %w", i[0], err)
			}
			s.profiles = append(s.profiles, p)
		}
		all = append(all, s)
	}
	writePlaces(w, all, o.rest)
	return o.writeStart(w)
}

// scan profiles one cold scan for vulnerabilities and secrets.
func (o options) scan(ctx context.Context, dir, db, policy, image, name string) (*profile.Profile, error) {
	self, err := os.Executable()
	if err != nil {
		return nil, err
	}
	if o.save != "" {
		if dir, err = filepath.Abs(o.save); err != nil {
			return nil, err
		}
	}
	home, err := os.MkdirTemp(filepath.Dir(db), "home-")
	if err != nil {
		return nil, err
	}
	path := filepath.Join(dir, name)
	argv := bench.Scan{Image: image, Secrets: true}.Ocigate(self, db, home, policy)
	cmd := exec.CommandContext(ctx, self, append([]string{child, path}, argv[1:]...)...)
	cmd.Env = bench.Environment(home)
	cmd.Stderr = os.Stderr
	fmt.Fprintln(os.Stderr, "profiling", image)
	if err := cmd.Run(); err != nil && !bench.Decided(cmd.ProcessState.ExitCode()) {
		return nil, err
	}
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	return profile.Parse(f)
}
