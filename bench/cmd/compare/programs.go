// SPDX-License-Identifier: Apache-2.0

package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"

	"github.com/ocigate/ocigate/bench"
	"github.com/ocigate/ocigate/bench/usage"
)

// program is one of those that run in turn.
type program struct {
	name string
	argv []string
	// forget is a directory that is removed before each run.
	forget string
	ok     func(code int) bool
	// output keeps what the first run wrote.
	output string
}

func succeeded(code int) bool { return code == 0 }

// programs are those of a case: Trivy, ocigate and, unless layers are cached, the floor.
func (b *comparison) programs(c aCase, s bench.Scan) ([]program, error) {
	if c.start {
		return []program{
			{name: "trivy", argv: []string{b.trivy, "--version"}, ok: succeeded},
			{name: "ocigate", argv: []string{b.ocigate, "version"}, ok: succeeded},
		}, nil
	}
	dir, err := os.MkdirTemp(b.dir, "case-")
	if err != nil {
		return nil, err
	}
	policy := b.policies[c.secrets]
	s.Secrets = c.secrets
	own := filepath.Join(dir, "ocigate")
	p := []program{
		{name: "trivy", argv: s.Trivy(b.trivy, b.database, false), ok: succeeded, output: filepath.Join(dir, "trivy.json")},
		{name: "ocigate", argv: s.Ocigate(b.ocigate, b.database, own, policy), forget: own, ok: bench.Decided, output: filepath.Join(dir, "ocigate.json")},
		{name: "floor", argv: []string{b.floor, s.Reference()}, ok: succeeded},
	}
	if !c.cached {
		return p, nil
	}
	theirs := filepath.Join(dir, "trivy") // the databases, and a layer cache of its own
	err = os.Mkdir(theirs, 0o755)
	for _, d := range []string{"db", "java-db"} {
		err = errors.Join(err, os.Symlink(filepath.Join(b.database, d), filepath.Join(theirs, d)))
	}
	p[0].argv = s.Trivy(b.trivy, theirs, true)
	p[1].forget = ""
	return p[:2], err
}

// run runs a program once.
func (b *comparison) run(ctx context.Context, p program) (u usage.Usage, err error) {
	if p.forget != "" {
		if err := os.RemoveAll(p.forget); err != nil {
			return u, err
		}
	}
	output := p.output
	if output == "" {
		output = os.DevNull
	}
	cmd := exec.CommandContext(ctx, b.measure, append([]string{output}, p.argv...)...)
	cmd.Cancel = func() error { return cmd.Process.Signal(os.Interrupt) } // so that it ends the program
	cmd.Env = bench.Environment(b.home)
	var out, said bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &said
	if err := cmd.Run(); err != nil {
		return u, fmt.Errorf("%s: %w\n%s", p.name, err, said.Bytes())
	}
	if err := json.Unmarshal(out.Bytes(), &u); err != nil {
		return u, fmt.Errorf("measure %s: %w", p.name, err)
	}
	if !p.ok(u.Code) {
		return u, fmt.Errorf("%q exits with %d\n%s", p.argv, u.Code, said.Bytes())
	}
	return u, nil
}

// compareFindings reads what the last runs of Trivy and ocigate wrote.
func compareFindings(c aCase, trivy, ocigate program) (found string, different []string, searched bool, err error) {
	theirs, err1 := os.ReadFile(trivy.output)
	ours, err2 := os.ReadFile(ocigate.output)
	if err := errors.Join(err1, err2); err != nil {
		return "", nil, false, err
	}
	want, err1 := bench.ParseTrivy(theirs)
	got, err2 := bench.ParseOcigate(ours)
	if err := errors.Join(err1, err2); err != nil {
		return "", nil, false, err
	}
	searched = got.SecretScan
	if !c.secrets {
		got.Secrets = nil
	}
	return want.String(), bench.Diff(want, got), searched, nil
}
