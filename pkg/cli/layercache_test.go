// SPDX-License-Identifier: Apache-2.0

package cli_test

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/gomodule/redigo/redis"

	"github.com/ocigate/ocigate/pkg/internal/imagetest"
	"github.com/ocigate/ocigate/pkg/internal/redistest"
	"github.com/ocigate/ocigate/pkg/internal/sharedtest"
)

const cacheKey = "0123456789abcdef0123456789abcdef"

const cachePolicy = `version: 1
name: cache
database: {max-age: 520w}
coverage: {packages: optional}
rules:
  vulnerabilities: [{id: serious, severity: [critical, high, unknown]}]
  secrets: [{id: no-secrets}]
  files: [{id: privileges, setuid: [/bin/su], world-writable: forbidden}]
  layers: [{id: lean, max-wasted: 1KiB}]
`

// reports runs the program with a cache directory and returns the bytes of its reports by
// format, and what it wrote to standard error.
func (p *process) reports(image, cacheDir string, env []string, args ...string) (map[string]string, string) {
	p.t.Helper()
	formats := []string{"json", "sarif", "junit", "evidence", "text"}
	cmd, _, errs := p.command(append([]string{image, "--effective-time", "2026-11-24", "--allow-past"}, args...)...)
	i := slices.Index(cmd.Args, "--cache-dir")
	cmd.Args[i+1] = cacheDir
	out := p.t.TempDir()
	for _, f := range formats {
		cmd.Args = append(cmd.Args, "--output", f+"="+filepath.Join(out, f))
	}
	cmd.Env = append(cmd.Env, env...)
	if err := cmd.Run(); err != nil && cmd.ProcessState.ExitCode() != 1 {
		p.t.Fatalf("%v\n%s", err, errs)
	}
	got := map[string]string{}
	for _, f := range formats {
		b, err := os.ReadFile(filepath.Join(out, f))
		if err != nil {
			p.t.Fatal(err)
		}
		got[f] = string(b)
	}
	return got, errs.String()
}

func sameReports(t *testing.T, name string, want, got map[string]string) {
	t.Helper()
	for f, b := range want {
		if got[f] != b {
			t.Errorf("%s: the %s report has other bytes", name, f)
		}
	}
}

// TestCacheChangesNothing: the project's real images with the real database, cold, from
// the directory, from Redis, and with a Redis that is not there.
func TestCacheChangesNothing(t *testing.T) {
	s := redistest.Start(t, "--requirepass", "hunter2")
	p := newProcess(t)
	p.db = sharedtest.Database(t)
	if err := os.WriteFile(p.policy, []byte(cachePolicy), 0o600); err != nil {
		t.Fatal(err)
	}
	shared1 := []string{"OCIGATE_CACHE_KEY=" + cacheKey, "OCIGATE_CACHE=redis://" + s.Addr + "/1", "OCIGATE_CACHE_PASSWORD=hunter2"}
	for _, name := range []string{"planted.oci.tar", "alpine-3.20.3.tar", "debian-node-zstd.oci.tar"} {
		t.Run(name, func(t *testing.T) {
			image := shared(t, name)
			dirs := []string{t.TempDir(), t.TempDir(), t.TempDir(), t.TempDir()}
			cold, _ := p.reports(image, dirs[0], nil)
			warm, _ := p.reports(image, dirs[0], nil)
			sameReports(t, "from the directory", cold, warm)
			filled, errs := p.reports(image, dirs[1], shared1)
			sameReports(t, "filling Redis", cold, filled)
			if strings.Contains(errs, "warning") {
				t.Error(errs)
			}
			fromRedis, errs := p.reports(image, dirs[2], shared1)
			sameReports(t, "from Redis", cold, fromRedis)
			if strings.Contains(errs, "warning") {
				t.Error(errs)
			}
			// What came from there is all there is to know, and is kept here.
			if a, b := entries(t, dirs[1]), entries(t, dirs[2]); len(a) == 0 || !slices.Equal(a, b) {
				t.Errorf("entries %q, then %q", a, b)
			}
			dead, errs := p.reports(image, dirs[3], []string{"OCIGATE_CACHE_KEY=" + cacheKey}, "--cache", "redis://:hunter2@127.0.0.1:1", "--quiet")
			sameReports(t, "without Redis", cold, dead)
			if strings.Count(errs, "\n") != 1 || !strings.HasPrefix(errs, "ocigate: warning: ") || strings.Contains(errs, "hunter2") {
				t.Errorf("standard error %q", errs)
			}
		})
	}
}

// entries are the names of the layers in a cache directory.
func entries(t *testing.T, dir string) []string {
	t.Helper()
	files, err := filepath.Glob(filepath.Join(dir, "layers/*/*/*"))
	if err != nil {
		t.Fatal(err)
	}
	for i := range files {
		files[i] = filepath.Base(files[i])
	}
	return files
}

// TestRedisAndTwoProcesses: two at the same time over TLS, and the server is killed while
// others run.
func TestRedisAndTwoProcesses(t *testing.T) {
	s := redistest.StartTLS(t)
	p := newProcess(t)
	image := imagetest.WriteTar(t, "image.tar", imagetest.DockerFiles(imagetest.Saved{Image: imagetest.NewImage(alpine("1.36.1-r28"))})...)
	env := []string{"OCIGATE_CACHE_KEY=" + cacheKey + "\n"}
	args := []string{"--cache", "rediss://" + s.Addr, "--ca-file", s.CAFile}
	want, _ := p.reports(image, t.TempDir(), nil)
	round := func(meanwhile func(), quiet bool) {
		var wg sync.WaitGroup
		for range 2 {
			wg.Go(func() {
				got, errs := p.reports(image, t.TempDir(), env, args...)
				sameReports(t, "shared", want, got)
				if n := strings.Count(errs, "warning"); n > 1 || n > 0 && quiet {
					t.Error(errs)
				}
			})
		}
		meanwhile()
		wg.Wait()
	}
	round(func() {}, true)
	round(s.Kill, false)
	round(func() {}, false)
}

func TestCacheWithoutKeyIsNotShared(t *testing.T) {
	p := newProcess(t)
	image := imagetest.WriteTar(t, "image.tar", imagetest.DockerFiles(imagetest.Saved{Image: imagetest.NewImage(alpine("1.36.1-r28"))})...)
	_, errs := p.reports(image, t.TempDir(), nil, "--cache", "redis://:hunter2@127.0.0.1:1")
	if strings.Count(errs, "warning") != 1 || !strings.Contains(errs, "OCIGATE_CACHE_KEY") || strings.Contains(errs, "hunter2") {
		t.Error(errs)
	}
	_, errs = p.reports(image, t.TempDir(), []string{"OCIGATE_CACHE_KEY=" + cacheKey}, "--cache", "redis://127.0.0.1:1", "--offline")
	if strings.Count(errs, "warning") != 1 || !strings.Contains(errs, "--offline") {
		t.Error(errs)
	}
}

func TestCacheFlags(t *testing.T) {
	for _, tt := range []struct {
		args []string
		env  map[string]string
		want string
	}{
		{[]string{"--cache", "redis://:hunter2@ho st"}, nil, "--cache is not of the form redis://"},
		{[]string{"--cache", "/var/cache"}, nil, "--cache-dir"},
		{nil, map[string]string{"OCIGATE_CACHE": "redis://x?skip_verify=hunter2"}, "OCIGATE_CACHE is not of the form"},
		{nil, map[string]string{"OCIGATE_CACHE_KEY": "hunter2"}, "at least 32 are needed"},
		{[]string{"--cache", "redis://x", "--no-layer-cache"}, nil, "contradict"},
		{[]string{"--cache-ttl", "0d"}, nil, "--cache-ttl"},
		{[]string{"--cache-ttl", ""}, nil, "--cache-ttl"},
		{[]string{"--cache-ttl", "99999999w"}, nil, "too long"},
		{[]string{"--cache-max-size", "0B"}, nil, "--cache-max-size"},
		{[]string{"--cache-max-size", "1kB"}, nil, "less than 1MiB"},
		{[]string{"--cache-max-size", "5"}, nil, "no size"},
		{[]string{"--cache-max-size", "9999999999GiB"}, nil, "no size"},
	} {
		code, _, errs := run(tt.env, append([]string{"check", "x.tar", "--policy", "ocigate:baseline"}, tt.args...)...)
		if code != 2 || !strings.Contains(errs, tt.want) || strings.Contains(errs, "hunter2") {
			t.Errorf("%v %v: exit code %d, %s", tt.args, tt.env, code, errs)
		}
	}
}

// TestCacheThatOthersCanWrite is not used, and the run says so.
func TestCacheThatOthersCanWrite(t *testing.T) {
	p := newProcess(t)
	image := imagetest.WriteTar(t, "image.tar", imagetest.DockerFiles(imagetest.Saved{Image: imagetest.NewImage(alpine("1.36.1-r28"))})...)
	dir := t.TempDir()
	want, _ := p.reports(image, dir, nil)
	if err := os.Chmod(filepath.Join(dir, "layers"), 0o777); err != nil {
		t.Fatal(err)
	}
	got, errs := p.reports(image, dir, nil)
	sameReports(t, "exposed", want, got)
	if strings.Count(errs, "warning") != 1 {
		t.Error(errs)
	}
}

// TestPoisonedRedis: somebody with the password, but not the key, puts the entries of a
// good image in the place of a bad one's.
func TestPoisonedRedis(t *testing.T) {
	s := redistest.Start(t)
	db, err := redis.Dial("tcp", s.Addr)
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	p := newProcess(t)
	write := func(name, busybox string) string {
		return imagetest.WriteTar(t, name, imagetest.DockerFiles(imagetest.Saved{Image: imagetest.NewImage(alpine(busybox))})...)
	}
	good, bad := write("good.tar", "1.36.1-r31"), write("bad.tar", "1.36.1-r28")
	env := []string{"OCIGATE_CACHE_KEY=" + cacheKey, "OCIGATE_CACHE=redis://" + s.Addr}
	layers := func() []string {
		keys, err := redis.Strings(db.Do("KEYS", "ocigate:1:layers:*"))
		if err != nil {
			t.Fatal(err)
		}
		return keys
	}
	p.reports(good, t.TempDir(), env)
	first := layers()
	want, _ := p.reports(bad, t.TempDir(), env)
	if !strings.Contains(want["json"], "CVE-2099-0001") {
		t.Fatal(want["json"])
	}
	both := layers()
	if len(first) != 1 || len(both) != 2 {
		t.Fatalf("%q, then %q", first, both)
	}
	good1, err := redis.Bytes(db.Do("GET", first[0]))
	if err != nil {
		t.Fatal(err)
	}
	for _, k := range both {
		if _, err := db.Do("SET", k, good1); err != nil {
			t.Fatal(err)
		}
	}
	got, errs := p.reports(bad, t.TempDir(), env)
	sameReports(t, "poisoned", want, got)
	if strings.Count(errs, "warning") != 1 || !strings.Contains(errs, "not sealed with OCIGATE_CACHE_KEY") {
		t.Error(errs)
	}
}
