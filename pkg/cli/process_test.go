// SPDX-License-Identifier: Apache-2.0

package cli_test

import (
	"bytes"
	"errors"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/ocigate/ocigate/pkg/cli"
	"github.com/ocigate/ocigate/pkg/internal/dbtest"
	"github.com/ocigate/ocigate/pkg/internal/imagetest"
)

// TestMain lets the test binary be ocigate, so that signals and time-outs meet a
// real process.
func TestMain(m *testing.M) {
	if name := filepath.Base(os.Args[0]); name == "ocigate" || name == "docker-ocigate" {
		os.Exit(cli.Program(os.Args, cli.Streams{In: os.Stdin, Out: os.Stdout, Err: os.Stderr}, os.LookupEnv))
	}
	os.Exit(m.Run())
}

const processPolicy = `version: 1
name: process
database: {max-age: 520w}
rules:
  vulnerabilities:
    - {id: serious, severity: [critical, high, unknown]}
`

// process is the real binary with directories of its own.
type process struct {
	t                *testing.T
	bin, dir, policy string
	db               string
}

func newProcess(t *testing.T) *process {
	t.Helper()
	dir := t.TempDir()
	p := &process{t: t, bin: filepath.Join(dir, "ocigate"), dir: dir, policy: filepath.Join(dir, "policy.yaml")}
	// The test binary is ocigate when it is called by that name; see TestMain.
	self, err := os.Executable()
	if err == nil {
		err = os.Symlink(self, p.bin)
	}
	if err := errors.Join(err, os.WriteFile(p.policy, []byte(processPolicy), 0o600), os.Mkdir(filepath.Join(dir, "tmp"), 0o700)); err != nil {
		t.Fatal(err)
	}
	advisories, err := filepath.Abs("../../cmd/ocigate/testdata/advisories.yaml")
	if err != nil {
		t.Fatal(err)
	}
	p.db = dbtest.New(t, dbtest.Spec{Files: []string{advisories}})
	return p
}

func (p *process) command(args ...string) (*exec.Cmd, *bytes.Buffer, *bytes.Buffer) {
	cmd := exec.Command(p.bin, append([]string{"check", "--policy", p.policy, "--db-dir", p.db, "--cache-dir", filepath.Join(p.dir, "cache")}, args...)...)
	cmd.Env = []string{"HOME=" + p.dir, "TMPDIR=" + filepath.Join(p.dir, "tmp"), "PATH=" + os.Getenv("PATH")}
	var out, errs bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &errs
	return cmd, &out, &errs
}

// leftovers lists what is left in the temporary directory.
func (p *process) leftovers() []string {
	list, err := os.ReadDir(filepath.Join(p.dir, "tmp"))
	if err != nil {
		p.t.Fatal(err)
	}
	var names []string
	for _, e := range list {
		names = append(names, e.Name())
	}
	return names
}

func alpine(busybox string) *imagetest.Layer {
	return imagetest.NewLayer(imagetest.Gzip,
		imagetest.File{Name: "etc/os-release", Body: "ID=alpine\nVERSION_ID=3.20.3\n"},
		imagetest.File{Name: "etc/alpine-release", Body: "3.20.3\n"},
		imagetest.File{Name: "lib/apk/db/installed", Body: "P:busybox\nV:" + busybox + "\nA:x86_64\no:busybox\n\n"})
}

// stalling starts a registry that sends the first half of a layer and then
// nothing; reached is closed when it has.
func stalling(t *testing.T) (ref string, reached <-chan struct{}) {
	t.Helper()
	l := alpine("1.36.1-r31")
	reg := imagetest.NewRegistry(t)
	half, release := make(chan struct{}), make(chan struct{})
	var once sync.Once
	t.Cleanup(func() { close(release) })
	reg.Handle = func(w http.ResponseWriter, r *http.Request) bool {
		if r.Method != http.MethodGet || !strings.HasSuffix(r.URL.Path, l.Digest.String()) {
			return false
		}
		w.Header().Set("Content-Length", fmt.Sprint(len(l.Blob)))
		_, _ = w.Write(l.Blob[:len(l.Blob)/2]) // the client may be gone
		if f, ok := w.(http.Flusher); ok {
			f.Flush()
		}
		once.Do(func() { close(half) })
		select {
		case <-release:
		case <-r.Context().Done():
		}
		return true
	}
	return "registry:" + reg.Push("shop", "1", imagetest.NewImage(l)), half
}

func TestTimeoutInMidLayer(t *testing.T) {
	p := newProcess(t)
	ref, _ := stalling(t)
	cmd, out, errs := p.command("--timeout", "2s", ref)
	err := cmd.Run()
	var exit *exec.ExitError
	if !errors.As(err, &exit) || exit.ExitCode() != 3 {
		t.Fatalf("%v\n%s%s", err, out, errs)
	}
	if !strings.Contains(out.String(), "--timeout") || !strings.HasPrefix(out.String(), "ERROR") {
		t.Errorf("the report does not say why:\n%s", out)
	}
	if l := p.leftovers(); len(l) > 0 {
		t.Errorf("left behind: %v", l)
	}
}

func TestInterruptInMidLayer(t *testing.T) {
	for sig, want := range map[os.Signal]int{os.Interrupt: 130, syscall.SIGTERM: 143} {
		p := newProcess(t)
		ref, reached := stalling(t)
		cmd, out, errs := p.command(ref)
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		<-reached
		if err := cmd.Process.Signal(sig); err != nil {
			t.Fatal(err)
		}
		err := cmd.Wait()
		var exit *exec.ExitError
		if !errors.As(err, &exit) || exit.ExitCode() != want {
			t.Errorf("%s: %v, want exit code %d\n%s%s", sig, err, want, out, errs)
		}
		if l := p.leftovers(); len(l) > 0 {
			t.Errorf("%s: left behind: %v", sig, l)
		}
	}
}

// Nothing can be read from a pipe that nobody writes to; an interrupt still ends it.
func TestInterruptWhilePolicyHangs(t *testing.T) {
	p := newProcess(t)
	if err := errors.Join(os.Remove(p.policy), syscall.Mkfifo(p.policy, 0o600)); err != nil {
		t.Fatal(err)
	}
	cmd, _, errs := p.command("image.tar")
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	// Opening the pipe for writing returns when the program has opened it for reading.
	w, err := os.OpenFile(p.policy, os.O_WRONLY, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer w.Close()
	if err := cmd.Process.Signal(os.Interrupt); err != nil {
		t.Fatal(err)
	}
	if err := cmd.Wait(); cmd.ProcessState.ExitCode() != 130 {
		t.Errorf("%v, want exit code 130\n%s", err, errs)
	}
}

func TestTwentyRunsOnOneCache(t *testing.T) {
	p := newProcess(t)
	reg := imagetest.NewRegistry(t)
	reg.Push("shop", "1", imagetest.NewImage(alpine("1.36.1-r28")))
	var wg sync.WaitGroup
	outs := make([]string, 20)
	for i := range outs {
		wg.Go(func() {
			cmd, out, errs := p.command("registry:"+reg.Host+"/shop:1", "--effective-time", "2026-11-24", "--allow-past", "--output", "json")
			err := cmd.Run()
			var exit *exec.ExitError
			if !errors.As(err, &exit) || exit.ExitCode() != 1 {
				t.Errorf("run %d: %v\n%s", i, err, errs)
			}
			outs[i] = out.String()
		})
	}
	wg.Wait()
	for i, o := range outs {
		if o != outs[0] || o == "" {
			t.Errorf("run %d wrote another report than run 0:\n%s", i, cmp.Diff(outs[0], o))
		}
	}
}

// The database is fetched from the first repository that has one, kept, and used
// again without asking anybody.
func TestFetchedDatabase(t *testing.T) {
	p := newProcess(t)
	index, blobs := imagetest.Layout(imagetest.Named(imagetest.NewImage(alpine("1.36.1-r28")), "shop:1"))
	archive := imagetest.WriteTar(t, "shop.oci.tar", imagetest.LayoutFiles(index, blobs)...)
	host := dbtest.Serve(t, dbtest.Registry())
	if err := dbtest.Push(host+"/trivy-db:2", p.db, false); err != nil {
		t.Fatal(err)
	}
	cache := filepath.Join(p.dir, "fetched")
	run := func(args ...string) (int, string) {
		cmd := exec.Command(p.bin, append([]string{"check", archive, "--policy", p.policy, "--cache-dir", cache}, args...)...)
		cmd.Env = []string{"HOME=" + p.dir, "TMPDIR=" + filepath.Join(p.dir, "tmp"), "PATH=" + os.Getenv("PATH")}
		out, err := cmd.CombinedOutput()
		if err != nil && cmd.ProcessState == nil {
			t.Fatal(err)
		}
		return cmd.ProcessState.ExitCode(), string(out)
	}
	if code, out := run("--offline"); code != 3 || !strings.Contains(out, "--db-dir") {
		t.Errorf("offline without a database: exit code %d\n%s", code, out)
	}
	if code, out := run("--db-repository", host+"/nothing:2", "--db-repository", host+"/trivy-db:2"); code != 1 || !strings.Contains(out, "CVE-2099-0001") || !strings.Contains(out, host+"/trivy-db") {
		t.Errorf("fetched: exit code %d\n%s", code, out)
	}
	if code, out := run("--offline"); code != 1 || !strings.Contains(out, "CVE-2099-0001") {
		t.Errorf("offline: exit code %d\n%s", code, out)
	}
}

func TestRudeRegistry(t *testing.T) {
	l := alpine("1.36.1-r31")
	cases := map[string][]byte{
		"swapped":  imagetest.Compress(imagetest.Gzip, imagetest.Tar(imagetest.File{Name: "x", Body: "y"})),
		"cut":      l.Blob[:len(l.Blob)/2],
		"trailing": append(bytes.Clone(l.Blob), "tail"...),
	}
	for name, body := range cases {
		t.Run(name, func(t *testing.T) {
			p := newProcess(t)
			reg := imagetest.NewRegistry(t)
			reg.Push("shop", "1", imagetest.NewImage(l))
			reg.Swap(l.Digest, body)
			cmd, out, errs := p.command("registry:" + reg.Host + "/shop:1")
			err := cmd.Run()
			var exit *exec.ExitError
			if !errors.As(err, &exit) || exit.ExitCode() != 3 {
				t.Fatalf("%v\n%s%s", err, out, errs)
			}
			if !strings.Contains(out.String(), l.Digest.Hex[:12]) {
				t.Errorf("the report does not name the blob:\n%s", out)
			}
			if entries, err := filepath.Glob(filepath.Join(p.dir, "cache/layers/layers/*/*")); err != nil || len(entries) > 0 {
				t.Errorf("in the cache: %v %v", entries, err)
			}
		})
	}
}

// Whoever reads the text may stop reading: the files are there all the same.
func TestReportsWhenNobodyReads(t *testing.T) {
	p := newProcess(t)
	image := imagetest.WriteTar(t, "image.tar", imagetest.DockerFiles(imagetest.Saved{Image: imagetest.NewImage(alpine("1.36.1-r31"))})...)
	report := filepath.Join(p.dir, "verdict.json")
	cmd, _, _ := p.command(image, "--output", "text", "--output", "json="+report)
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	cmd.Stdout = w
	if err := errors.Join(r.Close(), cmd.Start(), w.Close()); err != nil {
		t.Fatal(err)
	}
	if err := cmd.Wait(); err == nil {
		t.Error("a report that nobody can read is exit 0")
	}
	if b, err := os.ReadFile(report); err != nil || !bytes.HasSuffix(b, []byte("}\n")) {
		t.Errorf("%d bytes, %v", len(b), err)
	}
}
